/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the CPU was doing at an exit, and whether that allows KVM to complete
 * the instruction without the emulator.
 */
#ifndef __KVM_X86_PV_MMIO_STATE_H
#define __KVM_X86_PV_MMIO_STATE_H

#include <linux/kvm_host.h>

#include "kvm_cache_regs.h"
#include "pv_mmio_insn.h"
#include "smm.h"
#include "x86.h"

/* What vendor code reads off an exit. */
struct kvm_pv_mmio_cpu {
	unsigned long rflags;
	u32 interrupt_shadow;
	u32 cpl;
	enum kvm_pv_mmio_mode mode;
};

/* With the host's switch off, no site is ever learned. */
static __always_inline bool kvm_pv_mmio_store_enabled(struct kvm_vcpu *vcpu)
{
	return !READ_ONCE(vcpu->kvm->arch.pv_mmio.no_stores);
}

/* @l and @db: the bits of the code segment. */
static __always_inline enum kvm_pv_mmio_mode
kvm_pv_mmio_mode(struct kvm_vcpu *vcpu, bool l, bool db)
{
	if (l && is_long_mode(vcpu))
		return KVM_PV_MMIO_MODE_64;

	return db ? KVM_PV_MMIO_MODE_32 : KVM_PV_MMIO_MODE_16;
}

/*
 * Whether hardware says that a store, and not a fetch or a walk of the guest's
 * page tables, faulted at its translated and permitted address.
 */
static __always_inline bool kvm_pv_mmio_is_store(u64 error_code)
{
	const u64 mask = PFERR_WRITE_MASK | PFERR_FETCH_MASK |
			 PFERR_GUEST_FINAL_MASK | PFERR_GUEST_PAGE_MASK;

	return (error_code & mask) ==
	       (PFERR_WRITE_MASK | PFERR_GUEST_FINAL_MASK);
}

/*
 * Whether completing an instruction changes nothing but RIP and RFLAGS.RF: no
 * trap follows it, and there's no interrupt shadow that it would clear.
 */
static __always_inline bool kvm_pv_mmio_may_complete(struct kvm_vcpu *vcpu,
						     struct kvm_pv_mmio_cpu cpu)
{
	return !cpu.interrupt_shadow && !(cpu.rflags & X86_EFLAGS_TF) &&
	       !is_smm(vcpu) && !vcpu->arch.guest_state_protected &&
	       !vcpu->guest_debug && !vcpu->arch.switch_db_regs;
}

/*
 * The same for an instruction that exits by itself: events are delivered by
 * then.  An exit of L2's may be L1's: the fast path doesn't ask.
 */
static __always_inline bool kvm_pv_mmio_may_skip(struct kvm_vcpu *vcpu,
						 struct kvm_pv_mmio_cpu cpu)
{
	return !is_guest_mode(vcpu) && kvm_pv_mmio_may_complete(vcpu, cpu);
}

/* The same for an access that faults: that may be the delivery of an event. */
static __always_inline bool
kvm_pv_mmio_may_skip_access(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_cpu cpu)
{
	return kvm_pv_mmio_may_skip(vcpu, cpu) &&
	       !kvm_event_needs_reinjection(vcpu);
}

#endif /* __KVM_X86_PV_MMIO_STATE_H */
