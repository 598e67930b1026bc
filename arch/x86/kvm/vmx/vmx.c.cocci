// SPDX-License-Identifier: GPL-2.0-only
// Doorbells, right after the world switch.

// Ioeventfds of length 0.
// expect 1
@misconfig@
position p;
identifier vcpu, gpa;
@@
 handle_ept_misconfig(struct kvm_vcpu *vcpu)
 {
 <...
-!is_guest_mode(vcpu) &&
-!kvm_io_bus_write@p(vcpu, KVM_FAST_MMIO_BUS, gpa, 0, NULL)
+kvm_fast_mmio_write(vcpu, gpa)
 ...>
 }

// A doorbell turns around right after the world switch.  Only the preemption
// timer has to be set again at each entry: it counts from there.
// expect 1
@turn@
position p;
identifier vcpu, force_immediate_exit;
expression flags, kick;
@@
 vmx_vcpu_run(struct kvm_vcpu *vcpu, ...)
 {
+	int turn;
 ...
-if (enable_preemption_timer) vmx_update_hv_timer(vcpu, force_immediate_exit);
-else if (force_immediate_exit)
-	kick;
 kvm_wait_lapic_expire(vcpu);
-vmx_vcpu_enter_exit@p(vcpu, flags);
+do {
+	if (enable_preemption_timer)
+		vmx_update_hv_timer(vcpu, force_immediate_exit);
+	else if (force_immediate_exit)
+		kick;
+	vmx_vcpu_enter_exit(vcpu, flags);
+	turn = vmx_pv_mmio_turn(vcpu, force_immediate_exit);
+} while (turn == KVM_PV_MMIO_TURN_AGAIN);
+kvm_pv_mmio_note_guest();
 ...
+	if (turn != KVM_PV_MMIO_NO_DOORBELL)
+		return vmx_pv_mmio_fastpath(vcpu, turn);
 return vmx_exit_handlers_fastpath(vcpu, force_immediate_exit);
 }

// KVM tells RCU about the guest after the last of a run of turns, not at each.
// expect 1
@enter@
position p;
@@
 vmx_vcpu_enter_exit(...)
 {
 ...
-guest_state_enter_irqoff@p();
+kvm_pv_mmio_guest_enter_irqoff();
 ...
-guest_state_exit_irqoff();
+kvm_pv_mmio_guest_exit_irqoff();
 ...
 }

// expect 1
@header@
position p;
@@
 #include "posted_intr.h"@p
+#include "vmx_pv_mmio.h"
