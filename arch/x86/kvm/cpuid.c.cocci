// SPDX-License-Identifier: GPL-2.0-only
// What KVM_GET_SUPPORTED_CPUID says in KVM_CPUID_FEATURES.

// expect 1
@features@
position p;
identifier entry;
statement S;
@@
 if (sched_info_on@p())
 S
+	kvm_pv_mmio_add_cpuid_features(entry);
 entry->ebx = 0;
