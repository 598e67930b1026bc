// SPDX-License-Identifier: GPL-2.0-only
/*
 * Payload of ioeventfds: what may be registered, and how it is stored where KVM
 * may sleep.  The exit fast path has its own code, which must have the same
 * effect.
 */
#include <linux/log2.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>

#include "ioeventfd_post.h"

/* Two names for the same 64 bytes. */
static const struct kvm_ioeventfd_post *
to_post(const struct kvm_ioeventfd *args)
{
	BUILD_BUG_ON(sizeof(struct kvm_ioeventfd_post) != sizeof(*args));
	BUILD_BUG_ON(offsetof(struct kvm_ioeventfd_post, pad1) !=
		     offsetof(struct kvm_ioeventfd, pad));

	return (const struct kvm_ioeventfd_post *)args;
}

/*
 * Stores must never leave user space, nor the part of it that the CPU can
 * address.  This is checked only here, because it can't change later.
 */
static bool address_is_valid(u64 addr, u32 len)
{
	return addr && IS_ALIGNED(addr, len) && addr < TASK_SIZE &&
	       access_ok((void __user *)addr, len);
}

bool kvm_ioeventfd_post_is_valid(const struct kvm_ioeventfd *args)
{
	const struct kvm_ioeventfd_post *post = to_post(args);

	if (!(args->flags & KVM_IOEVENTFD_FLAG_POST))
		return !(args->flags & KVM_IOEVENTFD_FLAG_WAKE);

	if (args->flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY ||
	    !is_power_of_2(args->len) || args->len > sizeof(u64) ||
	    !address_is_valid(post->post_addr, args->len))
		return false;

	return !(args->flags & KVM_IOEVENTFD_FLAG_WAKE) ||
	       (args->fd != -1 &&
		address_is_valid(post->wake_addr, sizeof(u32)));
}

static void __user *slot_of(const struct kvm_ioeventfd *args)
{
	return args->flags & KVM_IOEVENTFD_FLAG_POST ?
	       (void __user *)to_post(args)->post_addr : NULL;
}

static u32 __user *wake_of(const struct kvm_ioeventfd *args)
{
	return args->flags & KVM_IOEVENTFD_FLAG_WAKE ?
	       (u32 __user *)to_post(args)->wake_addr : NULL;
}

void kvm_ioeventfd_set_post(struct kvm_ioeventfd_entry *entry,
			    const struct kvm_ioeventfd *args)
{
	entry->slot = slot_of(args);
	entry->wake = wake_of(args);
	entry->posts = args->len | (entry->wake ? KVM_IOEVENTFD_WAKES : 0);
}

bool kvm_ioeventfd_has_post(const struct kvm_ioeventfd_entry *entry,
			    const struct kvm_ioeventfd *args)
{
	return entry->slot == slot_of(args) && entry->wake == wake_of(args);
}

struct eventfd_ctx *kvm_ioeventfd_fdget(const struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_POST && args->fd == -1)
		return NULL;

	return eventfd_ctx_fdget(args->fd);
}

void kvm_ioeventfd_put(struct eventfd_ctx *eventfd)
{
	if (eventfd)
		eventfd_ctx_put(eventfd);
}

/* A single store for each width, so that nobody ever reads half of a value. */
static int put_value(void __user *slot, int len, const void *val)
{
	switch (len) {
	case 1:
		return put_user(*(const u8 *)val, (u8 __user *)slot);
	case 2:
		return put_user(get_unaligned((const u16 *)val),
				(u16 __user *)slot);
	case 4:
		return put_user(get_unaligned((const u32 *)val),
				(u32 __user *)slot);
	default:
		return put_user(get_unaligned((const u64 *)val),
				(u64 __user *)slot);
	}
}

/* If the word can't be read any more, signal: that does no harm. */
static bool is_asleep(u32 __user *wake)
{
	u32 value;

	/*
	 * Whoever sets the word reads the slot once more before it sleeps.
	 * With a barrier on both sides, either it sees the value, or KVM the
	 * word.
	 */
	smp_mb();
	return get_user(value, wake) || value;
}

int kvm_ioeventfd_post(struct kvm_vcpu *vcpu,
		       const struct kvm_ioeventfd_entry *entry,
		       struct eventfd_ctx *eventfd, int len, const void *val)
{
	u32 __maybe_unused ignored;

	/* Do all or nothing: see that the word can be read before storing. */
	if ((entry->wake && get_user(ignored, entry->wake)) ||
	    put_value(entry->slot, len, val)) {
		++vcpu->stat.ioeventfd_post_faults;
		return -EOPNOTSUPP;
	}

	if (eventfd && (!entry->wake || is_asleep(entry->wake)))
		eventfd_signal(eventfd);
	return 0;
}
