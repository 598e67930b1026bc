// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many ioeventfds at once, with the same outcome as that many calls of
 * KVM_IOEVENTFD, one after the other, or with no effect at all.
 *
 * Everything that may fail comes first.  Ioeventfds are created and eventfds
 * looked up before kvm->slots_lock is taken.  Under the lock, each step of the
 * array is tried on a hash of what is at the array's addresses, then the new
 * buses are built.  Only after that are they put in place, and from then on
 * nothing fails.
 *
 * Where does a new ioeventfd belong on the bus?  KVM inserts a device before
 * the first one that begins no earlier and ends later; a bus needn't be in any
 * other order.  If X is such a device for Y, let "X stops Y".  To insert
 * ioeventfds one by one takes a walk of the bus for each.  Here, all new ones
 * of a bus are sorted, and then a single walk is enough:
 *
 * Let each new one begin and end later than the previous one, or begin where
 * that begins and end no earlier.  Then whatever stops one also stops all new
 * ones before it.  Therefore
 *
 * - the place of each is no earlier than that of the previous one;
 * - new ones between the same two old ones end up sorted, in whichever order
 *   they were added.  Of equal ones, the one added last is the last.
 *
 * If the array removes a new one again, that makes no difference to others.
 * But if it removes an old one, that may have stopped others while it was on
 * the bus, at an earlier place than the devices that are left.  If that is
 * possible, or if new ones contain each other, the bus is built step by step.
 */
#include <linux/bitmap.h>
#include <linux/list_sort.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <kvm/iodev.h>

#include "ioeventfd_bus.h"
#include "ioeventfd_index.h"
#include "ioeventfd_many.h"
#include "ioeventfd_post.h"

/* The ioeventfds at one address of one bus. */
struct many_group {
	struct hlist_node node;
	u64 addr;
	u32 bus_idx;
	u32 nr;
	/* A bit for the length of each that matches any value. */
	u32 any_value;
	/* How many match a single value, by log2 of the length. */
	u32 nr_values[4];
};

/* The effect of an entry of the array on one bus. */
struct many_step {
	/* In many_bus.assigned, if it assigns. */
	struct list_head list;
	/* The device is NULL if the step removes what isn't there. */
	struct kvm_io_range range;
	struct many_group *group;
	/* The eventfd of the ioeventfd to remove. */
	struct eventfd_ctx *eventfd;
	/* Index of the entry. */
	u32 of;
	u8 bus_idx;
	bool assigns;
	/* A later step removes it. */
	bool undone;
	/* The new ioeventfd is on a bus. */
	bool done;
};

struct many_bus {
	struct kvm_io_bus *old, *new;
	bool wanted;
	/* A bit for the old place of each ioeventfd that is removed. */
	unsigned long *gone;
	int nr_gone;
	/* The steps that assign, and how many of them aren't undone. */
	struct list_head assigned;
	int nr_assigned, nr_stay;
};

struct many {
	struct kvm *kvm;
	struct kvm_ioeventfd *args;
	u32 nr;
	/* The first entry that isn't valid by itself; @nr if all are. */
	u32 nr_ready;
	/* The first entry that failed; @nr if no entry is to blame. */
	u32 failed;

	struct many_step *steps;
	u32 nr_steps;
	struct many_group *groups;
	u32 nr_groups;
	struct many_bus buses[KVM_NR_BUSES];

	/* Groups by address; ioeventfds by address and value. */
	struct hlist_head *group_buckets, *entry_buckets;
	u32 shift;
	/* Random and odd; random, so that no VMM knows what shares a bucket. */
	u64 addr_key, value_key;
};

/* For long loops: now and then, gives way and looks for a fatal signal. */
static bool killed(u32 i)
{
	if (i % 256)
		return false;

	cond_resched();
	return fatal_signal_pending(current);
}

static u64 many_hash(const struct many *m, u64 key)
{
	return kvm_ioeventfd_mix(key, m->addr_key, m->shift);
}

static struct hlist_head *group_bucket(struct many *m, enum kvm_bus bus_idx,
				       u64 addr)
{
	u64 key = kvm_ioeventfd_key(bus_idx, addr);

	return &m->group_buckets[many_hash(m, key)];
}

