// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds that other devices overlap or touch: where KVM's bus fails to find
 * one, or finds another device first, the index must not find it either.
 *
 * A model of the bus predicts what it does, and emulated stores are checked
 * against the model, too.  Conversely, when the other device is gone, the exit
 * fast path must serve all writes but the first.
 */
#include <pthread.h>

#include "pv_mmio_index.h"

#define MAX_DEVICES	6
#define IOAPIC_LEN	0x100
#define VALUE		0x30
/* Enough for KVM to know code and address, and then to look in the index. */
#define TIMES		3
#define NR_RANDOM_STEPS	600
#define RANDOM_SPAN	24
/* Not more than the ring of a zone has room for. */
#define BATCH		INDEX_MAX_TICKS
#define NR_CHANGES	12
#define NR_RACES	64

enum { TO_VMM = -1, TO_ZONE = -2 };

struct device {
	enum { NONE, BELL, ZONE } kind;
	u64 addr;
	u32 len;
};

struct layout {
	const char *name;
	struct device devices[MAX_DEVICES];
};

static const struct layout layouts[] = {
	{ "length 0 at the end of a zone", { { ZONE, 0, 256 }, { BELL, 256, 0 } } },
	{ "length 0 at the end of 8 bytes", { { BELL, 0, 8 }, { BELL, 8, 0 } } },
	{ "length 0 in 8 bytes", { { BELL, 0, 8 }, { BELL, 4, 0 } } },
	{ "4 bytes at the end of 8 bytes", { { BELL, 0, 8 }, { BELL, 4, 4 } } },
	{ "4 bytes that end later than 8", { { BELL, 0, 8 }, { BELL, 6, 4 } } },
	{ "2 bytes beside 8 that contain 4", { { BELL, 0, 2 }, { BELL, 0, 8 }, { BELL, 4, 4 } } },
	{ "2 bytes beside 4 that end at length 0",
	  { { BELL, 0, 2 }, { BELL, 0, 4 }, { BELL, 4, 0 } } },
	{ "three in a row, each in the next", { { BELL, 4, 2 }, { BELL, 2, 4 }, { BELL, 0, 8 } } },
	{ "a zone over some",
	  { { ZONE, 0, 64 }, { BELL, 16, 4 }, { BELL, 32, 0 }, { BELL, 62, 4 } } },
	{ "a zone in 8 bytes", { { BELL, 0, 8 }, { ZONE, 4, 4 }, { BELL, 8, 0 } } },
	{ "a zone of size 0", { { BELL, 8, 4 }, { ZONE, 8, 0 }, { BELL, 4, 4 } } },
	{ "two zones over one",
	  { { ZONE, 0, 32 }, { ZONE, 16, 32 }, { BELL, 24, 4 }, { BELL, 48, 0 } } },
	{ "zones that touch one", { { ZONE, 0, 16 }, { BELL, 16, 4 }, { ZONE, 20, 16 } } },
	{ "all lengths at one address",
	  { { BELL, 0, 1 }, { BELL, 0, 2 }, { BELL, 0, 4 }, { BELL, 0, 8 } } },
	{ "4 bytes in steps of 4",
	  { { BELL, 0, 4 }, { BELL, 4, 4 }, { BELL, 8, 4 }, { BELL, 12, 4 } } },
	{ "length 0 in steps of 4",
	  { { BELL, 0, 0 }, { BELL, 4, 0 }, { BELL, 8, 0 }, { BELL, 12, 0 } } },
	{ "8 bytes in steps of 4",
	  { { BELL, 0, 8 }, { BELL, 4, 8 }, { BELL, 8, 8 }, { BELL, 16, 0 } } },
	/* To the bus, this ends before it begins; KVM never finds it to remove it. */
	{ "a zone of nearly 4 GiB",
	  { { BELL, 0, 4 }, { BELL, 8, 4 }, { ZONE, 24, -256 }, { BELL, 16, 4 } } },
};

/* A model of KVM's bus: devices in the order that a binary search relies on. */
struct model {
	const struct device *devices[MAX_DEVICES + 1];
	int nr;
};

static const struct device ioapic = { ZONE, IOAPIC_GPA, IOAPIC_LEN };

static u64 device_end(const struct device *device)
{
	return device->addr + (s32)device->len;
}

/* Is the access before @device (-1), inside (0), or after it (1)? */
static int model_compare(u64 addr, u64 end, const struct device *device)
{
	if (addr < device->addr)
		return -1;

	return device->len ? end > device_end(device) : addr > device->addr;
}

