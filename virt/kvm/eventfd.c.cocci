// SPDX-License-Identifier: GPL-2.0-only
// Every ioeventfd carries its entry in the index, which learns from the bus
// that a write has come to it.  One that posts what is written may have no
// eventfd.

// expect 1
@header@
position p;
@@
 #include <kvm/iodev.h>@p
+#include "ioeventfd_index.h"
+#include "ioeventfd_many.h"
+#include "ioeventfd_post.h"

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

// expect 1
@checked@
position p;
identifier kvm, args;
@@
 kvm_ioeventfd@p(struct kvm *kvm, struct kvm_ioeventfd *args)
 {
+	if (!kvm_ioeventfd_post_is_valid(args))
+		return -EINVAL;
 ...
 }

// expect 1
@flags@
position p;
identifier kvm, args;
@@
 kvm_assign_ioeventfd(struct kvm *kvm, struct kvm_ioeventfd *args)
 {
 <...
-args->flags & ~KVM_IOEVENTFD_VALID_FLAG_MASK@p
+args->flags & ~(KVM_IOEVENTFD_VALID_FLAG_MASK | KVM_IOEVENTFD_POST_FLAGS)
 ...>
 }

// expect 1
@assigned@
position p;
identifier kvm, bus_idx, args, i;
@@
 kvm_assign_ioeventfd_idx(struct kvm *kvm, enum kvm_bus bus_idx,
			  struct kvm_ioeventfd *args)
 {
 ...
-eventfd_ctx_fdget(args->fd)
+kvm_ioeventfd_fdget(args)
 ...
 kvm_iodevice_init@p(&i->dev, &ioeventfd_ops);
+	kvm_ioeventfd_init(&i->dev, args);
 ...
 }

// expect 1
@deassigned@
position p;
identifier kvm, bus_idx, args;
@@
 kvm_deassign_ioeventfd_idx(struct kvm *kvm, enum kvm_bus bus_idx,
			    struct kvm_ioeventfd *args)
 {
 ...
-eventfd_ctx_fdget@p(args->fd)
+kvm_ioeventfd_fdget(args)
 ...
 }

// expect 1
@same@
position p;
identifier kvm, bus_idx, args, i;
@@
 kvm_deassign_ioeventfd_idx(struct kvm *kvm, enum kvm_bus bus_idx,
			    struct kvm_ioeventfd *args)
 {
 <...
 if (!i->wildcard && i->datamatch != args->datamatch@p)
 	continue;
+	if (!kvm_ioeventfd_has_post(&i->entry, args))
+		continue;
 ...>
 }

// expect 3
@put@
position p;
expression eventfd;
identifier f = {ioeventfd_release, kvm_assign_ioeventfd_idx,
		kvm_deassign_ioeventfd_idx};
@@
 f(...)
 {
 <...
-eventfd_ctx_put@p(eventfd)
+kvm_ioeventfd_put(eventfd)
 ...>
 }
