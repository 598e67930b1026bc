/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What KVM has in other places, or under other names, in older kernels.  This
 * is for the newest one; each older one has a file of this name below versions/
 * that says the same in its own words.
 */
#ifndef __KVM_X86_PV_MMIO_COMPAT_H
#define __KVM_X86_PV_MMIO_COMPAT_H

#include <linux/entry-virt.h>
#include <linux/kvm_host.h>

#include "regs.h"

/* KVM signals ioeventfds of length 0 before it looks at the MMIO bus on AMD. */
#define SVM_HAS_FAST_MMIO		true
/* In the exit fast path, the guest's PKRU is still loaded. */
#define KVM_FASTPATH_HAS_GUEST_PKRU	true

static __always_inline unsigned long *kvm_pv_mmio_rip(struct kvm_vcpu *vcpu)
{
	return &vcpu->arch.rip;
}

/* What is done for the guest may leave secrets in the L1 data cache. */
#define kvm_pv_mmio_request_l1d_flush(vcpu) \
	((void)(vcpu), kvm_request_l1tf_flush_l1d())

/* What kvm_rip_write() tells KVM; that one isn't always inline. */
static __always_inline void kvm_pv_mmio_mark_rip(struct kvm_vcpu *vcpu)
{
	vcpu->arch.regs_avail[0] |= BIT(VCPU_REG_RIP);
	vcpu->arch.regs_dirty[0] |= BIT(VCPU_REG_RIP);
}

/* How the guest that runs translates its linear addresses. */
static __always_inline struct kvm_pagewalk *
kvm_pv_mmio_pagewalk(struct kvm_vcpu *vcpu)
{
	return &vcpu->arch.gva_walk;
}

/* How the addresses are translated that @mmu has shadows for. */
#define kvm_pv_mmio_cpu_role(mmu)	((mmu)->w->cpu_role)

#define svm_has_lbrv(vmcb) \
	((vmcb)->control.misc_ctl2 & SVM_MISC2_ENABLE_V_LBR)

#define vmx_pi_desc(vcpu)	(&to_vmx(vcpu)->vt.pi_desc)

#endif /* __KVM_X86_PV_MMIO_COMPAT_H */
