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

// Ahead of the length-0 ioeventfds, whose store is skipped by the length that
// hardware may or may not have told; a load isn't for them.
// expect 1
@misconfig@
position p;
identifier vcpu, gpa;
@@
 handle_ept_misconfig(struct kvm_vcpu *vcpu)
 {
 gpa_t gpa;
+	int r;
 ...
 gpa = vmcs_read64@p(GUEST_PHYSICAL_ADDRESS);
+	if (kvm_pv_mmio_store(vcpu, gpa, true, 0, &r))
+		return r;
+	if (vmx_fast_mmio_is_load(vcpu, gpa))
+		return kvm_mmu_page_fault(vcpu, gpa, PFERR_RSVD_MASK, NULL, 0);
 ...
 }
