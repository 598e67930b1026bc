// SPDX-License-Identifier: GPL-2.0-only
// Doorbells in the exit fast path.

// expect 1
@fastpath@
position p;
expression reason;
identifier vcpu;
@@
 vmx_exit_handlers_fastpath(struct kvm_vcpu *vcpu, ...)
 {
 <...
 switch (reason) {
 case EXIT_REASON_MSR_WRITE:
 	return handle_fastpath_set_msr_irqoff@p(...);
+case EXIT_REASON_EPT_MISCONFIG:
+	return vmx_pv_mmio_fastpath(vcpu);
+case EXIT_REASON_VMCALL:
+	return vmx_hc_mmio_write_fastpath(vcpu);
+case EXIT_REASON_IO_INSTRUCTION:
+	return vmx_pio_fastpath(vcpu);
 ...
 }
 ...>
 }

// Ioeventfds of length 0.
// expect 1
@misconfig@
position p;
identifier vcpu, gpa;
@@
 handle_ept_misconfig(struct kvm_vcpu *vcpu)
 {
 <...
-!is_guest_mode(vcpu) && !kvm_io_bus_write@p(vcpu, KVM_FAST_MMIO_BUS, gpa, 0, NULL)
+vmx_fast_mmio_write(vcpu, gpa)
 ...>
 }
