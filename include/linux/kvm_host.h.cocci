// SPDX-License-Identifier: GPL-2.0-only
// The index of a VM's ioeventfds, and what they leave over.

// expect 1
@index@
position p;
@@
 struct kvm@p {
 ...
+	struct kvm_ioeventfd_index *ioeventfd_index;
+	/* A bit for each bus whose order the index can't tell. */
+	unsigned long ioeventfd_index_unsure;
+	struct kvm_ioeventfd_replaced *ioeventfd_replaced;
 };