static void model_add(struct model *m, const struct device *device)
{
	const struct device *d;
	int i, j;

	for (i = 0; i < m->nr; i++) {
		d = m->devices[i];
		if (model_compare(d->addr, device_end(d), device) > 0)
			break;
	}
	for (j = m->nr++; j > i; j--)
		m->devices[j] = m->devices[j - 1];
	m->devices[i] = device;
}

static void model_remove(struct model *m, const struct device *device)
{
	int i, j;

	for (i = j = 0; i < m->nr; i++)
		if (m->devices[i] != device)
			m->devices[j++] = m->devices[i];
	m->nr = j;
}

/* The first device around the access that bisection meets, or -1. */
static int model_bisect(const struct model *m, u64 addr, u64 end)
{
	int base = 0, left = m->nr, where;

	for (; left; left /= 2) {
		where = model_compare(addr, end, m->devices[base + left / 2]);
		if (!where)
			return base + left / 2;
		if (where > 0) {
			base += left / 2 + 1;
			left--;
		}
	}
	return -1;
}

static bool zone_accepts(const struct device *zone, u64 addr, s32 len)
{
	return len >= 0 && addr >= zone->addr && addr + len <= zone->addr + zone->len;
}

static bool model_accepts(const struct device *device, u64 addr, u32 len, bool matches)
{
	if (device->kind == ZONE)
		return zone_accepts(device, addr, len);

	return addr == device->addr && (!device->len || (device->len == len && matches));
}

/* Each ioeventfd matches its own value; the write has that of @target. */
static int model_write(const struct model *m, const struct device *devices, int target, u32 len)
{
	u64 addr = devices[target].addr, end = addr + len;
	int i = model_bisect(m, addr, end);

	if (i < 0)
		return TO_VMM;
	while (i > 0 && !model_compare(addr, end, m->devices[i - 1]))
		i--;
	for (; i < m->nr && !model_compare(addr, end, m->devices[i]); i++) {
		if (model_accepts(m->devices[i], addr, len, m->devices[i] == &devices[target]))
			return m->devices[i]->kind == ZONE ? TO_ZONE : m->devices[i] - devices;
	}
	return TO_VMM;
}

struct overlap_vm {
	struct index_vm ivm;
	struct kvm_coalesced_mmio_ring *ring;
	int fds[MAX_DEVICES];
	struct device devices[MAX_DEVICES];
	bool present[MAX_DEVICES];
	struct model model;
};

static void overlap_vm_create(struct overlap_vm *o)
{
	int i;

	memset(o, 0, sizeof(*o));
	index_vm_create(&o->ivm);
	o->ring = (void *)o->ivm.vcpu->run + KVM_COALESCED_MMIO_PAGE_OFFSET * PAGE_SIZE;
	for (i = 0; i < MAX_DEVICES; i++)
		o->fds[i] = eventfd_create();
	model_add(&o->model, &ioapic);
}

static void overlap_vm_free(struct overlap_vm *o)
{
	int i;

	for (i = 0; i < MAX_DEVICES; i++)
		close(o->fds[i]);
	index_vm_free(&o->ivm);
}

/* Returns false if KVM refuses it because it collides with another ioeventfd. */
static bool set_bell(struct overlap_vm *o, int i, u32 flags)
{
	struct kvm_ioeventfd args = {
		.addr = o->devices[i].addr,
		.len = o->devices[i].len,
		.fd = o->fds[i],
		.flags = flags | (o->devices[i].len ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
		.datamatch = o->devices[i].len ? VALUE + i : 0,
	};

	if (!__vm_ioctl(o->ivm.vm, KVM_IOEVENTFD, &args))
		return true;

	TEST_ASSERT(errno == EEXIST, "KVM_IOEVENTFD must succeed, errno %d", errno);
	return false;
}

static bool add_device(struct overlap_vm *o, int i)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = o->devices[i].addr,
		.size = o->devices[i].len,
	};

	if (o->devices[i].kind == ZONE)
		vm_ioctl(o->ivm.vm, KVM_REGISTER_COALESCED_MMIO, &zone);
	else if (!set_bell(o, i, 0))
		return false;
	model_add(&o->model, &o->devices[i]);
	o->present[i] = true;
	return true;
}

static void forget_device(struct overlap_vm *o, int i)
{
	model_remove(&o->model, &o->devices[i]);
	o->present[i] = false;
}

