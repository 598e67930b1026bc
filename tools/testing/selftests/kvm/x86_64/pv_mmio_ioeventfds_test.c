// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFDS: an array of changes has the same effect as one KVM_IOEVENTFD
 * after the other, or none.
 *
 * Two VMs get the same changes: one as an array, the other one by one.  Then both
 * guests write to the same addresses in each way, and the outcome must be the
 * same: who is signalled, what is stored, what goes to a zone or to the VMM.
 */
#include <sys/mman.h>

#include "pv_mmio_index.h"

#define NR_FDS		6
#define MAX_ENTRIES	24
#define MAX_PRESENT	48
#define NR_ROUNDS	20
#define NR_VALUES	3
#define VALUE		0x30
#define PORT		0xc000
#define MANY		4096
#define STRIDE		0x1000
#define MOVED		256
#define NESTED		2048
#define MAX_ARRAY	65536

struct spec {
	u64 addr;
	u64 value;
	u32 len;
	u32 flags;
	int fd;		/* index into fds[]; -1 for none, -2 for one that isn't open */
};

struct side {
	struct index_vm ivm;
	struct kvm_coalesced_mmio_ring *ring;
	u64 *slots;
	int fds[NR_FDS];
};

static const struct layout {
	const char *name;
	u32 span, step, base_flags;
	bool zones;
} layouts[] = {
	{ "apart from each other", 32, 16 },
	{ "in each other's way", 24, 1 },
	{ "apart from each other, beside zones", 32, 16, 0, true },
	{ "in each other's way, beside zones", 24, 1, 0, true },
	{ "at ports", 32, 4, KVM_IOEVENTFD_FLAG_PIO },
	{ "at ports in each other's way", 16, 1, KVM_IOEVENTFD_FLAG_PIO },
};

static struct spec present[MAX_PRESENT];
static u32 nr_present;

static u32 random_below(u32 limit)
{
	static u64 state = 1;

	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % limit;
}

static void side_create(struct side *s)
{
	int i;

	index_vm_create(&s->ivm);
	s->ring = (void *)s->ivm.vcpu->run + KVM_COALESCED_MMIO_PAGE_OFFSET * PAGE_SIZE;
	s->slots = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	TEST_ASSERT(s->slots != MAP_FAILED, "mmap() must succeed");
	for (i = 0; i < NR_FDS; i++)
		s->fds[i] = eventfd_create();
}

static void side_free(struct side *s)
{
	int i;

	for (i = 0; i < NR_FDS; i++)
		close(s->fds[i]);
	munmap(s->slots, PAGE_SIZE);
	index_vm_free(&s->ivm);
}

static void fill_args(struct side *s, const struct spec *spec, void *args)
{
	struct kvm_ioeventfd_post *post = args;

	*post = (struct kvm_ioeventfd_post) {
		.datamatch = spec->value,
		.addr = spec->addr,
		.len = spec->len,
		.fd = spec->fd >= 0 ? s->fds[spec->fd] : spec->fd == -1 ? -1 : 9999,
		.flags = spec->flags,
	};
	if (spec->flags & KVM_IOEVENTFD_FLAG_POST)
		post->post_addr = (u64)&s->slots[spec->value % NR_VALUES];
	if (spec->flags & KVM_IOEVENTFD_FLAG_WAKE)
		post->wake_addr = (u64)&s->slots[NR_VALUES];
}

/* Returns 0 or the error number. */
static int set_one(struct side *s, const struct spec *spec)
{
	struct kvm_ioeventfd args;

	fill_args(s, spec, &args);
	return __vm_ioctl(s->ivm.vm, KVM_IOEVENTFD, &args) ? errno : 0;
}

static int set_array(struct kvm_vm *vm, void *entries, u32 nr, u32 *failed)
{
	struct kvm_ioeventfds args = {
		.nr = nr,
		.entries = (u64)entries,
		.failed = 0x5a5a5a5a,
	};
	int err = __vm_ioctl(vm, KVM_IOEVENTFDS, &args) ? errno : 0;

	*failed = args.failed;
	return err;
}

