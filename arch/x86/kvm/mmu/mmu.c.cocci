// SPDX-License-Identifier: GPL-2.0-only
// Where a fault goes to the emulator: MMIO, in all paging modes.

// expect 1
@emulate@
position p;
identifier vcpu, addr, direct, code;
symbol r;
expression E;
@@
 kvm_mmu_page_fault(struct kvm_vcpu *vcpu, gpa_t addr, u64 code, ...)
 {
 ...
 bool direct = E;
 <...
+	if (kvm_pv_mmio_store(vcpu, addr, direct, code, &r))
+		return r;
 return x86_emulate_instruction@p(...);
 ...>
 }
