// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index of a VM's ioeventfds: one hash table for all buses, made when the
 * first ioeventfd is registered and charged to the VM's owner.
 *
 * Readers are in kvm->srcu.  Changes are made under kvm->slots_lock while a
 * device comes to or leaves its bus, which waits for those readers anyway.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "ioeventfd_index.h"

static enum kvm_bus entry_bus(const struct kvm_ioeventfd_entry *entry)
{
	return entry->kind & KVM_IOEVENTFD_BUS;
}

static u64 index_entry_key(const struct kvm_ioeventfd_entry *entry)
{
	enum kvm_bus bus_idx = entry_bus(entry);

	if (entry->kind & KVM_IOEVENTFD_WILDCARD)
		return kvm_ioeventfd_key(bus_idx, entry->addr);

	return kvm_ioeventfd_value_key(bus_idx, entry->addr, entry->datamatch);
}

/* Walk the bus once, so that each ioeventfd that comes need not. */
static void index_note_others(struct kvm_ioeventfd_others *others,
			      struct kvm_io_bus *bus)
{
	int i;

	kfree(others->range);
	others->nr = 0;
	others->range = kmalloc_array(bus->dev_count,
				      sizeof(*others->range),
				      GFP_KERNEL_ACCOUNT);
	others->unknown = !others->range;
	if (others->unknown)
		return;

	for (i = 0; i < bus->dev_count; i++)
		if (!kvm_ioeventfd_entry(bus->range[i].dev))
			others->range[others->nr++] = bus->range[i];
}

static struct kvm_ioeventfd_index *index_get(struct kvm *kvm)
{
	struct kvm_ioeventfd_index *index = kvm->ioeventfd_index;
	struct kvm_io_bus *bus;
	int i;

	lockdep_assert_held(&kvm->slots_lock);

	if (index)
		return index;

	/* Doorbells work without, so it's no reason to alarm anyone. */
	index = kvzalloc(sizeof(*index), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!index)
		return NULL;

	for (i = 0; i < KVM_NR_BUSES; i++) {
		bus = kvm_get_bus(kvm, i);
		if (bus)
			index_note_others(&index->others[i], bus);
	}
	/* vCPUs may look at once. */
	smp_store_release(&kvm->ioeventfd_index, index);
	return index;
}

static bool is_overlapped(const struct kvm_ioeventfd_others *others, u64 addr)
{
	const struct kvm_io_range *range = others->range;
	int i;

	for (i = 0; i < others->nr; i++) {
		if (addr >= range[i].addr &&
		    addr - range[i].addr < max(range[i].len, 1))
			return true;
	}
	return others->unknown;
}

/* An overlapped entry is of a kind that nobody looks for. */
static void index_note_overlap(struct kvm_ioeventfd_index *index,
			       struct kvm_ioeventfd_entry *entry)
{
	u32 kind = entry->kind & ~KVM_IOEVENTFD_OVERLAPPED;

	if (is_overlapped(&index->others[entry_bus(entry)], entry->addr))
		kind |= KVM_IOEVENTFD_OVERLAPPED;
	WRITE_ONCE(entry->kind, kind);
}

static void index_remove(struct kvm_ioeventfd_index *index,
			 struct kvm_ioeventfd_entry *entry)
{
	int *nr = &index->nr_wildcards[entry_bus(entry)];

	hash_del_rcu(&entry->node);
	if (entry->kind & KVM_IOEVENTFD_WILDCARD)
		WRITE_ONCE(*nr, *nr - 1);
}

static void index_rescan(struct kvm *kvm, enum kvm_bus bus_idx)
{
	struct kvm_io_bus *bus = kvm_get_bus(kvm, bus_idx);
	struct kvm_ioeventfd_index *index = kvm->ioeventfd_index;
	struct kvm_ioeventfd_entry *entry;
	struct hlist_node *next;
	int bkt;

	if (!index)
		return;

	if (bus)
		index_note_others(&index->others[bus_idx], bus);

	hash_for_each_safe(index->table, bkt, next, entry, node) {
		if (entry_bus(entry) != bus_idx)
			continue;
		if (bus)
			index_note_overlap(index, entry);
		else
			index_remove(index, entry);
	}
}

void kvm_ioeventfd_index_add(struct kvm *kvm, enum kvm_bus bus_idx,
			     struct kvm_io_device *dev)
{
	struct kvm_ioeventfd_entry *entry = kvm_ioeventfd_entry(dev);
	struct kvm_ioeventfd_index *index;
	int *nr;

	if (!entry) {
		index_rescan(kvm, bus_idx);
		return;
	}

	/* Without an index the bus still finds every ioeventfd, only slower. */
	index = index_get(kvm);
	if (!index)
		return;

	kvm_ioeventfd_fill_entry(dev);
	entry->mmio_generation = U64_MAX;
	index_note_overlap(index, entry);
	nr = &index->nr_wildcards[bus_idx];
	if (entry->kind & KVM_IOEVENTFD_WILDCARD)
		WRITE_ONCE(*nr, *nr + 1);
	hash_add_rcu(index->table, &entry->node, index_entry_key(entry));
}

void kvm_ioeventfd_index_del(struct kvm *kvm, enum kvm_bus bus_idx,
			     struct kvm_io_device *dev)
{
	struct kvm_ioeventfd_entry *entry = kvm_ioeventfd_entry(dev);

	lockdep_assert_held(&kvm->slots_lock);

	/* A bus that couldn't shrink goes, with all that was on it. */
	if (!entry || !kvm_get_bus(kvm, bus_idx))
		index_rescan(kvm, bus_idx);
	else if (hash_hashed(&entry->node))
		index_remove(kvm->ioeventfd_index, entry);
}

void kvm_ioeventfd_index_free(struct kvm *kvm)
{
	struct kvm_ioeventfd_index *index = kvm->ioeventfd_index;
	int i;

	for (i = 0; index && i < KVM_NR_BUSES; i++)
		kfree(index->others[i].range);

	kvfree(index);
	kvm->ioeventfd_index = NULL;
}