static int set_many(struct side *s, const struct spec *specs, u32 nr, u32 *failed)
{
	struct kvm_ioeventfd *args = calloc(nr, sizeof(*args));
	u32 i;
	int err;

	for (i = 0; i < nr; i++)
		fill_args(s, &specs[i], &args[i]);
	err = set_array(s->ivm.vm, args, nr, failed);
	free(args);
	return err;
}

/* Does one write, and packs its outcome into one number. */
static u64 outcome(struct side *s, enum index_way way, u64 addr, u32 len, u64 value)
{
	u64 exits, got = 0;
	int i;

	memset(s->slots, 0, NR_VALUES * sizeof(*s->slots));
	exits = index_vm_write(&s->ivm, way, addr, len, value, 1);
	for (i = 0; i < NR_FDS; i++)
		got |= eventfd_take(s->fds[i]) << (4 * i);
	got |= exits << 24;
	if (s->ring->first != s->ring->last)
		got |= BIT_ULL(28);
	s->ring->first = s->ring->last;
	for (i = 0; i < NR_VALUES; i++)
		got |= (s->slots[i] & 0xff) << (32 + 8 * i);
	return got;
}

/* By hypercall twice, as the index may serve only the second, and emulated. */
static bool same_at(struct side *a, struct side *b, u64 addr, u32 len, u64 value, bool port)
{
	static const enum index_way ways[] = { BY_INDEX, BY_INDEX, BY_BUS };
	enum index_way way;
	u64 x, y;
	int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		way = port ? BY_PORT : ways[i];
		x = outcome(a, way, addr, len, value);
		y = outcome(b, way, addr, len, value);
		if (x == y)
			continue;
		ksft_print_msg("%u bytes of 0x%lx to 0x%lx, way %d: singly 0x%lx, at once 0x%lx\n",
			       len, value, addr, way, x, y);
		return false;
	}
	return true;
}

static bool same_for(struct side *a, struct side *b, const struct spec *spec)
{
	bool port = spec->flags & KVM_IOEVENTFD_FLAG_PIO, good = true;
	u32 len = spec->len ?: 4;

	if (len > 8 || (len & (len - 1)) || (port && len > 4))
		len = 4;
	good &= same_at(a, b, spec->addr, len, spec->value, port);
	good &= same_at(a, b, spec->addr, len, spec->value + 1, port);
	good &= same_at(a, b, spec->addr, len == 4 ? 1 : 4, spec->value, port);
	return good;
}

static bool same_everywhere(struct side *a, struct side *b, const struct spec *specs, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!same_for(a, b, &specs[i]))
			return false;
	}
	for (i = 0; i < nr_present; i++) {
		if (!same_for(a, b, &present[i]))
			return false;
	}
	return true;
}

static void make_assign(const struct layout *l, struct spec *spec)
{
	static const u32 lens[] = { 0, 1, 2, 4, 8 };

	*spec = (struct spec) {
		.addr = (l->base_flags ? PORT : INDEX_GPA) + random_below(l->span) * l->step,
		.len = lens[random_below(l->base_flags ? 4 : 5)],
		.value = VALUE + random_below(NR_VALUES),
		.fd = random_below(NR_FDS),
		.flags = l->base_flags,
	};
	if (spec->len && random_below(3))
		spec->flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (spec->len && !random_below(4)) {
		/* An address that is aligned for any length, in memory that the test checks. */
		spec->flags |= KVM_IOEVENTFD_FLAG_POST;
		if (!random_below(3))
			spec->fd = -1;
		else if (!random_below(3))
			spec->flags |= KVM_IOEVENTFD_FLAG_WAKE;
	}
}