static struct hlist_head *entry_bucket(struct many *m, u16 id, u64 addr,
				       u64 datamatch)
{
	u64 key = (addr ^ ((u64)id << 48)) + datamatch * m->value_key;

	return &m->entry_buckets[many_hash(m, key)];
}

static struct many_group *group_find(struct many *m, enum kvm_bus bus_idx,
				     u64 addr)
{
	struct many_group *g;

	hlist_for_each_entry(g, group_bucket(m, bus_idx, addr), node) {
		if (g->addr == addr && g->bus_idx == bus_idx)
			return g;
	}
	return NULL;
}

static struct many_group *group_get(struct many *m, enum kvm_bus bus_idx,
				    u64 addr)
{
	struct many_group *g = group_find(m, bus_idx, addr);

	if (g)
		return g;

	g = &m->groups[m->nr_groups++];
	g->addr = addr;
	g->bus_idx = bus_idx;
	hlist_add_head(&g->node, group_bucket(m, bus_idx, addr));
	return g;
}

/* Length, bus, and whether it matches any value. */
static u16 entry_id(const struct kvm_ioeventfd_entry *entry)
{
	return entry->id & ~KVM_IOEVENTFD_POSTING;
}

static u32 id_len(u16 id)
{
	return id & KVM_IOEVENTFD_LEN;
}

/* Find an ioeventfd; there is never more than one with these keys. */
static struct kvm_ioeventfd_entry *entry_find(struct many *m, u16 id, u64 addr,
					      u64 datamatch)
{
	struct hlist_head *bucket = entry_bucket(m, id, addr, datamatch);
	struct kvm_ioeventfd_entry *entry;

	hlist_for_each_entry(entry, bucket, alike) {
		if (entry->addr == addr && entry->datamatch == datamatch &&
		    entry_id(entry) == id)
			return entry;
	}
	return NULL;
}

/* @sign is 1 to add the ioeventfd, -1 to remove it. */
static void group_count(struct many_group *g, u16 id, int sign)
{
	u32 len = id_len(id);

	g->nr += sign;
	if (id & KVM_IOEVENTFD_WILDCARD)
		g->any_value ^= BIT(len);
	else
		g->nr_values[ilog2(len)] += sign;
}

static void group_add(struct many *m, struct many_group *g,
		      struct kvm_ioeventfd_entry *entry)
{
	u16 id = entry_id(entry);

	group_count(g, id, 1);
	hlist_add_head(&entry->alike,
		       entry_bucket(m, id, entry->addr, entry->datamatch));
}

static void group_del(struct many_group *g, struct kvm_ioeventfd_entry *entry)
{
	group_count(g, entry_id(entry), -1);
	hlist_del(&entry->alike);
}

/* Whether a write could match both @entry and one that is there. */
static bool group_collides(struct many *m, const struct many_group *g,
			   const struct kvm_ioeventfd_entry *entry)
{
	u16 id = entry_id(entry);
	u32 len = id_len(id);

	if (!len)
		return g->nr;
	if (g->any_value & (BIT(0) | BIT(len)))
		return true;
	if (id & KVM_IOEVENTFD_WILDCARD)
		return g->nr_values[ilog2(len)];

	return entry_find(m, id, entry->addr, entry->datamatch);
}

/* Like KVM_IOEVENTFD, this checks nothing of those that are removed. */
static bool args_are_valid(const struct kvm_ioeventfd *args)
{
	if (!kvm_ioeventfd_post_is_valid(args))
		return false;
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return true;
	if (args->flags &
	    ~(KVM_IOEVENTFD_VALID_FLAG_MASK | KVM_IOEVENTFD_POST_FLAGS))
		return false;
	if (!args->len)
		return !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);

	return is_power_of_2(args->len) && args->len <= sizeof(u64) &&
	       args->addr + args->len >= args->addr;
}

/* An ioeventfd of length 0 in memory is also on KVM_FAST_MMIO_BUS. */
static bool has_two_steps(const struct kvm_ioeventfd *args)
{
	return !args->len && kvm_ioeventfd_bus_of(args) == KVM_MMIO_BUS;
}

