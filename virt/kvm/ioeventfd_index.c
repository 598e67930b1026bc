// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index of a VM's ioeventfds: one hash table for all buses, made when the
 * first ioeventfd is registered and charged to the VM's owner.
 *
 * Readers are in kvm->srcu.  Changes are made under kvm->slots_lock while a
 * device comes to or leaves its bus.  Whoever takes a device from its bus waits
 * for the readers before freeing it.
 *
 * Thousands of ioeventfds may lie under one zone of coalesced MMIO.  So a zone
 * that comes or goes leaves them alone and begins a new generation of its bus:
 * lookups then find no entry that was verified in an older one.  The bus serves
 * its next write, and if that comes to the ioeventfd, the vCPU that wrote
 * verifies the entry anew.
 *
 * That vCPU can't take kvm->slots_lock, whose holder waits for it to leave
 * kvm->srcu.  A spinlock lets ranges and generation change as one: either the
 * vCPU sees a range that is in the way, or it stamps the entry with a generation
 * that ends when the range comes.  A reader who still compares with the previous
 * generation began its write before the VMM could rely on the zone.
 *
 * When may the index answer?  A bus looks for a write by bisection, which takes
 * for granted that what comes before the write, what contains it and what comes
 * after it lie on the bus in this order.  Nothing sorts the bus: a new device
 * is put before the first one that begins no earlier and ends later.  That much
 * can be relied on, whatever was added and removed, and in which order:
 *
 *	X is before Z if X begins no later than Z and ends earlier.
 *
 * Two devices of which one contains the other, or of which the second has
 * length 0 and begins where the first ends, may be in either order.  A walk
 * through all pairs that spoil the bisection for a write to an ioeventfd at
 * address A shows that each has one of these:
 *
 * - a device that is no ioeventfd and contains A, or starts there, or, if the
 *   ioeventfd is of length 0, ends there: the ioeventfd is covered, until that
 *   device leaves.
 * - an ioeventfd that contains a device which begins later.  All that is at
 *   either address is nested, for good.  Devices don't overlap like that, so
 *   this needn't be cheap until somebody registers the ioeventfd again.
 *
 * A range that ends before it begins breaks the rule above for all others.
 */
#include <linux/interval_tree.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "ioeventfd_index.h"

/* The longest ioeventfd. */
#define MAX_LEN		8
#define MIN_BITS	8
#define MAX_BITS	20
/* A step of growth: what all smaller tables take is a third of the largest. */
#define GROW_BITS	2

static bool index_is_unsure(const struct kvm *kvm, enum kvm_bus bus_idx)
{
	return kvm->ioeventfd_index_unsure & BIT(bus_idx);
}

/*
 * The bits of its kind that never change, and KVM_IOEVENTFD_NESTED, which
 * changes under kvm->slots_lock.  A vCPU may be verifying the others right now.
 */
static u64 entry_kind(const struct kvm_ioeventfd_entry *entry)
{
	return READ_ONCE(entry->kind) & KVM_IOEVENTFD_FOR_GOOD;
}

static struct kvm_ioeventfd_entry *range_entry(const struct kvm_io_range *range)
{
	/* A long one is no ioeventfd, so don't look at its device. */
	return range->len <= MAX_LEN ? kvm_ioeventfd_entry(range->dev) : NULL;
}

/*
 * All devices whose ranges touch those from @lo to @hi, and maybe some more:
 * by the rule above none of them is further away than the first that ends
 * before @lo or begins after @hi.
 */
struct vicinity {
	u64 lo, hi;
	int first, last;
};

/*
 * What surrounds the device at @pos: at first, nothing but the device is in it.
 */
static struct vicinity vicinity_begin(const struct kvm_io_bus *bus, int pos)
{
	const struct kvm_io_range *range = &bus->range[pos];
	u64 end = kvm_range_end(range);

	return (struct vicinity) {
		.lo = range->addr - min_t(u64, range->addr, MAX_LEN),
		.hi = end + min_t(u64, ~end, MAX_LEN),
		.first = pos,
		.last = pos,
	};
}

