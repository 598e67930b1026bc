/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signalling an ioeventfd in the exit fast path, also one that posts the value.
 * Interrupts are off, and the process is the one that owns the VM, as KVM lets
 * no other process run a vCPU.
 *
 * Ioeventfds that don't post must not pay for those that do, not even by saving
 * a register.  So functions here need no more than the entry and the value, and
 * rare cases aren't inline.
 */
#ifndef __KVM_X86_PV_MMIO_POST_H
#define __KVM_X86_PV_MMIO_POST_H

#include <linux/eventfd.h>
#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include "../../../virt/kvm/ioeventfd_index.h"

/*
 * Until kvm_pv_mmio_uaccess_end(), an access to a page that isn't present
 * fails.  Preemption is off as well.  Where the kernel counts that, as Debian's
 * does, the page fault handler needs no other sign, see
 * faulthandler_disabled().
 */
static __always_inline void kvm_pv_mmio_uaccess_begin(void)
{
	lockdep_assert_irqs_disabled();
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT))
		pagefault_disable();
	__uaccess_begin();
}

static __always_inline void kvm_pv_mmio_uaccess_end(void)
{
	__uaccess_end();
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT))
		pagefault_enable();
}

/*
 * Store @val in the entry's slot as a whole, if the page is present.  This
 * needs no access_ok() and no fence: the address was checked when it was
 * registered, and no guest can change it.  The most common widths come first.
 */
static __always_inline bool
kvm_pv_mmio_put(const struct kvm_ioeventfd_entry *entry, u8 width, u64 val)
{
	void __user *slot = entry->slot;
	bool stored = false;

	kvm_pv_mmio_uaccess_begin();
	if (width == 4)
		unsafe_put_user(val, (u32 __user *)slot, fault);
	else if (width == 2)
		unsafe_put_user(val, (u16 __user *)slot, fault);
	else if (width == 8)
		unsafe_put_user(val, (u64 __user *)slot, fault);
	else
		unsafe_put_user(val, (u8 __user *)slot, fault);
	stored = true;
fault:
	kvm_pv_mmio_uaccess_end();
	return stored;
}

/*
 * Note that the entry's address isn't RAM in this generation of memslots.
 * Returns false if it is.
 */
bool kvm_pv_mmio_note_mmio(struct kvm_vcpu *vcpu,
			   struct kvm_ioeventfd_entry *entry);

/* Whether the address of an entry that doesn't post isn't RAM. */
static __always_inline bool
kvm_pv_mmio_is_mmio(struct kvm_vcpu *vcpu, struct kvm_ioeventfd_entry *entry,
		    u64 generation)
{
	return likely(READ_ONCE(entry->mmio_generation) == generation) ||
	       kvm_pv_mmio_note_mmio(vcpu, entry);
}

/*
 * Do what kvm_ioeventfd_post() does where KVM may sleep.  Returns the eventfd
 * to signal, NULL for none, or an error if a page isn't present: then it has
 * done nothing.
 */
struct eventfd_ctx *
kvm_pv_mmio_post_and_wake(const struct kvm_ioeventfd_entry *entry, u64 val);

/* Returns false if the fast path can't do it: then it has done nothing. */
static __always_inline bool
kvm_pv_mmio_post(const struct kvm_ioeventfd_entry *entry, u64 val)
{
	struct eventfd_ctx *eventfd;

	if (!KVM_PV_MMIO_MAY_SIGNAL && entry->eventfd)
		return false;

	if (unlikely(entry->posts & KVM_IOEVENTFD_WAKES)) {
		eventfd = kvm_pv_mmio_post_and_wake(entry, val);
		if (IS_ERR(eventfd))
			return false;
	} else {
		if (!kvm_pv_mmio_put(entry, entry->posts, val))
			return false;
		eventfd = entry->eventfd;
	}

	if (eventfd)
		eventfd_signal(eventfd);
	return true;
}

/*
 * Signal @entry for a write of @val, or post that; bytes beyond the entry's
 * length are ignored.  Returns false if the fast path can't do it: then it has
 * done nothing.
 *
 * An entry that posts never sets its mmio_generation, but post_generation.  So
 * the first comparison fails for it, and entries that don't post pay nothing.
 */
static __always_inline bool kvm_pv_mmio_ring(struct kvm_vcpu *vcpu,
					     struct kvm_ioeventfd_entry *entry,
					     u64 generation, u64 val)
{
	if (KVM_PV_MMIO_MAY_SIGNAL &&
	    likely(READ_ONCE(entry->mmio_generation) == generation)) {
		eventfd_signal(entry->eventfd);
		return true;
	}

	if (READ_ONCE(entry->post_generation) != generation &&
	    !kvm_pv_mmio_note_mmio(vcpu, entry))
		return false;
	if (entry->posts)
		return kvm_pv_mmio_post(entry, val);
	if (!KVM_PV_MMIO_MAY_SIGNAL)
		return false;

	eventfd_signal(entry->eventfd);
	return true;
}

/*
 * Post a write to a port, if none of the ioeventfds that don't post matches it.
 */
bool kvm_pio_post(struct kvm_vcpu *vcpu, unsigned short port, int len, u64 val);

/*
 * The same for a port, which is never RAM.  There the index tells ioeventfds
 * that post from others.
 */
static __always_inline bool kvm_pio_ring(struct kvm_vcpu *vcpu,
					 unsigned short port, int len, u64 val)
{
	struct kvm_ioeventfd_entry *entry = NULL;

	if (KVM_PV_MMIO_MAY_SIGNAL)
		entry = kvm_ioeventfd_find(vcpu->kvm, KVM_PIO_BUS, port, len,
					   val);
	if (unlikely(!entry))
		return kvm_pio_post(vcpu, port, len, val);

	eventfd_signal(entry->eventfd);
	return true;
}

#endif /* __KVM_X86_PV_MMIO_POST_H */