static int step_prepare(struct many *m, const struct kvm_ioeventfd *args,
			enum kvm_bus bus_idx)
{
	struct many_step *s = &m->steps[m->nr_steps];
	struct eventfd_ctx *eventfd = kvm_ioeventfd_fdget(args);

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	s->bus_idx = bus_idx;
	s->of = args - m->args;
	s->assigns = !(args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN);
	if (s->assigns) {
		s->range.addr = args->addr;
		s->range.len = args->len;
		s->range.dev = kvm_ioeventfd_create(bus_idx, args, eventfd);
		if (!s->range.dev) {
			kvm_ioeventfd_put(eventfd);
			return -ENOMEM;
		}
	} else {
		s->eventfd = eventfd;
	}
	s->group = group_get(m, bus_idx, args->addr);
	m->buses[bus_idx].wanted = true;
	m->nr_steps++;
	return 0;
}

/* Prepare entries up to the first that isn't valid. */
static int many_prepare(struct many *m)
{
	const struct kvm_ioeventfd *args;
	int r;

	for (; m->nr_ready < m->nr; m->nr_ready++) {
		if (killed(m->nr_ready))
			return -EINTR;

		args = &m->args[m->nr_ready];
		if (!args_are_valid(args))
			return -EINVAL;

		r = step_prepare(m, args, kvm_ioeventfd_bus_of(args));
		if (!r && has_two_steps(args))
			r = step_prepare(m, args, KVM_FAST_MMIO_BUS);
		if (r)
			return r;
	}
	return 0;
}

/* Note which ioeventfds the old buses have at the array's addresses. */
static int many_look(struct many *m)
{
	struct kvm_ioeventfd_entry *entry;
	struct kvm_io_range *range;
	struct many_group *g;
	struct many_bus *b;
	int i, pos;

	for (i = 0; i < KVM_NR_BUSES; i++) {
		b = &m->buses[i];
		b->old = b->wanted ? kvm_get_bus(m->kvm, i) : NULL;
		if (!b->old)
			continue;

		b->gone = kvcalloc(BITS_TO_LONGS(b->old->dev_count),
				   sizeof(long), GFP_KERNEL_ACCOUNT);
		if (!b->gone)
			return -ENOMEM;

		for (pos = 0; pos < b->old->dev_count; pos++) {
			if (killed(pos))
				return -EINTR;

			range = &b->old->range[pos];
			entry = kvm_ioeventfd_entry(range->dev);
			g = entry ? group_find(m, i, range->addr) : NULL;
			if (!g)
				continue;

			entry->at = pos;
			group_add(m, g, entry);
		}
	}
	return 0;
}

/* Check errors in the same order as KVM_IOEVENTFD. */
static int step_assign(struct many *m, struct many_step *s)
{
	struct kvm_ioeventfd_entry *entry = kvm_ioeventfd_entry(s->range.dev);
	struct many_bus *b = &m->buses[s->bus_idx];

	if (group_collides(m, s->group, entry))
		return -EEXIST;
	if (!b->old)
		return -ENOMEM;
	if (b->old->dev_count - b->old->ioeventfd_count > NR_IOBUS_DEVS - 1)
		return -ENOSPC;

	entry->at = -1 - (s - m->steps);
	group_add(m, s->group, entry);
	list_add_tail(&s->list, &b->assigned);
	b->nr_assigned++;
	b->nr_stay++;
	return 0;
}

static int step_deassign(struct many *m, struct many_step *s)
{
	const struct kvm_ioeventfd *args = &m->args[s->of];
	bool any_value = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	struct many_bus *b = &m->buses[s->bus_idx];
	struct kvm_ioeventfd_entry *entry;
	struct many_step *assigned;
	u16 id;

	if (args->len > sizeof(u64))
		return -ENOENT;

	id = s->bus_idx << KVM_IOEVENTFD_BUS_SHIFT | args->len |
	     (any_value ? KVM_IOEVENTFD_WILDCARD : 0);
	entry = entry_find(m, id, args->addr, any_value ? 0 : args->datamatch);
	if (!entry || entry->eventfd != s->eventfd ||
	    !kvm_ioeventfd_has_post(entry, args))
		return -ENOENT;

	group_del(s->group, entry);
	if (entry->at < 0) {
		assigned = &m->steps[-1 - entry->at];
		assigned->undone = true;
		s->range = assigned->range;
		b->nr_stay--;
	} else {
		__set_bit(entry->at, b->gone);
		s->range = b->old->range[entry->at];
		b->nr_gone++;
	}
	return 0;
}

