/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buses that were replaced because an ioeventfd came, until they may be freed.
 */
#ifndef _KVM_IOEVENTFD_BUS_H
#define _KVM_IOEVENTFD_BUS_H

#include <linux/kvm_host.h>
#include <linux/slab.h>

#ifdef CONFIG_KVM_PV_MMIO
/*
 * Free @old, which the caller has replaced because @dev came.  If @dev is an
 * ioeventfd, this keeps @old for now, and waits for a grace period only if too
 * much is kept already.
 */
void kvm_ioeventfd_bus_replaced(struct kvm *kvm, struct kvm_io_device *dev,
				struct kvm_io_bus *old);

/*
 * Free all buses that are kept.  No vCPU may read any: call this after a grace
 * period, or when the VM ends.
 */
void kvm_ioeventfd_free_replaced(struct kvm *kvm);
#else
static inline void kvm_ioeventfd_bus_replaced(struct kvm *kvm,
					      struct kvm_io_device *dev,
					      struct kvm_io_bus *old)
{
	synchronize_srcu_expedited(&kvm->srcu);
	kfree(old);
}

static inline void kvm_ioeventfd_free_replaced(struct kvm *kvm)
{
}
#endif

#endif /* _KVM_IOEVENTFD_BUS_H */
