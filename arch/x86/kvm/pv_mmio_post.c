// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the exit fast path rarely needs for ioeventfds that post, see
 * pv_mmio_post.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "pv_mmio_memory.h"
#include "pv_mmio_post.h"
#include "x86.h"

/* Memslots rarely change, so remember the answer for their generation. */
bool kvm_pv_mmio_note_mmio(struct kvm_vcpu *vcpu,
			   struct kvm_ioeventfd_entry *entry)
{
	u64 generation = kvm_pv_mmio_generation(vcpu);

	if (kvm_pv_mmio_gpa_is_ram(vcpu, entry->addr))
		return false;

	if (entry->posts)
		WRITE_ONCE(entry->post_generation, generation);
	else
		WRITE_ONCE(entry->mmio_generation, generation);
	return true;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_pv_mmio_note_mmio);

static bool get_word(u32 __user *word, u32 *value)
{
	bool read = false;

	kvm_pv_mmio_uaccess_begin();
	unsafe_get_user(*value, word, fault);
	read = true;
fault:
	kvm_pv_mmio_uaccess_end();
	return read;
}

struct eventfd_ctx *
kvm_pv_mmio_post_and_wake(const struct kvm_ioeventfd_entry *entry, u64 val)
{
	u8 width = entry->posts & ~KVM_IOEVENTFD_WAKES;
	u32 value;

	/* Do all or nothing: see that the word can be read before storing. */
	if (!get_word(entry->wake, &value) ||
	    !kvm_pv_mmio_put(entry, width, val))
		return ERR_PTR(-EFAULT);

	/* Pairs with the barrier of whoever sets the word before it sleeps. */
	smp_mb();
	return !get_word(entry->wake, &value) || value ? entry->eventfd : NULL;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_pv_mmio_post_and_wake);

bool kvm_pio_post(struct kvm_vcpu *vcpu, unsigned short port, int len, u64 val)
{
	struct kvm_ioeventfd_entry *entry;

	entry = kvm_ioeventfd_find_posting(vcpu->kvm, KVM_PIO_BUS, port, len,
					   val);
	return entry && kvm_pv_mmio_post(entry, val);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_pio_post);