/* Try all steps one after the other, without changing a bus. */
static int many_try(struct many *m)
{
	struct many_step *s;
	int r;

	for (s = m->steps; s < m->steps + m->nr_steps; s++) {
		if (killed(s - m->steps))
			return -EINTR;

		r = s->assigns ? step_assign(m, s) : step_deassign(m, s);
		/* Like KVM_IOEVENTFD, ignore that the second bus has none. */
		if (r == -ENOENT && s->bus_idx == KVM_FAST_MMIO_BUS)
			continue;
		if (r) {
			m->failed = s->of;
			return r;
		}
	}
	return 0;
}

static void ioeventfd_free(struct kvm_io_device *dev)
{
	dev->ops->destructor(dev);
}

/* KVM inserts a new device before the first that stops it, see above. */
static bool range_stops(const struct kvm_io_range *range,
			const struct kvm_io_range *new)
{
	return range->addr >= new->addr &&
	       (new->len ? kvm_range_end(range) > kvm_range_end(new) :
			   range->addr > new->addr);
}

static int step_compare(void *unused, const struct list_head *a,
			const struct list_head *b)
{
	const struct kvm_io_range *x, *y;

	x = &list_entry(a, struct many_step, list)->range;
	y = &list_entry(b, struct many_step, list)->range;
	return x->addr > y->addr || (x->addr == y->addr && x->len > y->len);
}

/* Sort new ones; false if what stops one needn't stop all before it. */
static bool bus_sort(struct many_bus *b)
{
	struct many_step *s, *prev = NULL;
	const struct kvm_io_range *x, *y;

	list_sort(NULL, &b->assigned, step_compare);
	list_for_each_entry(s, &b->assigned, list) {
		if (prev) {
			x = &prev->range;
			y = &s->range;
			if (x->addr == y->addr ?
			    !x->len && y->len :
			    kvm_range_end(x) >= kvm_range_end(y))
				return false;
		}
		prev = s;
	}
	return true;
}

/* The position in the old bus, and the extent of removed devices before it. */
struct walk {
	const struct many_bus *b;
	struct kvm_io_range *out;
	int pos;
	u64 gone_addr, gone_end;
	bool gone;
};

static bool gone_may_stop(const struct walk *w, const struct kvm_io_range *new)
{
	return w->gone && w->gone_addr >= new->addr &&
	       (new->len ? w->gone_end > kvm_range_end(new) :
			   w->gone_addr > new->addr);
}

static void walk_past_gone(struct walk *w, const struct kvm_io_range *range)
{
	w->gone_addr = w->gone ? max(w->gone_addr, range->addr) : range->addr;
	w->gone_end = w->gone ? max(w->gone_end, kvm_range_end(range)) :
				kvm_range_end(range);
	w->gone = true;
}

/* Copy devices up to the place of @new, or all if NULL; false if in doubt. */
static bool walk_to(struct walk *w, const struct kvm_io_range *new)
{
	const struct kvm_io_bus *old = w->b->old;
	const struct kvm_io_range *range;

	for (; w->pos < old->dev_count; w->pos++) {
		range = &old->range[w->pos];
		cond_resched();
		if (test_bit(w->pos, w->b->gone)) {
			walk_past_gone(w, range);
			continue;
		}
		if (new) {
			/* A zone that ends before it begins may be anywhere. */
			if (range->len < 0 ||
			    kvm_range_end(range) < range->addr)
				return false;
			if (range_stops(range, new))
				return true;
			if (gone_may_stop(w, new))
				return false;
		}
		*w->out++ = *range;
	}
	return true;
}

static bool bus_merge(struct many_bus *b)
{
	struct walk w = { .b = b, .out = b->new->range };
	struct many_step *s;

	if (!bus_sort(b))
		return false;

	list_for_each_entry(s, &b->assigned, list) {
		if (!walk_to(&w, &s->range))
			return false;
		if (!s->undone)
			*w.out++ = s->range;
	}
	return walk_to(&w, NULL);
}

