/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From (bus, address, length, value) to the ioeventfd, at one price for any
 * number of them.  The bus stays the truth: the index answers only where a
 * walk of the bus would have come to the same ioeventfd.
 */
#ifndef _KVM_IOEVENTFD_INDEX_H
#define _KVM_IOEVENTFD_INDEX_H

#include <linux/kvm_host.h>
#include <linux/rculist.h>
#include <kvm/iodev.h>

struct eventfd_ctx;

/*
 * On PREEMPT_RT eventfd_signal() takes a lock that sleeps, so the exit fast
 * path serves only ioeventfds that post and have no eventfd.
 */
#define KVM_PV_MMIO_MAY_SIGNAL	(!IS_ENABLED(CONFIG_PREEMPT_RT))

/*
 * What an ioeventfd answers to, in one word: its length in bytes, 0 if any will
 * do, its bus, flags, and the generation of its bus in which it was verified
 * that no other device is in the way.  A lookup asks for the current generation
 * and for none of the two flags that leave an ioeventfd to the bus, so one
 * comparison is enough.
 */
#define KVM_IOEVENTFD_LEN		GENMASK_ULL(7, 0)
#define KVM_IOEVENTFD_BUS_SHIFT		8
#define KVM_IOEVENTFD_BUS		GENMASK_ULL(11, 8)
/* Any value will do. */
#define KVM_IOEVENTFD_WILDCARD		BIT_ULL(12)
/* At a port, and stores what is written. */
#define KVM_IOEVENTFD_POSTING		BIT_ULL(13)
/* The bus decides, whatever else comes and goes. */
#define KVM_IOEVENTFD_NESTED		BIT_ULL(14)
/* The bus decides, in that generation. */
#define KVM_IOEVENTFD_COVERED		BIT_ULL(15)
/* The lowest bit of the generation. */
#define KVM_IOEVENTFD_GENERATION	BIT_ULL(16)
/* What never changes of an ioeventfd, but for KVM_IOEVENTFD_NESTED. */
#define KVM_IOEVENTFD_FOR_GOOD		GENMASK_ULL(14, 0)

/* The kind of what is on this bus in its first generation. */
static __always_inline u64 kvm_ioeventfd_first_kind(enum kvm_bus bus_idx)
{
	return KVM_IOEVENTFD_GENERATION | bus_idx << KVM_IOEVENTFD_BUS_SHIFT;
}

static __always_inline enum kvm_bus kvm_ioeventfd_bus(u64 kind)
{
	return (kind & KVM_IOEVENTFD_BUS) >> KVM_IOEVENTFD_BUS_SHIFT;
}

/* A flag of kvm_ioeventfd_entry.posts: a word says whether to signal. */
#define KVM_IOEVENTFD_WAKES		BIT(7)

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
	/* 0 until it's known; changed under kvm_ioeventfd_others.lock. */
	u64 kind;
	/* 0, or how wide the values are that are stored, and a flag. */
	u8 posts;
	/* What never changes of @kind, but for KVM_IOEVENTFD_NESTED. */
	u16 id;
	/*
	 * While an array of changes is looked at, under kvm->slots_lock: its
	 * place on the bus, or below 0 if the array assigns it.
	 */
	int at;
	/* Where they are stored, and the word of who sleeps; or NULL. */
	void __user *slot;
	u32 __user *wake;
	/* If it posts: instead of mmio_generation. */
	u64 post_generation;
	/* Like @at, only while an array of changes is looked at. */
	struct hlist_node alike;
};

#ifdef CONFIG_KVM_PV_MMIO
static inline u64 kvm_range_end(const struct kvm_io_range *range)
{
	return range->addr + range->len;
}

/*
 * Under kvm->slots_lock, after the new bus was put in place and before the
 * grace period, if there is one.  The device is at @pos of @bus, which is the
 * new bus where it was added, and the old one where it was removed.
 */
void kvm_ioeventfd_index_add(struct kvm *kvm, enum kvm_bus bus_idx,
			     struct kvm_io_bus *bus, int pos);
void kvm_ioeventfd_index_del(struct kvm *kvm, enum kvm_bus bus_idx,
			     struct kvm_io_bus *bus, int pos);
/*
 * The same for many that were added to the @buses at once, @nr of them: those
 * whose kvm_ioeventfd_entry.at is below 0.
 */
