/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entering and leaving the guest, when doorbells turn around in between.
 *
 * To RCU, a CPU in a guest is as quiescent as one in user space.  The kernel
 * tells RCU so before each entry and after each exit, at 50 instructions each.
 * It is enough to do so after an exit, and only after the last one of a run of
 * turns.  No grace period takes longer for that: to ask a CPU for a quiescent
 * state, RCU needs the CPU's tick or an IPI.  An interrupt is no doorbell, so
 * it ends the run, and KVM tells RCU about the guest before the interrupt's
 * handler looks.
 *
 * A CPU without a tick (nohz_full) needs more than that.  Its context is
 * tracked at each entry and exit, also in a run of turns.
 */
#ifndef __KVM_X86_PV_MMIO_GUEST_H
#define __KVM_X86_PV_MMIO_GUEST_H

#include <linux/kvm_host.h>

#ifdef CONFIG_KVM_PV_MMIO

/* guest_state_enter_irqoff() without telling RCU. */
static __always_inline void kvm_pv_mmio_guest_enter_irqoff(void)
{
	instrumentation_begin();
	trace_hardirqs_on_prepare();
	lockdep_hardirqs_on_prepare();
	instrumentation_end();

	context_tracking_guest_enter();
	lockdep_hardirqs_on(CALLER_ADDR0);
}

/* guest_state_exit_irqoff() without telling RCU. */
static __always_inline void kvm_pv_mmio_guest_exit_irqoff(void)
{
	lockdep_hardirqs_off(CALLER_ADDR0);
	context_tracking_guest_exit();

	instrumentation_begin();
	trace_hardirqs_off_finish();
	instrumentation_end();
}

/* Tell RCU that the CPU was in a guest. */
static __always_inline void kvm_pv_mmio_note_guest(void)
{
	if (!context_tracking_enabled_this_cpu())
		rcu_virt_note_context_switch();
}

#else

static __always_inline void kvm_pv_mmio_guest_enter_irqoff(void)
{
	guest_state_enter_irqoff();
}

static __always_inline void kvm_pv_mmio_guest_exit_irqoff(void)
{
	guest_state_exit_irqoff();
}

static inline void kvm_pv_mmio_note_guest(void)
{
}

#endif

#endif /* __KVM_X86_PV_MMIO_GUEST_H */