/* Makes an entry that KVM refuses, or one that removes what isn't there. */
static void make_wrong(struct spec *spec)
{
	switch (random_below(5)) {
	case 0:
		spec->flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
		break;
	case 1:
		spec->len = 3;
		break;
	case 2:
		spec->flags |= 0x100;
		break;
	case 3:
		spec->fd = -2;
		break;
	default:
		spec->flags |= KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY;
	}
}

/* Also removes what the same array assigns. */
static void make_deassign(struct spec *spec, const struct spec *specs, u32 nr)
{
	if (nr && !random_below(4))
		*spec = specs[random_below(nr)];
	else
		*spec = present[random_below(nr_present)];
	spec->flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
}

static u32 make_array(const struct layout *l, struct spec *specs)
{
	u32 nr = 1 + random_below(MAX_ENTRIES), i;

	for (i = 0; i < nr; i++) {
		if (nr_present && random_below(2))
			make_deassign(&specs[i], specs, i);
		else
			make_assign(l, &specs[i]);
		if (!random_below(100))
			make_wrong(&specs[i]);
	}
	return nr;
}

static void note_present(const struct spec *spec)
{
	u32 i;

	if (!(spec->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)) {
		TEST_ASSERT(nr_present < MAX_PRESENT, "layouts must not hold more");
		present[nr_present++] = *spec;
		return;
	}
	for (i = 0; i < nr_present; i++) {
		if (present[i].addr != spec->addr || present[i].len != spec->len ||
		    (present[i].flags | KVM_IOEVENTFD_FLAG_DEASSIGN) != spec->flags ||
		    (spec->flags & KVM_IOEVENTFD_FLAG_DATAMATCH &&
		     present[i].value != spec->value))
			continue;
		present[i] = present[--nr_present];
		return;
	}
}

/* The array must fail at the same entry and with the same error as one by one. */
static bool test_array(struct side *a, struct side *b, const struct spec *specs, u32 nr)
{
	u32 failed, again, i;
	bool all_done;
	int err, one;

	err = set_many(b, specs, nr, &failed);
	all_done = failed == nr;
	if (failed > nr || all_done == !!err) {
		ksft_print_msg("errno %d, entry %u of %u\n", err, failed, nr);
		return false;
	}
	if (err && failed && set_many(b, specs, failed, &again)) {
		ksft_print_msg("%u of %u failed, and so did %u of those before it\n", failed, nr,
			       again);
		return false;
	}
	for (i = 0; i < failed; i++) {
		one = set_one(a, &specs[i]);
		if (one) {
			ksft_print_msg("entry %u of %u failed with errno %d\n", i, nr, one);
			return false;
		}
		note_present(&specs[i]);
	}
	one = failed < nr ? set_one(a, &specs[failed]) : 0;
	if (one != err)
		ksft_print_msg("entry %u of %u: errno %d instead of %d\n", failed, nr, err, one);
	return one == err;
}

static void change_zone(struct side *a, struct side *b)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = INDEX_GPA + random_below(64),
		.size = random_below(256),
	};
	unsigned long request = random_below(2) ? KVM_REGISTER_COALESCED_MMIO :
						  KVM_UNREGISTER_COALESCED_MMIO;

	TEST_ASSERT(!ioctl(a->ivm.vm->fd, request, &zone) &&
		    !ioctl(b->ivm.vm->fd, request, &zone), "zones must come and go");
}

static void test_random(const struct layout *l)
{
	struct spec specs[MAX_ENTRIES];
	u32 nr, round, whole = 0;
	struct side a, b;
	bool good = true;

	side_create(&a);
	side_create(&b);
	nr_present = 0;
	for (round = 0; round < NR_ROUNDS && good; round++) {
		if (l->zones)
			change_zone(&a, &b);
		/* Make room for another array. */
		if (nr_present + MAX_ENTRIES > MAX_PRESENT) {
			for (nr = 0; nr < MAX_ENTRIES; nr++) {
				specs[nr] = present[nr];
				specs[nr].flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
			}
		} else {
			nr = make_array(l, specs);
		}
		good = test_array(&a, &b, specs, nr) && same_everywhere(&a, &b, specs, nr);
		whole += good;
	}
	ksft_test_result(good, "arrays of ioeventfds %s, %u of them\n", l->name, round);
	side_free(&a);
	side_free(&b);
}

