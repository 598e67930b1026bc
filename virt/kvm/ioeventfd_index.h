/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From (bus, address, length, value) to the ioeventfd, at one price for any
 * number of them.  The bus stays the truth: the index answers only where a
 * walk of the bus would have come to the same ioeventfd.
 */
#ifndef _KVM_IOEVENTFD_INDEX_H
#define _KVM_IOEVENTFD_INDEX_H

#include <linux/hashtable.h>
#include <linux/kvm_host.h>
#include <kvm/iodev.h>

struct eventfd_ctx;

/*
 * What an ioeventfd answers to, in one word: its bus, its length in bytes from
 * bit 8 on (0 if any will do), and flags.
 */
#define KVM_IOEVENTFD_BUS		GENMASK(7, 0)
#define KVM_IOEVENTFD_LEN_SHIFT		8
/* Another kind of device claims the address, so the bus decides. */
#define KVM_IOEVENTFD_OVERLAPPED	BIT(30)
/* Any value will do. */
#define KVM_IOEVENTFD_WILDCARD		BIT(31)

static __always_inline u32 kvm_ioeventfd_kind(enum kvm_bus bus_idx, u32 len)
{
	return bus_idx | len << KVM_IOEVENTFD_LEN_SHIFT;
}

/* Part of every ioeventfd, and alive as long as that is. */
struct kvm_ioeventfd_entry {
	struct hlist_node node;
	u64 addr;
	u64 datamatch;
	struct eventfd_ctx *eventfd;
	/* Memslot generation in which @addr was last seen not to be RAM. */
	u64 mmio_generation;
	/* Number of the page by which guests last wrote to @addr. */
	u64 linear_page;
	u32 kind;
};

#ifdef CONFIG_KVM_PV_MMIO
/* Under kvm->slots_lock, behind the new bus and ahead of the grace period. */
void kvm_ioeventfd_index_add(struct kvm *kvm, enum kvm_bus bus_idx,
			     struct kvm_io_device *dev);
void kvm_ioeventfd_index_del(struct kvm *kvm, enum kvm_bus bus_idx,
			     struct kvm_io_device *dev);
void kvm_ioeventfd_index_free(struct kvm *kvm);

#define KVM_IOEVENTFD_INDEX_BITS	12

/* The devices of other kinds on a bus: few, so a walk over them is cheap. */
struct kvm_ioeventfd_others {
	int nr;
	/* They couldn't be noted, so any address may be one of theirs. */
	bool unknown;
	struct kvm_io_range *range;
};

struct kvm_ioeventfd_index {
	DECLARE_HASHTABLE(table, KVM_IOEVENTFD_INDEX_BITS);
	/* How many entries take any value; changed under kvm->slots_lock. */
	int nr_wildcards[KVM_NR_BUSES];
	/* Under kvm->slots_lock. */
	struct kvm_ioeventfd_others others[KVM_NR_BUSES];
};

static inline u64 kvm_ioeventfd_key(enum kvm_bus bus_idx, gpa_t addr)
{
	return addr ^ ((u64)bus_idx << 60);
}

/* Addresses and values come in even steps, so let one not cancel the other. */
static inline u64 kvm_ioeventfd_value_key(enum kvm_bus bus_idx, gpa_t addr,
					  u64 val)
{
	return kvm_ioeventfd_key(bus_idx, addr) ^
	       ((val + 1) * GOLDEN_RATIO_64);
}

/* An entry of @kind, or else of @other. */
static __always_inline struct kvm_ioeventfd_entry *
kvm_ioeventfd_probe(struct kvm *kvm, struct kvm_ioeventfd_index *index, u64 key,
		    u32 kind, u32 other, gpa_t addr, u64 val)
{
	struct kvm_ioeventfd_entry *entry;
	u32 found;

	hlist_for_each_entry_srcu(entry,
				  &index->table[hash_min(key, HASH_BITS(index->table))],
				  node, srcu_read_lock_held(&kvm->srcu)) {
		found = READ_ONCE(entry->kind);
		if (entry->addr == addr && entry->datamatch == val &&
		    (found == kind || found == other))
			return entry;
	}
	return NULL;
}

/*
 * Whether there may be a wildcard at @addr: a look at the bucket alone, which
 * needs no kvm->srcu and spares other accesses the rest.
 */
static __always_inline bool kvm_ioeventfd_may_find_wildcard(struct kvm *kvm,
							    enum kvm_bus bus_idx,
							    gpa_t addr)
{
	struct kvm_ioeventfd_index *index = READ_ONCE(kvm->ioeventfd_index);
	u64 key = kvm_ioeventfd_key(bus_idx, addr);

	return index && READ_ONCE(index->nr_wildcards[bus_idx]) &&
	       !hlist_empty(&index->table[hash_min(key, HASH_BITS(index->table))]);
}

static __always_inline struct kvm_ioeventfd_entry *
kvm_ioeventfd_find_wildcard(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr,
			    int len)
{
	struct kvm_ioeventfd_index *index = READ_ONCE(kvm->ioeventfd_index);
	u32 kind = kvm_ioeventfd_kind(bus_idx, len) | KVM_IOEVENTFD_WILDCARD;
	u32 any = kvm_ioeventfd_kind(bus_idx, 0) | KVM_IOEVENTFD_WILDCARD;

	if (!index)
		return NULL;

	return kvm_ioeventfd_probe(kvm, index, kvm_ioeventfd_key(bus_idx, addr),
				   kind, any, addr, 0);
}

/*
 * The ioeventfd that a write of @len bytes signals, or NULL: then the bus
 * knows better.  @val has no bits beyond @len.  The caller is in kvm->srcu.
 */
static __always_inline struct kvm_ioeventfd_entry *
kvm_ioeventfd_find(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr, int len,
		   u64 val)
{
	struct kvm_ioeventfd_index *index = READ_ONCE(kvm->ioeventfd_index);
	u32 kind = kvm_ioeventfd_kind(bus_idx, len);
	struct kvm_ioeventfd_entry *entry;

	if (!index)
		return NULL;

	entry = kvm_ioeventfd_probe(kvm, index,
				    kvm_ioeventfd_value_key(bus_idx, addr, val),
				    kind, kind, addr, val);
	return entry ?: kvm_ioeventfd_find_wildcard(kvm, bus_idx, addr, len);
}

/* In eventfd.c: the entry of an ioeventfd, NULL for other kinds of device. */
struct kvm_ioeventfd_entry *kvm_ioeventfd_entry(struct kvm_io_device *dev);
void kvm_ioeventfd_fill_entry(struct kvm_io_device *dev);
#else
static inline void kvm_ioeventfd_index_add(struct kvm *kvm,
					   enum kvm_bus bus_idx,
					   struct kvm_io_device *dev) { }
static inline void kvm_ioeventfd_index_del(struct kvm *kvm,
					   enum kvm_bus bus_idx,
					   struct kvm_io_device *dev) { }
static inline void kvm_ioeventfd_index_free(struct kvm *kvm) { }
#endif

#endif /* _KVM_IOEVENTFD_INDEX_H */