/* KVM removes all zones that contain the one to remove. */
static void remove_device(struct overlap_vm *o, int i)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = o->devices[i].addr,
		.size = o->devices[i].len,
	};
	int j;

	if (o->devices[i].kind == BELL) {
		set_bell(o, i, KVM_IOEVENTFD_FLAG_DEASSIGN);
		forget_device(o, i);
		return;
	}
	vm_ioctl(o->ivm.vm, KVM_UNREGISTER_COALESCED_MMIO, &zone);
	for (j = 0; j < MAX_DEVICES; j++)
		if (o->present[j] && o->devices[j].kind == ZONE &&
		    zone_accepts(&o->devices[j], o->devices[i].addr, o->devices[i].len))
			forget_device(o, j);
}

/* Where the guest's last write went. */
static int outcome(struct overlap_vm *o, u64 exits)
{
	int i, to = exits ? TO_VMM : INT_MIN;

	if (o->ring->first != o->ring->last)
		to = TO_ZONE;
	o->ring->first = o->ring->last;
	for (i = 0; i < MAX_DEVICES; i++)
		if (eventfd_take(o->fds[i]))
			to = i;
	return to;
}

/* On Intel, stores look on KVM's fast MMIO bus first, so don't follow the model. */
static bool emulated_store_tells(struct overlap_vm *o, int target)
{
	int i;

	for (i = 0; i < MAX_DEVICES && host_cpu_is_intel; i++)
		if (o->present[i] && o->devices[i].addr == o->devices[target].addr &&
		    o->devices[i].kind == BELL && !o->devices[i].len)
			return false;
	return true;
}

static bool writes_go_where_they_must(struct overlap_vm *o, int target, u32 len)
{
	int expected = model_write(&o->model, o->devices, target, len), got, i;
	u64 gpa = o->devices[target].addr;
	enum index_way way;

	for (i = 0; i <= TIMES; i++) {
		way = i < TIMES ? BY_INDEX : BY_BUS;
		if (way == BY_BUS && !emulated_store_tells(o, target))
			break;
		got = outcome(o, index_vm_write(&o->ivm, way, gpa, len, VALUE + target, 1));
		if (got == expected)
			continue;
		ksft_print_msg("%u bytes at +%lu went to %d instead of %d, %s, time %d\n", len,
			       gpa - INDEX_GPA, got, expected,
			       way == BY_BUS ? "emulated" : "hypercall", i);
		return false;
	}
	return true;
}

/* Writes each ioeventfd's value to its address, with all lengths. */
static bool all_is_well(struct overlap_vm *o)
{
	bool good = true;
	u32 len;
	int i;

	for (i = 0; i < MAX_DEVICES; i++) {
		if (!o->present[i] || o->devices[i].kind != BELL)
			continue;
		for (len = 1; len <= 8; len *= 2)
			good &= writes_go_where_they_must(o, i, len);
	}
	return good;
}

static int nr_devices(const struct layout *layout)
{
	int nr = 0;

	while (nr < MAX_DEVICES && layout->devices[nr].kind)
		nr++;
	return nr;
}

/* Adds all devices in the @number-th order, then removes them. */
static bool test_order(struct overlap_vm *o, int nr, int number)
{
	int left[MAX_DEVICES] = { 0, 1, 2, 3, 4, 5 }, order[MAX_DEVICES], i, pick;
	bool good;

	for (i = 0; i < nr; i++) {
		pick = number % (nr - i);
		number /= nr - i;
		order[i] = left[pick];
		left[pick] = left[nr - 1 - i];
		TEST_ASSERT(add_device(o, order[i]), "layouts must be possible");
	}
	good = all_is_well(o);
	for (i = 0; i < nr; i++) {
		remove_device(o, order[i]);
		good &= all_is_well(o);
	}
	return good;
}

static void set_layout(struct overlap_vm *o, const struct layout *layout)
{
	int i;

	memcpy(o->devices, layout->devices, sizeof(o->devices));
	for (i = 0; i < MAX_DEVICES; i++)
		o->devices[i].addr += INDEX_GPA;
}

static void test_layout(const struct layout *layout)
{
	int nr = nr_devices(layout), orders = 1, i;
	struct overlap_vm o;
	bool good = true;

	for (i = 2; i <= nr; i++)
		orders *= i;
	overlap_vm_create(&o);
	for (i = 0; i < orders && good; i++) {
		/* A zone that KVM can't remove would be left over: take a new VM. */
		if (o.model.nr > 1) {
			overlap_vm_free(&o);
			overlap_vm_create(&o);
		}
		set_layout(&o, layout);
		good = test_order(&o, nr, i);
	}
	ksft_test_result(good, "%s, in %d orders\n", layout->name, orders);
	overlap_vm_free(&o);
}