static void make_row(struct spec *specs, u32 nr, u64 addr, u32 step, u32 flags)
{
	u32 i;

	for (i = 0; i < nr; i++)
		specs[i] = (struct spec) {
			.addr = addr + i * step,
			.len = 4,
			.value = VALUE + (step ? 0 : i),
			.fd = i % NR_FDS,
			.flags = flags | KVM_IOEVENTFD_FLAG_DATAMATCH,
		};
}

/* Does each of the row ring its own eventfd, and with @fast in the exit fast path? */
static bool row_rings(struct side *s, const struct spec *specs, u32 nr, bool fast)
{
	u64 before, exits = 0, wrong = 0, by_index;
	u32 i;

	/* Let KVM know the hypercall. */
	for (i = 0; i < 4; i++)
		index_vm_write(&s->ivm, BY_INDEX, specs[0].addr, 4, specs[0].value, 1);
	for (i = 0; i < NR_FDS; i++)
		eventfd_take(s->fds[i]);
	before = index_vm_fast(&s->ivm);
	for (i = 0; i < nr; i++) {
		exits += index_vm_write(&s->ivm, BY_INDEX, specs[i].addr, 4, specs[i].value, 1);
		wrong += eventfd_take(s->fds[specs[i].fd]) != 1;
	}
	by_index = index_vm_fast(&s->ivm) - before;
	if (exits || wrong || (fast && kernel_has_fast_path() && by_index != nr))
		ksft_print_msg("of %u, %lu went to the VMM, %lu didn't ring, %lu by index\n", nr,
			       exits, wrong, by_index);
	return !exits && !wrong && (!fast || !kernel_has_fast_path() || by_index == nr);
}

static bool row_is_silent(struct side *s, const struct spec *specs, u32 nr)
{
	u64 exits = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		exits += index_vm_write(&s->ivm, BY_INDEX, specs[i].addr, 4, specs[i].value, 1);
	if (exits != nr)
		ksft_print_msg("%lu of %u went to the VMM\n", exits, nr);
	return exits == nr;
}

static void test_row(const char *name, u32 step)
{
	struct spec *specs = calloc(MANY, sizeof(*specs));
	u32 failed, i;
	struct side s;
	bool good;

	side_create(&s);
	make_row(specs, MANY, INDEX_GPA, step, 0);
	good = !set_many(&s, specs, MANY, &failed) && failed == MANY;
	good = good && row_rings(&s, specs, MANY, true);
	for (i = 0; i < MANY; i++)
		specs[i].flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	good = good && !set_many(&s, specs, MANY, &failed);
	good = good && row_is_silent(&s, specs, MANY);
	ksft_test_result(good, "%d %s at once, found by the index, and removed\n", MANY, name);
	side_free(&s);
	free(specs);
}

/* Moves a BAR to and fro in one call each, also to where it overlaps its old place. */
static void test_move(const char *name, u32 step, s64 by)
{
	struct spec specs[2 * MOVED];
	struct side s;
	u32 failed;
	bool good;
	int i;

	side_create(&s);
	make_row(specs, MOVED, INDEX_GPA + 0x100000, step, 0);
	good = !set_many(&s, specs, MOVED, &failed) && row_rings(&s, specs, MOVED, true);
	for (i = 0; i < 4; i++, by = -by) {
		make_row(specs, MOVED, INDEX_GPA + 0x100000 + (i % 2 ? -by : 0), step,
			 KVM_IOEVENTFD_FLAG_DEASSIGN);
		make_row(specs + MOVED, MOVED, specs[0].addr + by, step, 0);
		good = good && !set_many(&s, specs, 2 * MOVED, &failed) &&
		       row_rings(&s, specs + MOVED, MOVED, true);
		if ((u64)(by < 0 ? -by : by) >= MOVED * step)
			good = good && row_is_silent(&s, specs, MOVED);
	}
	ksft_test_result(good, "a BAR of %d moves %s in one call\n", MOVED, name);
	side_free(&s);
}

