// SPDX-License-Identifier: GPL-2.0-only
// Every ioeventfd carries its entry in the index, which learns from the bus that
// a write has come to it.

// expect 1
@header@
position p;
@@
 #include <kvm/iodev.h>@p
+#include "ioeventfd_index.h"

// expect 1
@entry@
position p;
@@
 struct _ioeventfd@p {
 ...
+	struct kvm_ioeventfd_entry entry;
 };

// expect 1
@rung@
position p;
identifier vcpu, this, addr, len, val, i;
@@
 ioeventfd_write(struct kvm_vcpu *vcpu, struct kvm_io_device *this, gpa_t addr,
		 int len, const void *val)
 {
 ...
+kvm_ioeventfd_verify(vcpu->kvm, &i->entry);
 eventfd_signal@p(i->eventfd);
 return 0;
 }
