/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many ioeventfds assigned and removed in one call, see <linux/kvm_pv_mmio.h>.
 */
#ifndef _KVM_IOEVENTFD_MANY_H
#define _KVM_IOEVENTFD_MANY_H

#include <linux/kvm_host.h>
#include <linux/kvm_pv_mmio.h>

struct eventfd_ctx;
struct kvm_io_device;

#ifdef CONFIG_KVM_PV_MMIO
/*
 * The most entries of an array: as many as virtio has queue numbers, so that
 * the doorbells of any device fit.  They take up to 28 MiB while the call
 * lasts, beside the ioeventfds themselves, charged to the caller.
 */
#define KVM_IOEVENTFDS_MAX	65536

/* @arg is the address of a struct kvm_ioeventfds. */
long kvm_ioeventfds(struct kvm *kvm, unsigned long arg);

/* In eventfd.c. */
enum kvm_bus kvm_ioeventfd_bus_of(const struct kvm_ioeventfd *args);

/*
 * Create an ioeventfd that isn't on a bus yet.  It takes over the reference to
 * @eventfd, which its destructor drops.  Returns NULL if there's no memory.
 */
struct kvm_io_device *kvm_ioeventfd_create(enum kvm_bus bus_idx,
					   const struct kvm_ioeventfd *args,
					   struct eventfd_ctx *eventfd);

/* Add an ioeventfd that is on a bus to the VM's list, under kvm->slots_lock. */
void kvm_ioeventfd_enlist(struct kvm *kvm, struct kvm_io_device *dev);
#else
static inline long kvm_ioeventfds(struct kvm *kvm, unsigned long arg)
{
	return -ENOTTY;
}
#endif

#endif /* _KVM_IOEVENTFD_MANY_H */