static void replay_step(struct kvm_io_range *ranges, int *nr,
			const struct many_step *s)
{
	int i;

	for (i = 0; i < *nr; i++) {
		if (s->assigns ? range_stops(&ranges[i], &s->range) :
				 ranges[i].dev == s->range.dev)
			break;
	}
	if (s->assigns) {
		memmove(&ranges[i + 1], &ranges[i],
			(*nr - i) * sizeof(*ranges));
		ranges[i] = s->range;
		++*nr;
	} else {
		--*nr;
		memmove(&ranges[i], &ranges[i + 1],
			(*nr - i) * sizeof(*ranges));
	}
}

/* Build the bus step by step, which always works but takes long. */
static int bus_replay(struct many *m, enum kvm_bus bus_idx)
{
	struct many_bus *b = &m->buses[bus_idx];
	int r = 0, nr = b->old->dev_count;
	struct kvm_io_range *ranges;
	struct many_step *s;

	ranges = kvmalloc_array(nr + b->nr_assigned, sizeof(*ranges),
				GFP_KERNEL_ACCOUNT);
	if (!ranges)
		return -ENOMEM;

	memcpy(ranges, b->old->range, nr * sizeof(*ranges));
	for (s = m->steps; s < m->steps + m->nr_steps; s++) {
		if (s->bus_idx != bus_idx || !s->range.dev)
			continue;
		if (killed(0)) {
			r = -EINTR;
			break;
		}
		replay_step(ranges, &nr, s);
	}
	if (!r)
		memcpy(b->new->range, ranges, nr * sizeof(*ranges));
	kvfree(ranges);
	return r;
}

/* Not kvmalloc(), because the kernel frees buses with kfree(). */
static int bus_build(struct many *m, enum kvm_bus bus_idx)
{
	struct many_bus *b = &m->buses[bus_idx];
	int change = b->nr_stay - b->nr_gone;
	int nr;

	if (!b->old || (!b->nr_stay && !b->nr_gone))
		return 0;

	nr = b->old->dev_count + change;
	b->new = kmalloc(struct_size(b->new, range, nr),
			 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!b->new)
		return -ENOMEM;

	*b->new = *b->old;
	b->new->dev_count = nr;
	b->new->ioeventfd_count += change;
	return bus_merge(b) ? 0 : bus_replay(m, bus_idx);
}

/* Put the new buses in place; from here on nothing fails. */
static void many_put_in_place(struct many *m)
{
	struct kvm *kvm = m->kvm;
	unsigned long added = 0;
	struct many_bus *b;
	u32 nr = 0;
	int i, pos;

	for (i = 0; i < KVM_NR_BUSES; i++) {
		if (m->buses[i].new)
			rcu_assign_pointer(kvm->buses[i], m->buses[i].new);
	}
	for (i = 0; i < KVM_NR_BUSES; i++) {
		b = &m->buses[i];
		if (!b->new)
			continue;
		if (b->nr_stay)
			added |= BIT(i);
		nr += b->nr_stay;
		for_each_set_bit(pos, b->gone, b->old->dev_count) {
			kvm_ioeventfd_index_del(kvm, i, b->old, pos);
			cond_resched();
		}
	}
	if (added)
		kvm_ioeventfd_index_add_many(kvm, added, nr);
}

static void many_enlist(struct many *m)
{
	struct many_step *s;

	for (s = m->steps; s < m->steps + m->nr_steps; s++) {
		if (!s->assigns || s->undone)
			continue;

		s->done = true;
		kvm_ioeventfd_entry(s->range.dev)->at = 0;
		kvm_ioeventfd_enlist(m->kvm, s->range.dev);
		cond_resched();
	}
}

static void many_free_old(struct many *m)
{
	struct many_bus *b;
	int i, pos;

	synchronize_srcu_expedited(&m->kvm->srcu);
	kvm_ioeventfd_free_replaced(m->kvm);
	for (i = 0; i < KVM_NR_BUSES; i++) {
		b = &m->buses[i];
		if (!b->new)
			continue;
		for_each_set_bit(pos, b->gone, b->old->dev_count) {
			ioeventfd_free(b->old->range[pos].dev);
			cond_resched();
		}
		kfree(b->old);
		b->new = NULL;
	}
}

