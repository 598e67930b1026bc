/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The turnaround: a doorbell is decided right after the world switch, and the
 * guest re-entered from there.  It's the decision of the exit fast path, made
 * earlier: what else KVM does at an exit and an entry, a doorbell doesn't need.
 * Whatever is unusual or pending goes on as before.
 */
#ifndef __KVM_X86_PV_MMIO_TURN_H
#define __KVM_X86_PV_MMIO_TURN_H

#include <linux/entry-kvm.h>
#include <linux/kvm_host.h>
#include <asm/fpu/xcr.h>
#include <asm/pkru.h>

#include "pv_mmio_fast.h"
#include "trace.h"
#include "x86.h"

/*
 * The guest's XCR0 and IA32_XSS stay loaded, as they are for each NMI that comes
 * near a world switch: nothing here uses the FPU.  But PKRU says which pages of
 * the VMM's may be read, and guests change it without an exit.
 */
static __always_inline bool kvm_pv_mmio_has_host_pkru(struct kvm_vcpu *vcpu)
{
	if (!cpu_feature_enabled(X86_FEATURE_PKU) ||
	    (!(vcpu->arch.xcr0 & XFEATURE_MASK_PKRU) &&
	     !kvm_is_cr4_bit_set(vcpu, X86_CR4_PKE)))
		return true;

	/* As KVM will do it when the guest's state is put away. */
	vcpu->arch.pkru = rdpkru();
	return vcpu->arch.pkru == vcpu->arch.host_pkru;
}

/*
 * Whether an exit may be decided before the rest of KVM has seen it.  An event
 * that was to be delivered by this entry isn't done with yet, an exit of L2's
 * may be L1's, and who traces exits and entries wants to see them.
 */
static __always_inline bool kvm_pv_mmio_may_turn(struct kvm_vcpu *vcpu)
{
	return !is_guest_mode(vcpu) &&
	       !kvm_event_needs_reinjection(vcpu) &&
	       !vcpu->arch.guest_state_protected &&
	       !trace_kvm_entry_enabled() && !trace_kvm_exit_enabled() &&
	       kvm_pv_mmio_has_host_pkru(vcpu);
}

/*
 * Whether the guest may go on at once.  To be asked after the signal: a wake-up
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