static u32 random_below(u32 limit)
{
	static u64 state = 1;

	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % limit;
}

static void make_random(struct device *device)
{
	static const u32 bell_lens[] = { 0, 1, 2, 4, 8 };

	device->kind = random_below(4) ? BELL : ZONE;
	device->addr = INDEX_GPA + random_below(RANDOM_SPAN);
	device->len = device->kind == BELL ? bell_lens[random_below(ARRAY_SIZE(bell_lens))] :
					     random_below(RANDOM_SPAN);
}

/* Devices come and go at addresses where most of them overlap. */
static void test_random(void)
{
	struct overlap_vm o;
	bool good = true;
	int step, i;

	overlap_vm_create(&o);
	for (step = 0; step < NR_RANDOM_STEPS && good; step++) {
		i = random_below(MAX_DEVICES);
		if (o.present[i]) {
			remove_device(&o, i);
		} else {
			make_random(&o.devices[i]);
			add_device(&o, i);
		}
		good = all_is_well(&o);
	}
	printf("# %lu hypercalls by the index\n", index_vm_fast(&o.ivm));
	ksft_test_result(good, "devices at random, %d steps\n", step);
	overlap_vm_free(&o);
}

enum { NEAR_BELL, FAR_BELL, OVER, IN_OVER, ELSEWHERE, WEIRD };

static const struct layout changes = { .devices = {
	[NEAR_BELL] = { BELL, 16, 4 },
	[FAR_BELL] = { BELL, 40, 4 },
	[OVER] = { ZONE, 0, 64 },
	[IN_OVER] = { ZONE, 8, 16 },
	[ELSEWHERE] = { ZONE, 512, 64 },
	[WEIRD] = { ZONE, 1024, -256 },
} };

/*
 * Once OVER is added, the bus has both ioeventfds, OVER, ELSEWHERE and the IOAPIC
 * in this order, so bisection meets OVER first.
 */
static void begin_changes(struct overlap_vm *o)
{
	overlap_vm_create(o);
	set_layout(o, &changes);
	add_device(o, ELSEWHERE);
	add_device(o, NEAR_BELL);
	add_device(o, FAR_BELL);
}

static void come_and_go(struct overlap_vm *o, int i)
{
	add_device(o, i);
	remove_device(o, i);
}

/* How many of TIMES writes the exit fast path serves; -1 if not all of them ring. */
static int nr_fast(struct overlap_vm *o, enum index_way way, int bell)
{
	u64 fast = index_vm_fast(&o->ivm), exits, rings;

	exits = index_vm_write(&o->ivm, way, o->devices[bell].addr, 4, VALUE + bell, TIMES);
	rings = eventfd_take(o->fds[bell]);
	if (exits || rings != TIMES || o->ring->first != o->ring->last)
		return -1;

	return index_vm_fast(&o->ivm) - fast;
}

static void expect_fast_way(struct overlap_vm *o, enum index_way way, int bell, int nr,
			    const char *when)
{
	int fast = nr_fast(o, way, bell);

	if (fast != nr)
		ksft_print_msg("%d of %d writes by the index instead of %d\n", fast, TIMES, nr);
	ksft_test_result(fast == nr, "by the index: %s\n", when);
}

static void expect_fast(struct overlap_vm *o, int bell, int nr, const char *when)
{
	expect_fast_way(o, BY_INDEX, bell, nr, when);
}

static void expect_zone(struct overlap_vm *o, int bell)
{
	u64 exits, gpa = o->devices[bell].addr;
	bool good = true;
	int i;

	for (i = 0; i < TIMES; i++) {
		exits = index_vm_write(&o->ivm, BY_INDEX, gpa, 4, VALUE + bell, 1);
		good &= outcome(o, exits) == TO_ZONE;
	}
	ksft_test_result(good, "to a zone that is over an ioeventfd\n");
}