/* Widen @v by one device and return that, or NULL if there are no more. */
static const struct kvm_io_range *vicinity_widen(struct vicinity *v,
						 const struct kvm_io_bus *bus)
{
	if (v->first > 0 && kvm_range_end(&bus->range[v->first - 1]) >= v->lo)
		return &bus->range[--v->first];

	if (v->last < bus->dev_count - 1 &&
	    bus->range[v->last + 1].addr <= v->hi)
		return &bus->range[++v->last];

	return NULL;
}

static struct vicinity index_vicinity(const struct kvm_io_bus *bus, int pos)
{
	struct vicinity v = vicinity_begin(bus, pos);

	while (vicinity_widen(&v, bus))
		;
	return v;
}

/*
 * Whether a device from @start to @end is in the way of writes to ioeventfds at
 * @addr, which are of length 0 if @any_len.
 */
static bool is_in_the_way(u64 start, u64 end, u64 addr, bool any_len)
{
	return addr == start ||
	       (addr > start && (addr < end || (addr == end && any_len)));
}

/*
 * Whether @outer is an ioeventfd, and @inner a device in it that begins later.
 */
static bool is_nest(const struct kvm_io_range *outer,
		    const struct kvm_io_range *inner)
{
	return inner->addr > outer->addr &&
	       kvm_range_end(inner) <= kvm_range_end(outer) &&
	       range_entry(outer);
}

static bool is_nested(const struct kvm_io_bus *bus, int pos,
		      const struct vicinity *v)
{
	const struct kvm_io_range *range = &bus->range[pos];
	struct kvm_ioeventfd_entry *entry = range_entry(range), *other;
	int i;

	for (i = v->first; i <= v->last; i++) {
		if (is_nest(&bus->range[i], range) ||
		    is_nest(range, &bus->range[i]))
			return true;

		/* What holds for an address holds for all that is there. */
		if (entry && bus->range[i].addr == range->addr) {
			other = range_entry(&bus->range[i]);
			if (other && entry_kind(other) & KVM_IOEVENTFD_NESTED)
				return true;
		}
	}
	return false;
}

static void entry_set_nested(struct kvm_ioeventfd_index *index,
			     struct kvm_ioeventfd_entry *entry)
{
	spin_lock(&index->others->lock);
	WRITE_ONCE(entry->kind, entry->kind | KVM_IOEVENTFD_NESTED);
	spin_unlock(&index->others->lock);
}

/* Leave to the bus what is near a nest: both addresses are. */
static void index_note_nest(struct kvm_ioeventfd_index *index,
			    const struct kvm_io_bus *bus, int pos)
{
	u64 end = kvm_range_end(&bus->range[pos]);
	struct kvm_ioeventfd_entry *entry;
	struct vicinity v;
	int i;

	if (bus->range[pos].len > MAX_LEN)
		return;

	v = index_vicinity(bus, pos);
	if (!is_nested(bus, pos, &v))
		return;

	for (i = v.first; i <= v.last; i++) {
		entry = range_entry(&bus->range[i]);
		if (!entry || bus->range[i].addr < v.lo ||
		    bus->range[i].addr > end)
			continue;
		entry_set_nested(index, entry);
	}
}

static bool entry_is_covered(struct rb_root_cached *others,
			     const struct kvm_ioeventfd_entry *entry)
{
	bool any_len = !(entry->kind & KVM_IOEVENTFD_LEN);
	struct interval_tree_node *node;
	u64 addr = entry->addr;

	for (node = interval_tree_iter_first(others, addr, addr); node;
	     node = interval_tree_iter_next(node, addr, addr)) {
		if (is_in_the_way(node->start, node->last, addr, any_len))
			return true;
	}
	return false;
}

/* Verify the entry for the current generation of its bus. */
static void entry_verify(struct kvm *kvm, struct kvm_ioeventfd_index *index,
			 struct kvm_ioeventfd_entry *entry)
{
	u64 kind = entry_kind(entry);
	enum kvm_bus bus_idx = kvm_ioeventfd_bus(kind);

