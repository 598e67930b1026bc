/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Payload: an ioeventfd that stores the value in memory of the VM's owner, see
 * <linux/kvm_pv_mmio.h>.
 */
#ifndef _KVM_IOEVENTFD_POST_H
#define _KVM_IOEVENTFD_POST_H

#include <linux/eventfd.h>
#include <linux/kvm_host.h>
#include <linux/kvm_pv_mmio.h>

#include "ioeventfd_index.h"

#ifdef CONFIG_KVM_PV_MMIO
#define KVM_IOEVENTFD_POST_FLAGS \
	(KVM_IOEVENTFD_FLAG_POST | KVM_IOEVENTFD_FLAG_WAKE)

/* Whether flags and fields for the payload are valid, as all zeros are. */
bool kvm_ioeventfd_post_is_valid(const struct kvm_ioeventfd *args);

void kvm_ioeventfd_set_post(struct kvm_ioeventfd_entry *entry,
			    const struct kvm_ioeventfd *args);
bool kvm_ioeventfd_has_post(const struct kvm_ioeventfd_entry *entry,
			    const struct kvm_ioeventfd *args);

/* Returns NULL if there is no eventfd to signal. */
struct eventfd_ctx *kvm_ioeventfd_fdget(const struct kvm_ioeventfd *args);
void kvm_ioeventfd_put(struct eventfd_ctx *eventfd);

/*
 * Post a value where KVM may sleep; returns what a device's write() returns.
 * @val matches.  The caller holds kvm->srcu, and is in a process with kvm->mm.
 */
int kvm_ioeventfd_post(struct kvm_vcpu *vcpu,
		       const struct kvm_ioeventfd_entry *entry,
		       struct eventfd_ctx *eventfd, int len, const void *val);
#else
#define KVM_IOEVENTFD_POST_FLAGS	0

static inline bool kvm_ioeventfd_post_is_valid(const struct kvm_ioeventfd *args)
{
	return true;
}

static inline bool
kvm_ioeventfd_has_post(const struct kvm_ioeventfd_entry *entry,
		       const struct kvm_ioeventfd *args)
{
	return true;
}

static inline struct eventfd_ctx *
kvm_ioeventfd_fdget(const struct kvm_ioeventfd *args)
{
	return eventfd_ctx_fdget(args->fd);
}

static inline void kvm_ioeventfd_put(struct eventfd_ctx *eventfd)
{
	eventfd_ctx_put(eventfd);
}
#endif

#endif /* _KVM_IOEVENTFD_POST_H */
