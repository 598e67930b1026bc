/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The turnaround: KVM decides about a doorbell right after the world switch,
 * and enters the guest again from there.  It makes the same decision as in the
 * exit fast path, only earlier, because a doorbell needs nothing else of what
 * KVM does at an exit and an entry.  If anything is unusual or pending, the
 * exit goes on as before.
 */
#ifndef __KVM_X86_PV_MMIO_TURN_H
#define __KVM_X86_PV_MMIO_TURN_H

#include <linux/kvm_host.h>
#include <asm/fpu/xcr.h>
#include <asm/pkru.h>

#include "pv_mmio_fast.h"
#include "trace.h"
#include "x86.h"

/*
 * The guest's XCR0 and IA32_XSS stay loaded, as nothing here uses the FPU; NMIs
 * near a world switch run with them, too.  But PKRU decides which of the VMM's
 * pages KVM may read, and guests change it without an exit.
 */
static __always_inline bool kvm_pv_mmio_has_host_pkru(struct kvm_vcpu *vcpu)
{
	if (!cpu_feature_enabled(X86_FEATURE_PKU) ||
	    (!(vcpu->arch.xcr0 & XFEATURE_MASK_PKRU) &&
	     !kvm_is_cr4_bit_set(vcpu, X86_CR4_PKE)))
		return true;

	/* KVM does the same when it saves the guest's state. */
	vcpu->arch.pkru = rdpkru();
	return vcpu->arch.pkru == vcpu->arch.host_pkru;
}

/* Whether KVM may decide where the kernel has its exit fast path. */
static __always_inline bool kvm_pv_mmio_may_decide_late(struct kvm_vcpu *vcpu)
{
	return kvm_pv_mmio_may_decide(vcpu) &&
	       (!KVM_FASTPATH_HAS_GUEST_PKRU || kvm_pv_mmio_has_host_pkru(vcpu));
}

/*
 * Whether KVM may decide before the rest of it has seen the exit.  It may not
 * before it has read which counters the guest runs, nor while exits or entries
 * are traced.
 */
static __always_inline bool kvm_pv_mmio_may_turn(struct kvm_vcpu *vcpu)
{
	return kvm_pv_mmio_may_decide(vcpu) &&
	       !kvm_vcpu_has_mediated_pmu(vcpu) &&
	       !trace_kvm_entry_enabled() && !trace_kvm_exit_enabled() &&
	       kvm_pv_mmio_has_host_pkru(vcpu);
}

/*
 * Whether the guest may go on at once.  Call this after the signal: a wake-up
 * on this CPU, or an interrupt for this vCPU, sends no IPI that would end the
 * next entry.
 */
static __always_inline bool kvm_pv_mmio_may_reenter(struct kvm_vcpu *vcpu)
{
	xfer_to_guest_mode_prepare();
	return vcpu->mode == IN_GUEST_MODE && !kvm_request_pending(vcpu) &&
	       !xfer_to_guest_mode_work_pending();
}

static __always_inline void kvm_pv_mmio_count_turn(struct kvm_vcpu *vcpu)
{
	++vcpu->stat.exits;
	++vcpu->stat.pv_mmio_turns;
}

#endif /* __KVM_X86_PV_MMIO_TURN_H */
