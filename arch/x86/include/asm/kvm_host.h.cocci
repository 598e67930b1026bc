// SPDX-License-Identifier: GPL-2.0-only
// State of a VM and of a vCPU, at the end of both structures so that the
// layout that vendor modules rely on stays the kernel's.

// expect 1
@types@
position p;
@@
 #include <linux/call_once.h>@p
+#include <asm/kvm_pv_mmio.h>

// expect 1
@vm@
position p;
@@
 struct kvm_arch@p {
 ...
+	struct kvm_pv_mmio_vm pv_mmio;
 };

// expect 1
@vcpu@
position p;
@@
 struct kvm_vcpu_arch@p {
 ...
+	struct kvm_pv_mmio_vcpu pv_mmio;
 };

// expect 1
@stat@
position p;
@@
 struct kvm_vcpu_stat@p {
 ...
+	u64 pv_mmio_fast;
+	u64 pv_mmio_slow;
+	u64 pv_mmio_learned;
+	u64 pv_mmio_declined_state;
+	u64 pv_mmio_declined_address;
+	u64 pv_mmio_declined_ram;
+	u64 pv_mmio_declined_code;
+	u64 hc_mmio_write_fast;
+	u64 hc_mmio_write_slow;
+	u64 hc_mmio_write_refused;
+	u64 pio_doorbell_fast;
+	u64 mmio_doorbell_fast;
+	u64 pv_mmio_turns;
+	u64 ioeventfd_post_faults;
 };