void kvm_ioeventfd_index_add_many(struct kvm *kvm, unsigned long buses, u32 nr);
void kvm_ioeventfd_index_free(struct kvm *kvm);
void __kvm_ioeventfd_verify(struct kvm *kvm, struct kvm_ioeventfd_entry *entry);

/* The ranges of devices that are no ioeventfds. */
struct kvm_ioeventfd_others {
	/*
	 * With kvm->slots_lock for changes of @ranges, and of the generations
	 * in the index; alone for entries.  Taken by vCPUs in kvm->srcu.
	 */
	spinlock_t lock;
	struct rb_root_cached ranges[KVM_NR_BUSES];
};

/*
 * The most entries of a bucket that are looked at.  Lookups run with interrupts
 * off, and a VMM decides how many ioeventfds there are and where.  The bus
 * finds those that are further down.  To find one that takes any value, as many
 * are looked at twice: 16 in all, 139 instructions more than for one of each.
 *
 * Ioeventfds that nobody chose with the keys in mind are never that far down.
 * The table grows so that there are at least four buckets for each entry.
 * Entries then fall into buckets as if at random, a quarter of an entry in each
 * on average: a given bucket has more than 8 with a probability of
 * 0.25^9 / 9! / e^0.25 = 8.2e-12.  That makes 1.3e-7 for the 16384 buckets of
 * 4096 ioeventfds: one such VM in 7 million would have one doorbell that the bus
 * has to find.
 */
#define KVM_IOEVENTFD_MAX_PROBES	8
#define KVM_IOEVENTFD_BUCKETS_PER_ENTRY	4

/*
 * Replaced as a whole when it gets too small, so that readers need only one
 * pointer.  Whoever still reads the old one may miss entries, and then asks the
 * bus.
 */
struct kvm_ioeventfd_index {
	/* Random, so that no VMM knows which entries share a bucket; odd. */
	u64 addr_key;
	u64 value_key;
	/* From a hash of 64 bits to a bucket: none is out of range. */
	u32 shift;
	/* How many entries take any value; changed under kvm->slots_lock. */
	int nr_wildcards[KVM_NR_BUSES];
	/* How many at ports store what is written; the same. */
	int nr_posting;
	/*
	 * By hash of the address, where the exit fast path may find entries:
	 * the key of the only address, or one of the two below.
	 */
	u64 *keys_at;
	/* Bus and current generation: what entries are to have in common. */
	u64 kinds[KVM_NR_BUSES];
	struct kvm_ioeventfd_others *others;

	/* All of the following under kvm->slots_lock. */
	u32 nr_entries;
	/* How many such entries each of @keys_at stands for, up to 255. */
	u8 *nr_at;
	/* What it replaced, for readers that are in no kvm->srcu. */
	struct kvm_ioeventfd_index *old;

	struct hlist_head buckets[];
};

/*
 * No address has this hash, or several have.  Where an address has one of these
 * as its key, too, the answer is that there may be an entry.
 */
#define KVM_IOEVENTFD_NOWHERE	0ull
#define KVM_IOEVENTFD_SEVERAL	~0ull

static __always_inline u64 kvm_ioeventfd_key(enum kvm_bus bus_idx, gpa_t addr)
{
	return addr ^ ((u64)bus_idx << 60);
}

/*
 * Addresses and values come in even steps.  One multiplication by a random
 * number would now and then gather those in a few buckets, so fold its result
 * and multiply once more.  As all bits beyond the shift are dropped, the number
 * is a bucket's, also where the CPU speculates.
 */
static __always_inline u64 kvm_ioeventfd_mix(u64 key, u64 addr_key, u32 shift)
{
	key *= addr_key;
	key ^= key >> 32;
	return key * addr_key >> shift;
}

static __always_inline u64
kvm_ioeventfd_hash(const struct kvm_ioeventfd_index *index, u64 key)
{
	return kvm_ioeventfd_mix(key, index->addr_key, index->shift);
}

/* The bucket of entries at @addr that take any value. */
static __always_inline struct hlist_head *
kvm_ioeventfd_any_bucket(struct kvm_ioeventfd_index *index,
			 enum kvm_bus bus_idx, gpa_t addr)
{
	u64 key = kvm_ioeventfd_key(bus_idx, addr);