struct wrong {
	const char *name;
	int err;
	struct spec spec;
};

static const struct wrong wrongs[] = {
	{ "is there already", EEXIST, { INDEX_GPA + 16, VALUE, 4, 0, 0 } },
	{ "isn't there", ENOENT, { INDEX_GPA + 8192, VALUE, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0 } },
	{ "has another fd", ENOENT, { INDEX_GPA + 16, VALUE, 4, KVM_IOEVENTFD_FLAG_DEASSIGN |
				      KVM_IOEVENTFD_FLAG_DATAMATCH, 2 } },
	{ "has no open fd", EBADF, { INDEX_GPA + 8192, VALUE, 4, 0, -2 } },
	{ "has a length of 3", EINVAL, { INDEX_GPA + 8192, VALUE, 3, 0, 0 } },
	{ "has a length of 2^32 - 1", EINVAL, { INDEX_GPA + 8192, VALUE, -1, 0, 0 } },
	{ "ends beyond 64 bits", EINVAL, { -4ull, VALUE, 4, 0, 0 } },
	{ "has length 0 and DATAMATCH", EINVAL, { INDEX_GPA + 8192, VALUE, 0,
						  KVM_IOEVENTFD_FLAG_DATAMATCH, 0 } },
	{ "has an unknown flag", EINVAL, { INDEX_GPA + 8192, VALUE, 4, 0x20, 0 } },
	{ "has WAKE without POST", EINVAL, { INDEX_GPA + 8192, VALUE, 4,
					     KVM_IOEVENTFD_FLAG_WAKE, 0 } },
	{ "posts with length 0", EINVAL, { INDEX_GPA + 8192, VALUE, 0,
					   KVM_IOEVENTFD_FLAG_POST, 0 } },
};

#define NR_GOOD		16

/* Puts the bad entry at each index of an array that is otherwise good. */
static void test_wrong(const struct wrong *w)
{
	struct spec row[NR_GOOD], specs[NR_GOOD + 1];
	bool good = true;
	struct side s;
	u32 failed, i;
	int err;

	side_create(&s);
	make_row(row, NR_GOOD, INDEX_GPA, 16, 0);
	good = !set_many(&s, row, NR_GOOD / 2, &failed);
	for (i = 0; i <= NR_GOOD && good; i++) {
		/* All entries are new but for the first, which removes an existing one. */
		make_row(specs, NR_GOOD + 1, INDEX_GPA + 4096, 16, 0);
		specs[0] = row[4];
		specs[0].flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
		specs[i] = w->spec;
		err = set_many(&s, specs, NR_GOOD + 1, &failed);
		if (err != w->err || failed != i)
			ksft_print_msg("entry %u fails: errno %d at %u\n", i, err, failed);
		make_row(specs, NR_GOOD, INDEX_GPA + 4096, 16, 0);
		good = err == w->err && failed == i && row_rings(&s, row, NR_GOOD / 2, true) &&
		       row_is_silent(&s, specs, NR_GOOD);
	}
	ksft_test_result(good, "one that %s, at each place: nothing is changed\n", w->name);
	side_free(&s);
}

