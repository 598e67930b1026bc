// SPDX-License-Identifier: GPL-2.0-only
// Doorbells, right after the world switch.

// An exit seldom finds another TPR than the LAPIC's.  To set the same one again
// costs some 100 instructions, at each exit there is.
// expect 1
@tpr@
position p;
identifier vcpu, cr8;
@@
 sync_cr8_to_lapic(struct kvm_vcpu *vcpu)
 {
 <...
-kvm_set_cr8@p(vcpu, cr8);
+/* CR8 is the upper half of TPR, and to write it clears the lower one. */
+if (!lapic_in_kernel(vcpu) ||
+    cr8 << 4 != kvm_lapic_get_reg(vcpu->arch.apic, APIC_TASKPRI))
+	kvm_set_cr8(vcpu, cr8);
 ...>
 }

// A doorbell turns around right after the world switch.
// expect 1
@turn@
position p;
identifier vcpu, force_immediate_exit;
expression intercepted;
@@
 svm_vcpu_run(struct kvm_vcpu *vcpu, ...)
 {
+	int turn;
 ...
 bool force_immediate_exit = ...;
 ...
-svm_vcpu_enter_exit@p(vcpu, intercepted);
+do {
+	svm_vcpu_enter_exit(vcpu, intercepted);
+	turn = svm_pv_mmio_turn(vcpu, force_immediate_exit);
+} while (turn == KVM_PV_MMIO_TURN_AGAIN);
+kvm_pv_mmio_note_guest();
 ...
+	if (turn != KVM_PV_MMIO_NO_DOORBELL)
+		return svm_pv_mmio_fastpath(vcpu, turn);
 return svm_exit_handlers_fastpath(vcpu);
 }

// RCU's note of the guest moves out of the turns, to after the last of them.
// expect 1
@enter@
position p;
@@
 svm_vcpu_enter_exit(...)
 {
 ...
-guest_state_enter_irqoff@p();
+kvm_pv_mmio_guest_enter_irqoff();
 ...
-guest_state_exit_irqoff();
+kvm_pv_mmio_guest_exit_irqoff();
 ...
 }

// Ioeventfds of length 0, which older kernels leave to the MMIO bus.
// expect 1 on 7.3
@misconfig@
position p;
identifier vcpu, gpa;
symbol error_code;
@@
 npf_interception(struct kvm_vcpu *vcpu)
 {
 <...
-!kvm_io_bus_write@p(vcpu, KVM_FAST_MMIO_BUS, gpa, 0, NULL)
+kvm_fast_mmio_write_fault(vcpu, gpa, error_code)
 ...>
 }

// expect 1
@header@
position p;
@@
 #include "svm_ops.h"@p
+#include "svm_pv_mmio.h"
