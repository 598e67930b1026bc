// SPDX-License-Identifier: GPL-2.0-only
// Doorbells in the exit fast path.  They come before the check for the next
// RIP, as they don't need it.

// expect 1
@fastpath@
position p;
identifier vcpu, control;
expression E;
@@
 svm_exit_handlers_fastpath@p(struct kvm_vcpu *vcpu)
 {
 ...
 struct vmcb_control_area *control = E;
+	if (control->exit_code == SVM_EXIT_NPF)
+		return svm_pv_mmio_fastpath(vcpu);
+	if (control->exit_code == SVM_EXIT_VMMCALL)
+		return svm_hc_mmio_write_fastpath(vcpu);
+	if (control->exit_code == SVM_EXIT_IOIO)
+		return svm_pio_fastpath(vcpu);
 ...
 }

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
+if (cr8 != kvm_get_cr8(vcpu))
+	kvm_set_cr8(vcpu, cr8);
 ...>
 }