	return &index->buckets[kvm_ioeventfd_hash(index, key)];
}

/* The bucket of those that take @val. */
static __always_inline struct hlist_head *
kvm_ioeventfd_value_bucket(struct kvm_ioeventfd_index *index,
			   enum kvm_bus bus_idx, gpa_t addr, u64 val)
{
	u64 key = kvm_ioeventfd_key(bus_idx, addr) + val * index->value_key;

	return &index->buckets[kvm_ioeventfd_hash(index, key)];
}

/* One multiplication will do: a collision only costs a look at the buckets. */
static __always_inline u64
kvm_ioeventfd_at(const struct kvm_ioeventfd_index *index, u64 key)
{
	return key * index->addr_key >> index->shift;
}

static __always_inline bool
kvm_ioeventfd_is_at(const struct kvm_ioeventfd_index *index,
		    enum kvm_bus bus_idx, gpa_t addr)
{
	u64 key = kvm_ioeventfd_key(bus_idx, addr);
	u64 found = READ_ONCE(index->keys_at[kvm_ioeventfd_at(index, key)]);

	return likely(found == key) || found == KVM_IOEVENTFD_SEVERAL;
}

/* What may be found on a bus at present. */
static __always_inline u64
kvm_ioeventfd_kind(const struct kvm_ioeventfd_index *index,
		   enum kvm_bus bus_idx, u32 len)
{
	/* Only ioeventfds of length 0 are there: nothing gets in their way. */
	if (bus_idx == KVM_FAST_MMIO_BUS)
		return kvm_ioeventfd_first_kind(bus_idx) | len;

	return READ_ONCE(index->kinds[bus_idx]) | len;
}

/* Returns an entry of @kind or of @other, or NULL. */
static __always_inline struct kvm_ioeventfd_entry *
kvm_ioeventfd_probe(struct kvm *kvm, struct hlist_head *bucket, u64 kind,
		    u64 other, gpa_t addr, u64 val)
{
	int left = KVM_IOEVENTFD_MAX_PROBES;
	struct kvm_ioeventfd_entry *entry;
	u64 found;

	hlist_for_each_entry_srcu(entry, bucket, node,
				  srcu_read_lock_held(&kvm->srcu)) {
		/* Compared where it is: each comparison holds by itself. */
		found = data_race(entry->kind);
		if (entry->addr == addr && entry->datamatch == val &&
		    (found == kind || found == other))
			return entry;
		if (!--left)
			break;
	}
	return NULL;
}

/*
 * Whether any ioeventfd that the exit fast path may signal is registered at
 * exactly @addr, whatever its length and value.  It takes a few instructions,
 * needs no kvm->srcu, and spares accesses that are no doorbells everything
 * else.  If false, then the index would find none.
 */
static __always_inline bool kvm_ioeventfd_may_find(struct kvm *kvm,
						   enum kvm_bus bus_idx,
						   gpa_t addr)
{
	struct kvm_ioeventfd_index *index = READ_ONCE(kvm->ioeventfd_index);

	return index && kvm_ioeventfd_is_at(index, bus_idx, addr);
}

/* The same for those that take any value. */
static __always_inline bool
kvm_ioeventfd_may_find_wildcard(struct kvm *kvm, enum kvm_bus bus_idx,
				gpa_t addr)
{
	struct kvm_ioeventfd_index *index = READ_ONCE(kvm->ioeventfd_index);

	return index && READ_ONCE(index->nr_wildcards[bus_idx]) &&
	       kvm_ioeventfd_is_at(index, bus_idx, addr);
}

static __always_inline struct kvm_ioeventfd_entry *
__kvm_ioeventfd_find_wildcard(struct kvm *kvm,
			      struct kvm_ioeventfd_index *index,
			      enum kvm_bus bus_idx, gpa_t addr, int len,
			      u64 flag)
{
	u64 any = kvm_ioeventfd_kind(index, bus_idx, 0) |
		  KVM_IOEVENTFD_WILDCARD | flag;

	return kvm_ioeventfd_probe(kvm,
				   kvm_ioeventfd_any_bucket(index, bus_idx,
							    addr),
				   any | len, any, addr, 0);
}

/*
 * The caller has seen kvm_ioeventfd_may_find_wildcard(): so there's an index,
 * and will be for as long as the VM has vCPUs.
 */
