/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Linux 6.12 for code in the newest kernel's words, see the file of this name
 * there.
 */
#ifndef __KVM_X86_PV_MMIO_COMPAT_H
#define __KVM_X86_PV_MMIO_COMPAT_H

#include <linux/entry-kvm.h>
#include <linux/kvm_host.h>

#include "kvm_cache_regs.h"

#define SVM_HAS_FAST_MMIO		false
#define KVM_FASTPATH_HAS_GUEST_PKRU	false

/* There are exports for everybody only. */
#define EXPORT_SYMBOL_FOR_KVM_INTERNAL	EXPORT_SYMBOL_GPL

/* Here, no accessor cuts registers to the width of the guest's mode. */
#define kvm_rax_read_raw	kvm_rax_read
#define kvm_rax_write_raw	kvm_rax_write
#define kvm_rbx_read_raw	kvm_rbx_read
#define kvm_rcx_read_raw	kvm_rcx_read
#define kvm_rdx_read_raw	kvm_rdx_read
#define kvm_rsi_read_raw	kvm_rsi_read

/* RIP is one of the registers. */
#define kvm_pv_mmio_rip(vcpu)	(&(vcpu)->arch.regs[VCPU_REGS_RIP])
#define kvm_reset_dirty_registers(vcpu)	((vcpu)->arch.regs_dirty = 0)

static __always_inline void kvm_pv_mmio_mark_rip(struct kvm_vcpu *vcpu)
{
	vcpu->arch.regs_avail |= BIT(VCPU_REGS_RIP);
	vcpu->arch.regs_dirty |= BIT(VCPU_REGS_RIP);
}

static inline void kvm_pv_mmio_request_l1d_flush(struct kvm_vcpu *vcpu)
{
	vcpu->arch.l1tf_flush_l1d = true;
}

/* An MMU walks the guest's tables itself. */
#define kvm_pagewalk			kvm_mmu
#define kvm_pv_mmio_pagewalk(vcpu)	((vcpu)->arch.walk_mmu)
#define kvm_pv_mmio_cpu_role(mmu)	((mmu)->cpu_role)

/* Guests have no counters of the CPU's own. */
static __always_inline bool kvm_vcpu_has_mediated_pmu(struct kvm_vcpu *vcpu)
{
	return false;
}

static __always_inline bool
kvm_pmu_is_fastpath_emulation_allowed(struct kvm_vcpu *vcpu)
{
	return true;
}

#define kvm_pmu_instruction_retired(vcpu) \
	kvm_pmu_trigger_event(vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED)

#define svm_has_lbrv(vmcb) \
	((vmcb)->control.virt_ext & LBR_CTL_ENABLE_MASK)

#define vmx_get_exit_reason(vcpu)	(to_vmx(vcpu)->exit_reason)
#define vmx_pi_desc(vcpu)		(&to_vmx(vcpu)->pi_desc)

#endif /* __KVM_X86_PV_MMIO_COMPAT_H */
