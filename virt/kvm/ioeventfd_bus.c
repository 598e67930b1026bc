// SPDX-License-Identifier: GPL-2.0-only
/*
 * To assign an ioeventfd takes no grace period of its own.
 *
 * A bus is copied for each change, and vCPUs may still read the old one.  These
 * needn't see a new ioeventfd: their write began before KVM_IOEVENTFD returned,
 * so it may as well have come first.  All that a grace period is needed for is
 * to free the old bus, and that can wait.
 *
 * So such buses are kept, up to a limit, until somebody who has waited for a
 * grace period anyway, as for the removal of a device, frees them all.
 *
 * Why not call_srcu()?  It begins a grace period that isn't expedited, and then
 * everybody who wants an expedited one has to wait for that first: at 100 Hz it
 * makes the next change of memslots, such as that of the first KVM_CREATE_VCPU,
 * take 20 ms.
 *
 * Linux 6.12 still waits when a zone or an in-kernel device comes: after that,
 * no lookup has an answer from before, and the VMM may rely on the device.
 * Newer kernels wait for none of them, and keep their own way to free buses.
 */
#include <linux/overflow.h>
#include <kvm/iodev.h>

#include "ioeventfd_bus.h"
#include "ioeventfd_index.h"

/* How much a VM may keep; it's charged to the VM's owner. */
#define MAX_REPLACED		32
#define MAX_REPLACED_BYTES	SZ_256K

/* Changed under kvm->slots_lock. */
struct kvm_ioeventfd_replaced {
	u32 nr;
	size_t bytes;
	struct kvm_io_bus *buses[MAX_REPLACED];
};

/* Returns NULL if there's no memory: then no bus is kept. */
static struct kvm_ioeventfd_replaced *replaced_get(struct kvm *kvm)
{
	if (!kvm->ioeventfd_replaced)
		kvm->ioeventfd_replaced =
			kzalloc(sizeof(*kvm->ioeventfd_replaced),
				GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	return kvm->ioeventfd_replaced;
}

static bool replaced_keep(struct kvm *kvm, struct kvm_io_bus *old)
{
	struct kvm_ioeventfd_replaced *replaced = replaced_get(kvm);
	size_t size = struct_size(old, range, old->dev_count);

	if (!replaced || replaced->nr == MAX_REPLACED ||
	    replaced->bytes + size > MAX_REPLACED_BYTES)
		return false;

	replaced->buses[replaced->nr++] = old;
	replaced->bytes += size;
	return true;
}

void kvm_ioeventfd_bus_replaced(struct kvm *kvm, struct kvm_io_device *dev,
				struct kvm_io_bus *old)
{
	lockdep_assert_held(&kvm->slots_lock);

	if (kvm_ioeventfd_entry(dev) && replaced_keep(kvm, old))
		return;

	synchronize_srcu_expedited(&kvm->srcu);
	kfree(old);
	kvm_ioeventfd_free_replaced(kvm);
}

void kvm_ioeventfd_free_replaced(struct kvm *kvm)
{
	struct kvm_ioeventfd_replaced *replaced = kvm->ioeventfd_replaced;
	u32 i;

	if (!replaced)
		return;

	for (i = 0; i < replaced->nr; i++)
		kfree(replaced->buses[i]);
	kfree(replaced);
	kvm->ioeventfd_replaced = NULL;
}