/*
 * @err is the error of the first entry that isn't valid by itself, if any.  But
 * an entry before it may fail because of what is on the bus, and is reported
 * then.
 */
static int many_change(struct many *m, int err)
{
	bool changes = false;
	int i, r;

	lockdep_assert_held(&m->kvm->slots_lock);

	r = many_look(m) ?: many_try(m);
	if (r)
		return r;
	if (err) {
		m->failed = m->nr_ready;
		return err;
	}
	for (i = 0; i < KVM_NR_BUSES; i++) {
		r = bus_build(m, i);
		if (r)
			return r;
		changes |= !!m->buses[i].new;
	}
	if (!changes)
		return 0;

	many_put_in_place(m);
	many_enlist(m);
	many_free_old(m);
	return 0;
}

static int many_alloc(struct many *m, const void __user *entries)
{
	u32 i, nr = 0, bits;

	m->args = kvmalloc_array(m->nr, sizeof(*m->args), GFP_KERNEL_ACCOUNT);
	if (!m->args)
		return -ENOMEM;
	if (copy_from_user(m->args, entries, m->nr * sizeof(*m->args)))
		return -EFAULT;

	for (i = 0; i < m->nr; i++)
		nr += 1 + has_two_steps(&m->args[i]);
	bits = order_base_2(nr) + 1;
	m->shift = 64 - bits;
	m->addr_key = get_random_u64() | 1;
	m->value_key = get_random_u64() | 1;
	m->steps = kvcalloc(nr, sizeof(*m->steps), GFP_KERNEL_ACCOUNT);
	m->groups = kvcalloc(nr, sizeof(*m->groups), GFP_KERNEL_ACCOUNT);
	m->group_buckets = kvcalloc(2UL << bits, sizeof(*m->group_buckets),
				    GFP_KERNEL_ACCOUNT);
	if (!m->steps || !m->groups || !m->group_buckets)
		return -ENOMEM;

	m->entry_buckets = m->group_buckets + (1UL << bits);
	for (i = 0; i < KVM_NR_BUSES; i++)
		INIT_LIST_HEAD(&m->buses[i].assigned);
	return 0;
}

static void many_free(struct many *m)
{
	struct many_step *s;
	int i;

	for (s = m->steps; s < m->steps + m->nr_steps; s++) {
		if (!s->assigns)
			kvm_ioeventfd_put(s->eventfd);
		else if (!s->done)
			ioeventfd_free(s->range.dev);
		cond_resched();
	}
	for (i = 0; i < KVM_NR_BUSES; i++) {
		kfree(m->buses[i].new);
		kvfree(m->buses[i].gone);
	}
	kvfree(m->group_buckets);
	kvfree(m->groups);
	kvfree(m->steps);
	kvfree(m->args);
	kfree(m);
}

static int many_run(struct many *m, const void __user *entries)
{
	int r;

	r = many_alloc(m, entries);
	if (r)
		return r;

	r = many_prepare(m);
	if (r == -EINTR)
		return r;

	mutex_lock(&m->kvm->slots_lock);
	r = many_change(m, r);
	mutex_unlock(&m->kvm->slots_lock);
	return r;
}

long kvm_ioeventfds(struct kvm *kvm, unsigned long arg)
{
	struct kvm_ioeventfds __user *argp = (void __user *)arg;
	struct kvm_ioeventfds head;
	struct many *m;
	int r;

	if (copy_from_user(&head, argp, sizeof(head)))
		return -EFAULT;
	if (head.flags || memchr_inv(head.pad, 0, sizeof(head.pad)))
		return -EINVAL;
	if (head.nr > KVM_IOEVENTFDS_MAX)
		return -E2BIG;
	/* Do this before any change, as it may fail. */
	if (put_user(head.nr, &argp->failed))
		return -EFAULT;
	if (!head.nr)
		return 0;

	m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);
	if (!m)
		return -ENOMEM;

	m->kvm = kvm;
	m->nr = head.nr;
	m->failed = head.nr;
	r = many_run(m, u64_to_user_ptr(head.entries));
	if (r && m->failed < m->nr && put_user(m->failed, &argp->failed))
		r = -EFAULT;
	many_free(m);
	return r;
}
