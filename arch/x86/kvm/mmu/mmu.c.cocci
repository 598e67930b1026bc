// SPDX-License-Identifier: GPL-2.0-only
// MMIO, in all paging modes.  A known store is served before KVM walks its own
// tables if the error code says that it's MMIO, else before the emulator
// starts.

// expect 1
@header@
position p;
@@
 #include "spte.h"@p
+#include "pv_mmio_store.h"

// expect 1
@serve@
position p;
identifier vcpu, addr, code;
symbol direct, r;
expression E;
@@
 kvm_mmu_page_fault(struct kvm_vcpu *vcpu, gpa_t addr, u64 code, ...)
 {
 ...
 bool direct = E@p;
+	if (kvm_pv_mmio_serve_early(vcpu, addr, direct, code, &r))
+		return r;
 ...
 }

// expect 1
@emulate@
position p;
identifier vcpu, addr, code;
symbol direct;
expression type, insn, len;
@@
 kvm_mmu_page_fault(struct kvm_vcpu *vcpu, gpa_t addr, u64 code, ...)
 {
 <...
-return x86_emulate_instruction@p(vcpu, addr, type, insn, len);
+return kvm_pv_mmio_emulate(vcpu, addr, direct, code, type, insn, len);
 ...>
 }