	lockdep_assert_held(&index->others->lock);

	if (index_is_unsure(kvm, bus_idx) ||
	    entry_is_covered(&index->others->ranges[bus_idx], entry))
		kind |= KVM_IOEVENTFD_COVERED;
	WRITE_ONCE(entry->kind, kind | index->kinds[bus_idx]);
}

void __kvm_ioeventfd_verify(struct kvm *kvm, struct kvm_ioeventfd_entry *entry)
{
	struct kvm_ioeventfd_index *index = READ_ONCE(kvm->ioeventfd_index);

	spin_lock(&index->others->lock);
	/* A vCPU may write to a new one before it is in the index. */
	if (entry->kind)
		entry_verify(kvm, index, entry);
	spin_unlock(&index->others->lock);
}

/* There are enough generations for a change per microsecond, for years. */
static void index_outdate(struct kvm_ioeventfd_index *index,
			  enum kvm_bus bus_idx)
{
	lockdep_assert_held(&index->others->lock);

	WRITE_ONCE(index->kinds[bus_idx],
		   index->kinds[bus_idx] + KVM_IOEVENTFD_GENERATION);
}

/*
 * Whether another device than @self contains @range, so that all ioeventfds in
 * @range are covered anyway.
 */
static bool others_contain(struct rb_root_cached *others,
			   const struct interval_tree_node *self,
			   const struct kvm_io_range *range)
{
	u64 start = range->addr, end = kvm_range_end(range);
	struct interval_tree_node *node;

	/*
	 * A device of length 0 also covers what begins where other devices end.
	 */
	if (!range->len)
		return false;

	node = interval_tree_iter_first(others, start, start);
	while (node && (node == self || node->last < end))
		node = interval_tree_iter_next(node, start, start);
	return node;
}

/*
 * Whether a device that is no ioeventfd and comes, or goes and is @self, may
 * make a difference to any ioeventfd.  Thousands may be in its way: look for one.
 */
static bool index_concerns(struct rb_root_cached *others,
			   const struct interval_tree_node *self,
			   const struct kvm_io_bus *bus, int pos)
{
	const struct kvm_io_range *other = &bus->range[pos], *range;
	struct vicinity v = vicinity_begin(bus, pos);
	u64 end = kvm_range_end(other);

	if (others_contain(others, self, other))
		return false;

	while ((range = vicinity_widen(&v, bus))) {
		if (is_in_the_way(other->addr, end, range->addr, !range->len) &&
		    range_entry(range))
			return true;
	}
	return false;
}

/*
 * Whether an exit may have use for the entry, so that it has to ask for it: on
 * PREEMPT_RT, the exit fast path can't signal an eventfd.
 */
static bool entry_is_fast(const struct kvm_ioeventfd_entry *entry)
{
	return KVM_PV_MMIO_MAY_SIGNAL || !entry->eventfd ||
	       kvm_ioeventfd_bus(entry_kind(entry)) == KVM_FAST_MMIO_BUS;
}

static u64 entry_at(const struct kvm_ioeventfd_index *index,
		    const struct kvm_ioeventfd_entry *entry, u64 *key)
{
	*key = kvm_ioeventfd_key(kvm_ioeventfd_bus(entry_kind(entry)),
				 entry->addr);
	return kvm_ioeventfd_at(index, *key);
}

/* Note the entry's address, before the entry can be found. */
static void index_announce(struct kvm_ioeventfd_index *index,
			   const struct kvm_ioeventfd_entry *entry)
{
	u64 key, at = entry_at(index, entry, &key);

	if (!entry_is_fast(entry))
		return;

	if (index->nr_at[at] && index->keys_at[at] != key)
		key = KVM_IOEVENTFD_SEVERAL;
	WRITE_ONCE(index->keys_at[at], key);
	if (index->nr_at[at] < U8_MAX)
		index->nr_at[at]++;
}

/*
 * Forget the entry's address, after the entry was removed.  If several share
 * the hash, nobody knows which are left; if they were too many to count, nobody
 * knows how many.
 */
