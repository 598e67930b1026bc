/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of the CPU at an exit, and whether it allows KVM to complete the
 * instruction without the emulator.
 */
#ifndef __KVM_X86_PV_MMIO_STATE_H
#define __KVM_X86_PV_MMIO_STATE_H

#include <linux/kvm_host.h>

#include "pmu.h"
#include "pv_mmio_compat.h"
#include "pv_mmio_insn.h"
#include "smm.h"
#include "x86.h"

/* What vendor code reads at an exit. */
struct kvm_pv_mmio_cpu {
	unsigned long rflags;
	u32 interrupt_shadow;
	u32 cpl;
	enum kvm_pv_mmio_mode mode;
};

/* The module parameter isn't checked: if it's off, KVM never learns a site. */
static __always_inline bool kvm_pv_mmio_store_enabled(struct kvm_vcpu *vcpu)
{
	return !READ_ONCE(vcpu->kvm->arch.pv_mmio.no_stores);
}

/* @l and @db are bits of the code segment. */
static __always_inline enum kvm_pv_mmio_mode
kvm_pv_mmio_mode(struct kvm_vcpu *vcpu, bool l, bool db)
{
	if (l && is_long_mode(vcpu))
		return KVM_PV_MMIO_MODE_64;

	return db ? KVM_PV_MMIO_MODE_32 : KVM_PV_MMIO_MODE_16;
}

/*
 * Whether hardware says that a store faulted at its final address, after the
 * guest's page tables have translated and permitted it; and not a fetch or a
 * walk of those tables.
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
 * trap follows it, and there's no interrupt shadow that it would clear.  Guests
 * change this without an exit.
 */
static __always_inline bool
kvm_pv_mmio_completes_silently(struct kvm_pv_mmio_cpu cpu)
{
	return !cpu.interrupt_shadow && !(cpu.rflags & X86_EFLAGS_TF);
}

/*
 * Whether KVM may complete an instruction by what else it knows of the vCPU, and
 * because no event is being delivered.
 */
static __always_inline bool kvm_pv_mmio_may_complete(struct kvm_vcpu *vcpu)
{
	return !is_smm(vcpu) && !vcpu->arch.guest_state_protected &&
	       !vcpu->guest_debug && !vcpu->arch.switch_db_regs &&
	       !kvm_event_needs_reinjection(vcpu);
}

/*
 * Whether the exit fast path may decide about an exit.  An exit of L2 may have
 * to go to L1, and KVM can't count instructions for a guest whose counters are
 * still loaded in the CPU.
 */
static __always_inline bool kvm_pv_mmio_may_decide(struct kvm_vcpu *vcpu)
{
	return !is_guest_mode(vcpu) && kvm_pv_mmio_may_complete(vcpu) &&
	       kvm_pmu_is_fastpath_emulation_allowed(vcpu);
}

#endif /* __KVM_X86_PV_MMIO_STATE_H */