/* KVM reports the first bad entry, whatever is wrong with it. */
static void test_two_wrong(void)
{
	struct spec specs[4];
	struct side s;
	u32 failed;
	int err;

	side_create(&s);
	make_row(specs, 4, INDEX_GPA, 16, 0);
	specs[1] = specs[0];
	specs[3].len = 3;
	err = set_many(&s, specs, 4, &failed);
	if (err != EEXIST || failed != 1)
		ksft_print_msg("errno %d at %u\n", err, failed);
	ksft_test_result(err == EEXIST && failed == 1, "the first of two that fail is told\n");
	side_free(&s);
}

static void expect_refusal(struct side *s, struct kvm_ioeventfds *args, int err, const char *what)
{
	struct spec spec;
	int got = __vm_ioctl(s->ivm.vm, KVM_IOEVENTFDS, args) ? errno : 0;

	make_row(&spec, 1, INDEX_GPA, 16, 0);
	if (got != err)
		ksft_print_msg("errno %d instead of %d\n", got, err);
	ksft_test_result(got == err && row_is_silent(s, &spec, 1), "refused: %s\n", what);
}

static void test_refusals(void)
{
	char *pages = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_ioeventfd *entry = (void *)(pages + PAGE_SIZE) - sizeof(*entry);
	struct kvm_ioeventfds args, plain = { .nr = 1, .entries = (u64)entry };
	struct kvm_ioeventfds *readonly;
	struct spec spec;
	struct side s;
	int i;

	side_create(&s);
	make_row(&spec, 1, INDEX_GPA, 16, 0);
	fill_args(&s, &spec, entry);
	mprotect(pages + PAGE_SIZE, PAGE_SIZE, PROT_NONE);
	args = plain;
	args.flags = 1;
	expect_refusal(&s, &args, EINVAL, "an unknown flag");
	for (i = 0; i < ARRAY_SIZE(args.pad); i++) {
		args = plain;
		args.pad[i] = 1 << 31;
		expect_refusal(&s, &args, EINVAL, "padding that isn't zero");
	}
	args = plain;
	args.nr = MAX_ARRAY + 1;
	expect_refusal(&s, &args, E2BIG, "an array that is too long");
	args.nr = -1;
	expect_refusal(&s, &args, E2BIG, "an array of 2^32 - 1");
	args.nr = 2;
	expect_refusal(&s, &args, EFAULT, "an array that ends where memory does");
	args = plain;
	args.entries = 0;
	expect_refusal(&s, &args, EFAULT, "an array at NULL");
	args.entries = 1ull << 63;
	expect_refusal(&s, &args, EFAULT, "an array at an address that isn't canonical");
	expect_refusal(&s, (void *)pages + PAGE_SIZE, EFAULT, "a structure that can't be read");
	readonly = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	*readonly = plain;
	mprotect(readonly, PAGE_SIZE, PROT_READ);
	expect_refusal(&s, readonly, EFAULT, "a structure that can't be written");

	args = plain;
	args.nr = 0;
	args.entries = 0;
	ksft_test_result(!__vm_ioctl(s.ivm.vm, KVM_IOEVENTFDS, &args), "an empty array\n");
	ksft_test_result(!__vm_ioctl(s.ivm.vm, KVM_IOEVENTFDS, &plain) &&
			 row_rings(&s, &spec, 1, false), "what was refused for one field works\n");
	munmap(readonly, PAGE_SIZE);
	munmap(pages, 2 * PAGE_SIZE);
	side_free(&s);
}

#define NR_REFUSALS	13