static void index_renounce(struct kvm_ioeventfd_index *index,
			   const struct kvm_ioeventfd_entry *entry)
{
	u64 key, at = entry_at(index, entry, &key);

	if (!entry_is_fast(entry) || index->nr_at[at] == U8_MAX)
		return;

	if (!--index->nr_at[at])
		WRITE_ONCE(index->keys_at[at], KVM_IOEVENTFD_NOWHERE);
}

static void index_link(struct kvm_ioeventfd_index *index,
		       struct kvm_ioeventfd_entry *entry)
{
	enum kvm_bus bus_idx = kvm_ioeventfd_bus(entry_kind(entry));
	struct hlist_head *bucket;

	if (entry_kind(entry) & KVM_IOEVENTFD_WILDCARD)
		bucket = kvm_ioeventfd_any_bucket(index, bus_idx, entry->addr);
	else
		bucket = kvm_ioeventfd_value_bucket(index, bus_idx, entry->addr,
						    entry->datamatch);
	index_announce(index, entry);
	hlist_add_head_rcu(&entry->node, bucket);
}

static void index_unlink(struct kvm_ioeventfd_index *index,
			 struct kvm_ioeventfd_entry *entry)
{
	enum kvm_bus bus_idx = kvm_ioeventfd_bus(entry_kind(entry));
	int *nr_wildcards = &index->nr_wildcards[bus_idx];

	hlist_del_rcu(&entry->node);
	index->nr_entries--;
	if (entry_kind(entry) & KVM_IOEVENTFD_WILDCARD)
		WRITE_ONCE(*nr_wildcards, *nr_wildcards - 1);
	if (entry_kind(entry) & KVM_IOEVENTFD_POSTING)
		WRITE_ONCE(index->nr_posting, index->nr_posting - 1);
	index_renounce(index, entry);
}

static struct kvm_ioeventfd_index *index_alloc(unsigned int bits)
{
	size_t nr_buckets = 1UL << bits;
	struct kvm_ioeventfd_index *index;

	/*
	 * Doorbells work without an index, so a lack of memory needs no
	 * warning.
	 */
	index = kvzalloc(struct_size(index, buckets, nr_buckets) +
			 nr_buckets * (sizeof(*index->keys_at) +
				       sizeof(*index->nr_at)),
			 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!index)
		return NULL;

	index->addr_key = get_random_u64() | 1;
	index->value_key = get_random_u64() | 1;
	index->shift = 64 - bits;
	index->keys_at = (u64 *)&index->buckets[nr_buckets];
	index->nr_at = (u8 *)&index->keys_at[nr_buckets];
	return index;
}

/*
 * Entries move while vCPUs read.  A vCPU may then miss some, or go on in the
 * new bucket.  Neither does harm, as it compares each entry that it sees, and
 * looks at a few only.
 */
static struct kvm_ioeventfd_index *
index_grow(struct kvm *kvm, struct kvm_ioeventfd_index *old,
	   unsigned int new_bits)
{
	unsigned int bits = 64 - old->shift;
	struct kvm_ioeventfd_index *index;
	struct kvm_ioeventfd_entry *entry;
	struct hlist_node *next;
	size_t i;

	index = index_alloc(new_bits);
	if (!index)
		return old;

	index->nr_entries = old->nr_entries;
	index->old = old;
	index->others = old->others;
	index->nr_posting = old->nr_posting;
	memcpy(index->nr_wildcards, old->nr_wildcards,
	       sizeof(index->nr_wildcards));
	/*
	 * When generations change, some vCPUs may still read those of the old
	 * table.  Their writes began before the change was complete, and may as
	 * well have come first.
	 */
	memcpy(index->kinds, old->kinds, sizeof(index->kinds));
	for (i = 0; i < 1UL << bits; i++) {
		hlist_for_each_entry_safe(entry, next, &old->buckets[i], node) {
			hlist_del_rcu(&entry->node);
			index_link(index, entry);
		}
		if (!(i % 1024))
			cond_resched();
	}
	/* vCPUs may look at once. */
	smp_store_release(&kvm->ioeventfd_index, index);
	return index;
}