/* Zones come and go, and each step must have its effect on the index. */
static void test_changes(void)
{
	struct overlap_vm o;

	begin_changes(&o);
	/* Let KVM know the hypercall. */
	nr_fast(&o, BY_INDEX, NEAR_BELL);
	expect_fast(&o, NEAR_BELL, TIMES, "a zone elsewhere was there first");
	remove_device(&o, ELSEWHERE);
	expect_fast(&o, NEAR_BELL, TIMES, "a zone elsewhere has gone");
	add_device(&o, ELSEWHERE);
	expect_fast(&o, NEAR_BELL, TIMES, "a zone elsewhere has come");
	come_and_go(&o, OVER);
	expect_fast(&o, NEAR_BELL, TIMES - 1, "a zone has come and gone, all but the first");

	add_device(&o, OVER);
	expect_zone(&o, NEAR_BELL);
	add_device(&o, IN_OVER);
	remove_device(&o, OVER);
	expect_fast(&o, FAR_BELL, TIMES - 1, "one of two zones has gone, all but the first");
	expect_fast(&o, NEAR_BELL, 0, "none where the other one is");
	add_device(&o, IN_OVER);
	expect_fast(&o, FAR_BELL, TIMES, "one has come where the other one is");
	remove_device(&o, IN_OVER);
	expect_fast(&o, NEAR_BELL, TIMES - 1, "both have gone, all but the first");

	come_and_go(&o, OVER);
	remove_device(&o, FAR_BELL);
	add_device(&o, FAR_BELL);
	expect_fast(&o, FAR_BELL, TIMES, "the ioeventfd came after they had gone");
	add_device(&o, WEIRD);
	expect_fast(&o, FAR_BELL, 0, "none, for good, as a zone ends before it begins");
	overlap_vm_free(&o);
}

/*
 * After a zone has come and gone, an ioeventfd is rung for the very first time.  KVM
 * has to take it into the index again and, on Intel, to learn the address, in one go.
 */
static void test_first_store(void)
{
	struct overlap_vm o;

	begin_changes(&o);
	nr_fast(&o, BY_STORE, NEAR_BELL);
	come_and_go(&o, OVER);
	expect_fast_way(&o, BY_STORE, FAR_BELL, TIMES - 1,
			"stores to another ioeventfd after a zone, all but the first");
	overlap_vm_free(&o);
}

struct race {
	struct overlap_vm o;
	u64 batches;
	bool stop, lost;
};

static void *run_ringer(void *arg)
{
	struct race *r = arg;
	struct overlap_vm *o = &r->o;

	while (!READ_ONCE(r->stop)) {
		if (index_vm_write(&o->ivm, BY_INDEX, o->devices[NEAR_BELL].addr, 4,
				   VALUE + NEAR_BELL, BATCH))
			r->lost = true;
		WRITE_ONCE(o->ring->first, o->ring->last);
		WRITE_ONCE(r->batches, r->batches + 1);
	}
	return NULL;
}

/* Waits for a whole batch that began after the call. */
static void wait_for_batch(struct race *r)
{
	u64 batches = READ_ONCE(r->batches);

	while (READ_ONCE(r->batches) < batches + 2)
		usleep(10);
}

/* While the zone is there, nothing may ring; after that, the index must serve it. */
static bool test_race_once(struct race *r, int nr_changes)
{
	struct overlap_vm *o = &r->o;
	u64 rings, fast;

	for (; nr_changes; nr_changes--)
		come_and_go(o, OVER);
	add_device(o, OVER);
	eventfd_take(o->fds[NEAR_BELL]);
	wait_for_batch(r);
	rings = eventfd_take(o->fds[NEAR_BELL]);
	remove_device(o, OVER);
	fast = index_vm_fast(&o->ivm);
	wait_for_batch(r);
	fast = index_vm_fast(&o->ivm) - fast;
	if (rings || fast < BATCH - 1)
		ksft_print_msg("%lu rang under a zone, %lu by the index after it\n", rings, fast);
	return !rings && fast >= BATCH - 1;
}

static void test_race(void)
{
	struct race r = {};
	pthread_t thread;
	bool good = true;
	int i;

	begin_changes(&r.o);
	pthread_create(&thread, NULL, run_ringer, &r);
	for (i = 0; i < NR_RACES && good; i++)
		good = test_race_once(&r, i % 4);
	WRITE_ONCE(r.stop, true);
	pthread_join(thread, NULL);
	ksft_test_result(good && !r.lost, "zones come and go while a vCPU rings, %d times\n", i);
	overlap_vm_free(&r.o);
}

int main(void)
{
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	ksft_set_plan(ARRAY_SIZE(layouts) + NR_CHANGES + 2);

	for (i = 0; i < ARRAY_SIZE(layouts); i++)
		test_layout(&layouts[i]);
	test_random();
	test_changes();
	test_first_store();
	test_race();
	ksft_finished();
}