/* All at one address, in the order that is worst for a sort; added, then removed. */
static void test_longest(void)
{
	struct kvm_ioeventfd *args = calloc(MAX_ARRAY, sizeof(*args));
	struct side s;
	u32 failed, i;
	bool good;

	side_create(&s);
	for (i = 0; i < MAX_ARRAY; i++)
		args[i] = (struct kvm_ioeventfd) {
			.addr = INDEX_GPA + (MAX_ARRAY - i) / 2 * 8,
			.len = 4,
			.datamatch = VALUE + i % 2,
			.fd = s.fds[0],
			.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
		};
	good = !set_array(s.ivm.vm, args, MAX_ARRAY, &failed) && failed == MAX_ARRAY;
	if (!good)
		ksft_print_msg("errno %d at %u\n", errno, failed);
	good = good && !index_vm_write(&s.ivm, BY_INDEX, INDEX_GPA + 8, 4, VALUE, 3) &&
	       eventfd_take(s.fds[0]) == 3;
	for (i = 0; i < MAX_ARRAY; i++)
		args[i].flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	good = good && !set_array(s.ivm.vm, args, MAX_ARRAY, &failed);
	good = good && index_vm_write(&s.ivm, BY_INDEX, INDEX_GPA + 8, 4, VALUE, 3) == 3;
	ksft_test_result(good, "%d at once, and away\n", MAX_ARRAY);
	side_free(&s);
	free(args);
}

/* How long it takes to assign ioeventfds of which half contain all others. */
static u64 ticks_to_nest(bool in_turn)
{
	static struct kvm_ioeventfd args[NESTED];
	u64 start, ticks;
	struct side s;
	u32 failed, i;
	bool inner;

	side_create(&s);
	for (i = 0; i < NESTED; i++) {
		inner = in_turn ? i % 2 : i >= NESTED / 2;
		args[i] = (struct kvm_ioeventfd) {
			.addr = INDEX_GPA + (inner ? 3 : 0),
			.len = inner ? 1 : 8,
			.datamatch = i,
			.fd = s.fds[0],
			.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
		};
	}
	start = rdtsc();
	TEST_ASSERT(!set_array(s.ivm.vm, args, NESTED, &failed), "KVM must take them all");
	ticks = rdtsc() - start;
	side_free(&s);
	return ticks;
}

/*
 * No VMM can keep KVM busy for minutes, where it doesn't look for a signal.  What
 * counts instructions says the same of a bad order once more.
 */
static void test_nested(void)
{
	u64 apart = ticks_to_nest(false), in_turn = ticks_to_nest(true), again = in_turn;

	if (in_turn > 3 * apart)
		again = ticks_to_nest(true);
	printf("# nested: %lu ticks, in turn %lu and %lu\n", apart, in_turn, again);
	if (in_turn > 2 * again || again > 2 * in_turn)
		ksft_test_result_skip("nested: the TSC doesn't count instructions\n");
	else
		ksft_test_result(in_turn <= 3 * apart,
				 "%d in each other, in turn, take hardly longer than in another order\n",
				 NESTED);
}

static void test_capability(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_IOEVENTFDS, .args = { 1 } };
	struct kvm_vm *vm = vm_create_barebones();
	bool refused = __vm_ioctl(vm, KVM_ENABLE_CAP, &cap) && errno == EINVAL;

	ksft_test_result(kvm_check_cap(KVM_CAP_IOEVENTFDS) == MAX_ARRAY &&
			 vm_check_cap(vm, KVM_CAP_IOEVENTFDS) == MAX_ARRAY && refused,
			 "the capability tells the longest array, and can't be enabled\n");
	kvm_vm_free(vm);
}

int main(void)
{
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFDS));
	ksft_set_plan(1 + NR_REFUSALS + ARRAY_SIZE(wrongs) + 1 + ARRAY_SIZE(layouts) + 2 + 4 + 2);

	test_capability();
	test_refusals();
	for (i = 0; i < ARRAY_SIZE(wrongs); i++)
		test_wrong(&wrongs[i]);
	test_two_wrong();
	for (i = 0; i < ARRAY_SIZE(layouts); i++)
		test_random(&layouts[i]);
	test_row("addresses", STRIDE);
	test_row("values", 0);
	test_move("up", 16, 0x10000);
	test_move("down", 16, -0x10000);
	test_move("up by half", 16, MOVED / 2 * 16);
	test_move("down by half", 16, -MOVED / 2 * 16);
	test_longest();
	test_nested();
	ksft_finished();
}