static __always_inline struct kvm_ioeventfd_entry *
kvm_ioeventfd_find_wildcard(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr,
			    int len)
{
	return __kvm_ioeventfd_find_wildcard(kvm,
					     READ_ONCE(kvm->ioeventfd_index),
					     bus_idx, addr, len, 0);
}

static __always_inline struct kvm_ioeventfd_entry *
__kvm_ioeventfd_find(struct kvm *kvm, struct kvm_ioeventfd_index *index,
		     enum kvm_bus bus_idx, gpa_t addr, int len, u64 val,
		     u64 flag)
{
	u64 kind = kvm_ioeventfd_kind(index, bus_idx, len) | flag;
	struct kvm_ioeventfd_entry *entry;

	entry = kvm_ioeventfd_probe(kvm,
				    kvm_ioeventfd_value_bucket(index, bus_idx,
							       addr, val),
				    kind, kind, addr, val);
	if (entry || !READ_ONCE(index->nr_wildcards[bus_idx]))
		return entry;

	return __kvm_ioeventfd_find_wildcard(kvm, index, bus_idx, addr, len,
					     flag);
}

/*
 * The ioeventfd for a write of @len bytes, or NULL: then the bus knows better.
 * At a port, it's none that posts.  @val has no bits beyond @len.  The caller
 * is in kvm->srcu.
 */
static __always_inline struct kvm_ioeventfd_entry *
kvm_ioeventfd_find(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr, int len,
		   u64 val)
{
	struct kvm_ioeventfd_index *index = READ_ONCE(kvm->ioeventfd_index);

	return index ? __kvm_ioeventfd_find(kvm, index, bus_idx, addr, len, val,
					    0) : NULL;
}

/* The same for those at ports that do. */
static __always_inline struct kvm_ioeventfd_entry *
kvm_ioeventfd_find_posting(struct kvm *kvm, enum kvm_bus bus_idx, gpa_t addr,
			   int len, u64 val)
{
	struct kvm_ioeventfd_index *index = READ_ONCE(kvm->ioeventfd_index);

	if (!index || !READ_ONCE(index->nr_posting))
		return NULL;

	return __kvm_ioeventfd_find(kvm, index, bus_idx, addr, len, val,
				    KVM_IOEVENTFD_POSTING);
}

/*
 * The bus has come to this ioeventfd, whose entry may be of a generation that
 * is over.  The caller is in kvm->srcu, and may sleep on PREEMPT_RT, as it has
 * to for eventfd_signal().
 */
static inline void kvm_ioeventfd_verify(struct kvm *kvm,
					struct kvm_ioeventfd_entry *entry)
{
	struct kvm_ioeventfd_index *index = READ_ONCE(kvm->ioeventfd_index);
	u64 kind = READ_ONCE(entry->kind);
	enum kvm_bus bus_idx = kvm_ioeventfd_bus(kind);

	if (index && (kind ^ READ_ONCE(index->kinds[bus_idx])) >=
		     KVM_IOEVENTFD_GENERATION)
		__kvm_ioeventfd_verify(kvm, entry);
}

/* In eventfd.c: the entry of an ioeventfd, NULL for other devices. */
struct kvm_ioeventfd_entry *kvm_ioeventfd_entry(struct kvm_io_device *dev);
/* Fill in what is known of a new ioeventfd before it's on a bus. */
void kvm_ioeventfd_init(struct kvm_io_device *dev,
			const struct kvm_ioeventfd *args);
#else
static inline void kvm_ioeventfd_index_add(struct kvm *kvm,
					   enum kvm_bus bus_idx,
					   struct kvm_io_bus *bus, int pos) { }
static inline void kvm_ioeventfd_index_del(struct kvm *kvm,
					   enum kvm_bus bus_idx,
					   struct kvm_io_bus *bus, int pos) { }
static inline void kvm_ioeventfd_index_free(struct kvm *kvm) { }
static inline void kvm_ioeventfd_init(struct kvm_io_device *dev,
				      const struct kvm_ioeventfd *args) { }
static inline void kvm_ioeventfd_verify(struct kvm *kvm,
					struct kvm_ioeventfd_entry *entry) { }
#endif

#endif /* _KVM_IOEVENTFD_INDEX_H */
