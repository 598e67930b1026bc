// SPDX-License-Identifier: GPL-2.0-only
// KVM can't read the code of a guest whose memory is encrypted, be it from the
// start, by migration within the host, or as another VM's mirror.

// expect 3
@active@
position p;
expression E;
@@
 E->active@p = true;
+	kvm_pv_mmio_exclude_sev(&container_of(E, struct kvm_svm, sev_info)->kvm);
