/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which exits may be doorbells.  Every exit comes here, so this is inline, and
 * takes only a few instructions for exits that are none.
 */
#ifndef __KVM_X86_VMX_PV_MMIO_H
#define __KVM_X86_VMX_PV_MMIO_H

#include "fast_mmio.h"
#include "pv_mmio_guest.h"
#include "x86.h"
#include "vmx.h"
#include "vmx_ops.h"

#ifdef CONFIG_KVM_PV_MMIO

#include "pv_mmio_fast.h"

/* Fields of an I/O instruction's exit qualification. */
#define VMX_IO_SIZE		GENMASK(2, 0)
#define VMX_IO_IS_IN		BIT(3)
#define VMX_IO_IS_STRING	BIT(4)

/*
 * What comes of a doorbell.  Each way has a function of its own, in which the
 * compiler puts all that the way needs: calls would cost as much as the checks.
 */
int vmx_store_turn(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned long rip);
int vmx_out_turn(struct kvm_vcpu *vcpu, u32 qualification);
int vmx_hc_turn(struct kvm_vcpu *vcpu);

/* The full @reason has more bits for enclaves and bus locks: no match then. */
static __always_inline bool vmx_pv_mmio_may_be_doorbell(u32 reason)
{
	const u64 mask = BIT_ULL(EXIT_REASON_EPT_MISCONFIG) |
			 BIT_ULL(EXIT_REASON_IO_INSTRUCTION) |
			 BIT_ULL(EXIT_REASON_VMCALL);

	return reason < 64 && mask & BIT_ULL(reason);
}

static __always_inline int vmx_maybe_store_turn(struct kvm_vcpu *vcpu,
						bool undecided)
{
	gpa_t gpa = vmcs_read64(GUEST_PHYSICAL_ADDRESS);
	unsigned long rip = vmcs_readl(GUEST_RIP);

	if (!kvm_pv_mmio_may_ring(vcpu, gpa, rip))
		return EXIT_FASTPATH_NONE;

	return undecided ? KVM_PV_MMIO_UNDECIDED :
			   vmx_store_turn(vcpu, gpa, rip);
}

static __always_inline int vmx_maybe_out_turn(struct kvm_vcpu *vcpu,
					      bool undecided)
{
	u32 qualification = vmx_get_exit_qual(vcpu);

	if (qualification & (VMX_IO_IS_STRING | VMX_IO_IS_IN) ||
	    !kvm_ioeventfd_may_find(vcpu->kvm, KVM_PIO_BUS,
				    qualification >> 16))
		return EXIT_FASTPATH_NONE;

	return undecided ? KVM_PV_MMIO_UNDECIDED :
			   vmx_out_turn(vcpu, qualification);
}

static __always_inline int vmx_maybe_hc_turn(struct kvm_vcpu *vcpu,
					     bool undecided)
{
	if (kvm_rax_read_raw(vcpu) != KVM_HC_MMIO_WRITE)
		return EXIT_FASTPATH_NONE;

	return undecided ? KVM_PV_MMIO_UNDECIDED : vmx_hc_turn(vcpu);
}

/* Returns a fastpath_t, or KVM_PV_MMIO_*. */
static __always_inline int vmx_pv_mmio_turn(struct kvm_vcpu *vcpu,
					    bool force_immediate_exit)
{
	u32 reason = vmx_get_exit_reason(vcpu).full;

	if (!vmx_pv_mmio_may_be_doorbell(reason))
		return KVM_PV_MMIO_NO_DOORBELL;

	if (reason == EXIT_REASON_EPT_MISCONFIG)
		return vmx_maybe_store_turn(vcpu, force_immediate_exit);
	if (reason == EXIT_REASON_IO_INSTRUCTION)
		return vmx_maybe_out_turn(vcpu, force_immediate_exit);

	return vmx_maybe_hc_turn(vcpu, force_immediate_exit);
}

/* The same at the place of the kernel's exit fast path. */
static __always_inline fastpath_t
vmx_pv_mmio_fastpath(struct kvm_vcpu *vcpu, int turn)
{
	return turn == KVM_PV_MMIO_UNDECIDED ? __vmx_pv_mmio_fastpath(vcpu) :
					       turn;
}

#else

static inline int vmx_pv_mmio_turn(struct kvm_vcpu *vcpu,
				   bool force_immediate_exit)
{
	return KVM_PV_MMIO_NO_DOORBELL;
}

static inline fastpath_t vmx_pv_mmio_fastpath(struct kvm_vcpu *vcpu,
					      int turn)
{
	return EXIT_FASTPATH_NONE;
}

#endif

#endif /* __KVM_X86_VMX_PV_MMIO_H */