/* Make room for @nr more entries.  Returns the index that is in use then. */
static struct kvm_ioeventfd_index *
index_make_room(struct kvm *kvm, struct kvm_ioeventfd_index *index, u32 nr)
{
	unsigned int old_bits = 64 - index->shift, bits = old_bits;
	u64 wanted = ((u64)index->nr_entries + nr) *
		     KVM_IOEVENTFD_BUCKETS_PER_ENTRY;

	while (wanted > 1UL << bits && bits + GROW_BITS <= MAX_BITS)
		bits += GROW_BITS;

	return bits > old_bits ? index_grow(kvm, index, bits) : index;
}

static void index_fill(struct kvm *kvm, struct kvm_ioeventfd_index *index,
		       struct kvm_ioeventfd_entry *entry)
{
	spin_lock(&index->others->lock);
	/* The ioeventfd is on its bus: a vCPU may be writing to it. */
	WRITE_ONCE(entry->kind, entry->id);
	entry->mmio_generation = U64_MAX;
	entry->post_generation = U64_MAX;
	entry_verify(kvm, index, entry);
	spin_unlock(&index->others->lock);
}

/*
 * Returns the nearest ioeventfd before @pos that is at the same address, as
 * long, and in the index already.  Ioeventfds that touch each other begin at
 * few addresses and have few lengths.  So however many there are, and in which
 * order, on average it isn't far away.
 */
static struct kvm_ioeventfd_entry *find_alike(const struct kvm_io_bus *bus,
					      int pos)
{
	const struct kvm_io_range *range = &bus->range[pos];
	u64 lo = vicinity_begin(bus, pos).lo;
	struct kvm_ioeventfd_entry *entry;

	while (pos-- > 0 && kvm_range_end(&bus->range[pos]) >= lo) {
		if (bus->range[pos].addr != range->addr ||
		    bus->range[pos].len != range->len)
			continue;
		entry = range_entry(&bus->range[pos]);
		if (entry)
			return entry;
	}
	return NULL;
}

static void index_note_neighbours(struct kvm_ioeventfd_index *index,
				  struct kvm_io_bus *bus, int pos)
{
	struct kvm_ioeventfd_entry *alike = find_alike(bus, pos);

	/* There may be thousands at one address: one is as good as all. */
	if (!alike)
		index_note_nest(index, bus, pos);
	else if (entry_kind(alike) & KVM_IOEVENTFD_NESTED)
		entry_set_nested(index, range_entry(&bus->range[pos]));
}

/* Add the entry at @pos, which is filled in, after a look at its neighbours. */
static void index_admit(struct kvm_ioeventfd_index *index, enum kvm_bus bus_idx,
			struct kvm_io_bus *bus, int pos)
{
	struct kvm_ioeventfd_entry *entry = range_entry(&bus->range[pos]);
	int *nr_wildcards = &index->nr_wildcards[bus_idx];

	index_note_neighbours(index, bus, pos);
	if (entry_kind(entry) & KVM_IOEVENTFD_WILDCARD)
		WRITE_ONCE(*nr_wildcards, *nr_wildcards + 1);
	if (entry_kind(entry) & KVM_IOEVENTFD_POSTING)
		WRITE_ONCE(index->nr_posting, index->nr_posting + 1);
	index->nr_entries++;
	index_link(index, entry);
}

static void index_add_entry(struct kvm *kvm, enum kvm_bus bus_idx,
			    struct kvm_io_bus *bus, int pos)
{
	struct kvm_ioeventfd_index *index;

	index = index_make_room(kvm, kvm->ioeventfd_index, 1);
	index_fill(kvm, index, range_entry(&bus->range[pos]));
	index_admit(index, bus_idx, bus, pos);
}

/*
 * Have the index answer no more for this bus: it can't know what overlaps
 * there.
 */
