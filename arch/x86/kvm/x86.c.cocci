// SPDX-License-Identifier: GPL-2.0-only
// Capabilities, the hypercall, statistics.

// expect 1
@check@
position p;
identifier kvm, ext, r;
@@
 kvm_vm_ioctl_check_extension@p(struct kvm *kvm, long ext)
 {
 int r = 0;
+	if (kvm_pv_mmio_is_cap(ext))
+		return kvm_pv_mmio_check_cap(ext);
 ...
 }

// expect 1
@enable@
position p;
identifier kvm, cap;
@@
 kvm_vm_ioctl_enable_cap@p(struct kvm *kvm, struct kvm_enable_cap *cap)
 {
 ...
 if (cap->flags)
 	return -EINVAL;
+	if (kvm_pv_mmio_is_cap(cap->cap))
+		return kvm_pv_mmio_enable_cap(kvm, cap);
 ...
 }

// Xen's and Hyper-V's hypercalls come first, as for the kernel's own.
// expect 1
@hypercall@
position p;
identifier vcpu;
@@
 kvm_emulate_hypercall(struct kvm_vcpu *vcpu)
 {
 ...
 if (kvm_hv_hypercall_enabled(vcpu))
 	return kvm_hv_hypercall@p(vcpu);
+	if (kvm_hc_mmio_write_called(vcpu))
+		return kvm_hc_mmio_write(vcpu);
 ...
 }

// A vCPU that starts anew may find other code at the places that KVM knows.
// expect 1
@reset@
position p;
identifier vcpu, init_event;
@@
 kvm_vcpu_reset(struct kvm_vcpu *vcpu, bool init_event)
 {
 ...
+	kvm_pv_mmio_forget(vcpu);
 kvm_lapic_reset@p(vcpu, init_event);
 ...
 }

// expect 1
@destroy@
position p;
identifier vcpu;
@@
 kvm_arch_vcpu_destroy(struct kvm_vcpu *vcpu)
 {
 ...
 kvm_free_lapic@p(vcpu);
+	kvm_pv_mmio_forget(vcpu);
 ...
 }

// expect 1
@stats@
position p;
symbol kvm_vcpu_stats_desc;
@@
 const struct kvm_stats_desc kvm_vcpu_stats_desc[] = {
 KVM_GENERIC_VCPU_STATS@p(),
+STATS_DESC_COUNTER(VCPU, pv_mmio_fast),
+STATS_DESC_COUNTER(VCPU, pv_mmio_slow),
+STATS_DESC_COUNTER(VCPU, pv_mmio_learned),
+STATS_DESC_COUNTER(VCPU, pv_mmio_declined_state),
+STATS_DESC_COUNTER(VCPU, pv_mmio_declined_address),
+STATS_DESC_COUNTER(VCPU, pv_mmio_declined_ram),
+STATS_DESC_COUNTER(VCPU, pv_mmio_declined_code),
+STATS_DESC_COUNTER(VCPU, hc_mmio_write_fast),
+STATS_DESC_COUNTER(VCPU, hc_mmio_write_slow),
+STATS_DESC_COUNTER(VCPU, hc_mmio_write_refused),
+STATS_DESC_COUNTER(VCPU, pio_doorbell_fast),
+STATS_DESC_COUNTER(VCPU, mmio_doorbell_fast),
+STATS_DESC_COUNTER(VCPU, pv_mmio_turns),
+STATS_DESC_COUNTER(VCPU, ioeventfd_post_faults),
 ...
 };
