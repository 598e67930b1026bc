// SPDX-License-Identifier: GPL-2.0-only
// The index follows the buses.  It does so between the new bus being put in
// place and the grace period, so that no vCPU can find what is about to be
// freed.  Where a bus only grows by an ioeventfd, nobody waits for that one.

// expect 1
@header@
position p;
@@
 #include "vfio.h"@p
+#include "ioeventfd_bus.h"
+#include "ioeventfd_index.h"
+#include "ioeventfd_many.h"

// expect 1
@added@
position p;
identifier kvm, bus_idx, dev, bus, new_bus, range, i;
@@
 kvm_io_bus_register_dev(struct kvm *kvm, enum kvm_bus bus_idx, ...,
			 struct kvm_io_device *dev)
 {
 ...
 new_bus->range[i] = range;
 ...
 rcu_assign_pointer(kvm->buses[bus_idx], new_bus);
+	kvm_ioeventfd_index_add(kvm, bus_idx, new_bus, i);
(
-synchronize_srcu_expedited@p(&kvm->srcu);
-kfree(bus);
+	kvm_ioeventfd_bus_replaced(kvm, dev, bus);
|
 call_srcu@p(&kvm->srcu, ...);
)
 ...
 }

// expect 1
@removed@
position p;
identifier kvm, bus_idx, dev, bus, new_bus, i;
@@
 kvm_io_bus_unregister_dev(struct kvm *kvm, enum kvm_bus bus_idx,
			   struct kvm_io_device *dev)
 {
 ...
 if (i == bus->dev_count) return 0;
 ...
 rcu_assign_pointer(kvm->buses[bus_idx], new_bus);
+	kvm_ioeventfd_index_del(kvm, bus_idx, bus, i);
 synchronize_srcu_expedited@p(&kvm->srcu);
+	kvm_ioeventfd_free_replaced(kvm);
 ...
 }

// expect 1
@many@
position p;
identifier filp, ioctl, arg, kvm;
@@
 kvm_vm_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg)
 {
 ...
 if (kvm->mm != current->mm || kvm->vm_dead)
 	return -EIO@p;
+	if (ioctl == KVM_IOEVENTFDS)
+		return kvm_ioeventfds(kvm, arg);
 ...
 }

// expect 1
@destroy@
position p;
identifier kvm;
@@
 kvm_destroy_vm(struct kvm *kvm)
 {
 ...
+	kvm_ioeventfd_index_free(kvm);
+	kvm_ioeventfd_free_replaced(kvm);
 kvm_free_irq_routing@p(kvm);
 ...
 }