static void index_distrust(struct kvm *kvm, enum kvm_bus bus_idx)
{
	struct kvm_ioeventfd_index *index = kvm->ioeventfd_index;

	if (!index) {
		kvm->ioeventfd_index_unsure |= BIT(bus_idx);
		return;
	}

	spin_lock(&index->others->lock);
	kvm->ioeventfd_index_unsure |= BIT(bus_idx);
	index_outdate(index, bus_idx);
	spin_unlock(&index->others->lock);
}

static void index_add_other(struct kvm *kvm, enum kvm_bus bus_idx,
			    struct kvm_io_bus *bus, int pos)
{
	struct kvm_ioeventfd_index *index = kvm->ioeventfd_index;
	struct rb_root_cached *ranges = &index->others->ranges[bus_idx];
	bool concerns = index_concerns(ranges, NULL, bus, pos);
	struct interval_tree_node *node;

	node = kmalloc(sizeof(*node), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!node) {
		index_distrust(kvm, bus_idx);
		return;
	}

	node->start = bus->range[pos].addr;
	node->last = kvm_range_end(&bus->range[pos]);
	spin_lock(&index->others->lock);
	interval_tree_insert(node, ranges);
	if (concerns)
		index_outdate(index, bus_idx);
	spin_unlock(&index->others->lock);
	index_note_nest(index, bus, pos);
}

static void index_del_other(struct kvm *kvm, enum kvm_bus bus_idx,
			    struct kvm_io_bus *bus, int pos)
{
	u64 start = bus->range[pos].addr, end = kvm_range_end(&bus->range[pos]);
	struct kvm_ioeventfd_index *index = kvm->ioeventfd_index;
	struct rb_root_cached *ranges = &index->others->ranges[bus_idx];
	struct interval_tree_node *node;
	bool concerns;

	/* If several have the same range, any of them will do. */
	node = interval_tree_iter_first(ranges, start, start);
	while (node && (node->start != start || node->last != end))
		node = interval_tree_iter_next(node, start, start);
	if (WARN_ON_ONCE(!node))
		return;

	concerns = index_concerns(ranges, node, bus, pos);
	spin_lock(&index->others->lock);
	interval_tree_remove(node, ranges);
	if (concerns)
		index_outdate(index, bus_idx);
	spin_unlock(&index->others->lock);
	kfree(node);
}

static void index_add(struct kvm *kvm, enum kvm_bus bus_idx,
		      struct kvm_io_bus *bus, int pos)
{
	if (range_entry(&bus->range[pos]))
		index_add_entry(kvm, bus_idx, bus, pos);
	else if (!index_is_unsure(kvm, bus_idx))
		index_add_other(kvm, bus_idx, bus, pos);
}

/*
 * Add the ioeventfds of all buses, or all other devices, by which ioeventfds
 * are verified.
 */
static void index_add_all(struct kvm *kvm, bool entries)
{
	struct kvm_io_bus *bus;
	int i, pos;

	for (i = 0; i < KVM_NR_BUSES; i++) {
		bus = kvm_get_bus(kvm, i);
		for (pos = 0; bus && pos < bus->dev_count; pos++) {
			if (entries == !!range_entry(&bus->range[pos]))
				index_add(kvm, i, bus, pos);
			cond_resched();
		}
	}
}

static struct kvm_ioeventfd_index *index_alloc_first(void)
{
	struct kvm_ioeventfd_index *index = index_alloc(MIN_BITS);
	int i;

	if (!index)
		return NULL;

	index->others = kzalloc(sizeof(*index->others),
				GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!index->others) {
		kvfree(index);
		return NULL;
	}

	spin_lock_init(&index->others->lock);
	for (i = 0; i < KVM_NR_BUSES; i++)
		index->kinds[i] = kvm_ioeventfd_first_kind(i);
	return index;
}

/* The first ioeventfd calls this, or a later one if memory was short. */
static void index_create(struct kvm *kvm, u32 nr)
{
	struct kvm_ioeventfd_index *index = index_alloc_first();

	if (!index)
		return;

	/* vCPUs may look at once: they find nothing yet. */
	smp_store_release(&kvm->ioeventfd_index, index);
	index_make_room(kvm, index, nr);
	index_add_all(kvm, false);
	index_add_all(kvm, true);
}

void kvm_ioeventfd_index_add(struct kvm *kvm, enum kvm_bus bus_idx,
			     struct kvm_io_bus *bus, int pos)
{
	const struct kvm_io_range *range = &bus->range[pos];

	lockdep_assert_held(&kvm->slots_lock);

	/* A VMM can make a coalesced zone like that. */
	if (range->len < 0 || kvm_range_end(range) < range->addr)
		index_distrust(kvm, bus_idx);

	if (kvm->ioeventfd_index)
		index_add(kvm, bus_idx, bus, pos);
	else if (range_entry(range))
		index_create(kvm, 1);
}

static struct kvm_ioeventfd_entry *new_entry(const struct kvm_io_range *range)
{
	struct kvm_ioeventfd_entry *entry = range_entry(range);

	return entry && entry->at < 0 ? entry : NULL;
}

/*
 * All are filled in before any is admitted, as each looks at what is around it.
 * They are admitted in the bus's order, so that each finds the one like it that
 * comes before it.
 */
static void index_add_new(struct kvm *kvm, struct kvm_ioeventfd_index *index,
			  enum kvm_bus bus_idx)
{
	struct kvm_io_bus *bus = kvm_get_bus(kvm, bus_idx);
	struct kvm_ioeventfd_entry *entry;
	int pos;

	for (pos = 0; pos < bus->dev_count; pos++) {
		entry = new_entry(&bus->range[pos]);
		if (entry)
			index_fill(kvm, index, entry);
		cond_resched();
	}
	for (pos = 0; pos < bus->dev_count; pos++) {
		if (new_entry(&bus->range[pos]))
			index_admit(index, bus_idx, bus, pos);
		cond_resched();
	}
}

void kvm_ioeventfd_index_add_many(struct kvm *kvm, unsigned long buses, u32 nr)
{
	struct kvm_ioeventfd_index *index = kvm->ioeventfd_index;
	int i;

	lockdep_assert_held(&kvm->slots_lock);

	/* A new index gets everything that is on any bus, these included. */
	if (!index) {
		index_create(kvm, nr);
		return;
	}

	index = index_make_room(kvm, index, nr);
	for_each_set_bit(i, &buses, KVM_NR_BUSES)
		index_add_new(kvm, index, i);
}

void kvm_ioeventfd_index_del(struct kvm *kvm, enum kvm_bus bus_idx,
			     struct kvm_io_bus *bus, int pos)
{
	struct kvm_ioeventfd_index *index = kvm->ioeventfd_index;
	/* A bus that couldn't shrink goes, with all that was on it. */
	bool all = !kvm_get_bus(kvm, bus_idx);
	struct kvm_ioeventfd_entry *entry;
	int i;

	lockdep_assert_held(&kvm->slots_lock);

	if (!index)
		return;

	for (i = all ? 0 : pos; i < (all ? bus->dev_count : pos + 1); i++) {
		entry = range_entry(&bus->range[i]);
		if (entry)
			index_unlink(index, entry);
		else if (!all && !index_is_unsure(kvm, bus_idx))
			index_del_other(kvm, bus_idx, bus, i);
	}
}

static void others_free(struct kvm_ioeventfd_others *others)
{
	struct interval_tree_node *node, *next;
	int i;

	for (i = 0; i < KVM_NR_BUSES; i++) {
		rbtree_postorder_for_each_entry_safe(node, next,
						     &others->ranges[i].rb_root,
						     rb)
			kfree(node);
	}
	kfree(others);
}

void kvm_ioeventfd_index_free(struct kvm *kvm)
{
	struct kvm_ioeventfd_index *index = kvm->ioeventfd_index, *old;

	if (index)
		others_free(index->others);

	kvm->ioeventfd_index = NULL;
	for (; index; index = old) {
		old = index->old;
		kvfree(index);
	}
}
