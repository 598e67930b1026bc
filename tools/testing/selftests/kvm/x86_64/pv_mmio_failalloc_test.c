// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocations fail, each in turn and all from some point on, while ioeventfds
 * come and go and a guest rings.  The caller gets ENOMEM or doesn't notice, and
 * all registered doorbells still ring.
 *
 * Needs CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC.
 */
#include <fcntl.h>

#include "pv_mmio_l2.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define OLD_GPA		0xd0000000ul
#define NEW_GPA		0xd0000040ul
#define RINGS		4
/* None of the calls allocates more often, or more bytes. */
#define MAX_NTH		64
#define MAX_BUDGET	2048
#define BUDGET_STEP	128

/* KVM always emulates a store with a segment prefix. */
enum { EMULATED, SERVED };

/* Opened in advance, as opening a file allocates memory. */
static int nth_fd, beyond_fd;

static void guest_prefixed_store(u64 gpa, u32 value)
{
	asm volatile("ds movl %0, (%1)" : : "r"(value), "r"(gpa) : "memory");
}

static void guest_ring(u64 how)
{
	int i;

	for (;;) {
		for (i = 0; i < RINGS; i++) {
			if (how == SERVED) {
				guest_pv_store_4(OLD_GPA, i);
				guest_pv_store_4(NEW_GPA, i);
			} else {
				guest_prefixed_store(OLD_GPA, i);
				guest_prefixed_store(NEW_GPA, i);
			}
		}
		GUEST_SYNC(0);
		how = SERVED;
	}
}

static void l2_ring(void)
{
	guest_ring(EMULATED);
}

static void guest_ring_in_l2(u64 how)
{
	l1_prepare(l2_ring);
	l1_run();
	GUEST_FAIL("L1 must get no exit of L2");
}

struct fail_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int old_fd, new_fd;
	u64 exits;	/* of the last pass */
	bool failed;	/* the call did, as an allocation failed */
	u32 nth;	/* if not 0: which allocation of the next KVM_RUN has to fail */
	bool reached;
};

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

/* Any allocation may fail, but only in tasks that ask for it, and without a report. */
static bool prepare_failures(void)
{
	static const char * const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/task-filter", "Y" },
		{ "failslab/verbose", "0" },
		{ "failslab/probability", "100" },
		{ "failslab/times", "-1" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/task-filter", "Y" },
		{ "fail_page_alloc/verbose", "0" },
		{ "fail_page_alloc/probability", "100" },
		{ "fail_page_alloc/times", "-1" },
	};
	char path[128];
	int i;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s", settings[i][0]);
		if (!write_text(path, settings[i][1]))
			return false;
	}
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	beyond_fd = open("/proc/thread-self/make-it-fail", O_RDWR);
	return nth_fd >= 0 && beyond_fd >= 0;
}

static void fail_nth(u32 nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	TEST_ASSERT(pwrite(nth_fd, text, len, 0) == len, "fail-nth must take %u", nth);
}

/* Returns whether there was an nth allocation to fail. */
static bool nth_has_failed(void)
{
	char text[16] = "";

	TEST_ASSERT(pread(nth_fd, text, sizeof(text) - 1, 0) > 0, "fail-nth must be readable");
	fail_nth(0);
	return !atoi(text);
}

/* Slab allocations succeed up to @budget bytes in all, page allocations never. */
static void fail_beyond(u32 budget)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", budget);
	TEST_ASSERT(write_text(DEBUGFS "failslab/space", text), "failslab must take a budget");
	TEST_ASSERT(pwrite(beyond_fd, "1", 1, 0) == 1, "make-it-fail must work");
}

static void fail_no_more(void)
{
	TEST_ASSERT(pwrite(beyond_fd, "0", 1, 0) == 1, "make-it-fail must work");
}

static int set_bell(struct fail_vm *f, u64 gpa, int fd, u32 flags)
{
	struct kvm_ioeventfd args = { .addr = gpa, .len = 4, .fd = fd, .flags = flags };

	return __vm_ioctl(f->vm, KVM_IOEVENTFD, &args) ? errno : 0;
}

/* Runs to the guest's next stop.  An error other than ENOMEM ends the test. */
static bool run_pass(struct fail_vm *f)
{
	struct ucall uc;
	int err;

	for (f->exits = 0;; f->exits += !err) {
		if (f->nth)
			fail_nth(f->nth);
		err = vcpu_run_bounded(f->vcpu);
		if (f->nth)
			f->reached = nth_has_failed();
		f->nth = 0;
		TEST_ASSERT(!err || err == ENOMEM || err == EFAULT,
			    "KVM_RUN failed, errno %d", err);
		if (!err && f->vcpu->run->exit_reason != KVM_EXIT_MMIO)
			break;
	}
	return get_ucall(f->vcpu, &uc) == UCALL_SYNC;
}

static void fail_vm_create_with(struct fail_vm *f, void (*guest)(u64 how), bool old_bell)
{
	f->failed = false;
	f->nth = 0;
	f->vm = vm_create_with_one_vcpu(&f->vcpu, guest);
	vcpu_args_set(f->vcpu, 1, (u64)EMULATED);
	virt_pg_map(f->vm, OLD_GPA, OLD_GPA);
	f->old_fd = eventfd_create();
	f->new_fd = eventfd_create();
	if (old_bell)
		TEST_ASSERT_EQ(set_bell(f, OLD_GPA, f->old_fd, 0), 0);
}

static void fail_vm_create(struct fail_vm *f, bool old_bell)
{
	fail_vm_create_with(f, guest_ring, old_bell);
}

static void fail_vm_free(struct fail_vm *f)
{
	close(f->old_fd);
	close(f->new_fd);
	kvm_vm_free(f->vm);
}

static bool rings_are(struct fail_vm *f, u64 old_rings, u64 new_rings)
{
	u64 old_got, new_got;

	if (!run_pass(f))
		return false;
	old_got = eventfd_take(f->old_fd);
	new_got = eventfd_take(f->new_fd);
	if (old_got == old_rings && new_got == new_rings)
		return true;

	ksft_print_msg("%lu and %lu signals instead of %lu and %lu\n", old_got, new_got,
		       old_rings, new_rings);
	return false;
}

/* The first pass is emulated, and maps these pages in KVM's page tables. */
static bool rings_twice(struct fail_vm *f, u64 old_rings, u64 new_rings)
{
	return rings_are(f, old_rings, new_rings) && rings_are(f, old_rings, new_rings);
}

static bool check_added(struct fail_vm *f, int err, bool old_bell)
{
	if (err && err != ENOMEM) {
		ksft_print_msg("KVM_IOEVENTFD failed with errno %d\n", err);
		return false;
	}
	f->failed = err;
	if (err && (!rings_twice(f, old_bell * RINGS, 0) ||
		    set_bell(f, NEW_GPA, f->new_fd, 0)))
		return false;
	return rings_twice(f, old_bell * RINGS, RINGS);
}

/* The first ioeventfd of a VM takes more allocations than others. */
static void test_add(const char *name, bool old_bell)
{
	bool good = true, reached = true;
	struct fail_vm f;
	u32 nth, failed = 0;
	int err;

	for (nth = 1; good && reached && nth < MAX_NTH; nth++) {
		fail_vm_create(&f, old_bell);
		fail_nth(nth);
		err = set_bell(&f, NEW_GPA, f.new_fd, 0);
		reached = nth_has_failed();
		good = check_added(&f, err, old_bell) && (reached || !err);
		failed += f.failed;
		fail_vm_free(&f);
	}
	printf("# %s: %u allocations, %u of them needed\n", name, nth - 2, failed);
	ksft_test_result(good && !reached && failed, "%s, one allocation fails\n", name);
}

static void test_add_beyond(const char *name, bool old_bell)
{
	u32 budget, failed = 0, tries = 0;
	bool good = true;
	struct fail_vm f;
	int err;

	for (budget = 1; good && budget < MAX_BUDGET; budget += BUDGET_STEP, tries++) {
		fail_vm_create(&f, old_bell);
		fail_beyond(budget);
		err = set_bell(&f, NEW_GPA, f.new_fd, 0);
		fail_no_more();
		good = check_added(&f, err, old_bell);
		failed += f.failed;
		fail_vm_free(&f);
	}
	printf("# %s: %u of %u budgets were too small\n", name, failed, tries);
	ksft_test_result(good && failed && failed < tries, "%s, all allocations fail from one on\n",
			 name);
}

/* Without memory for a smaller bus, KVM drops the bus with all that is on it. */
static void test_remove(void)
{
	bool good = true, reached = true;
	struct fail_vm f;
	u32 nth, lost = 0;
	int err;

	for (nth = 1; good && reached && nth < MAX_NTH; nth++) {
		fail_vm_create(&f, true);
		TEST_ASSERT_EQ(set_bell(&f, NEW_GPA, f.new_fd, 0), 0);
		good = rings_twice(&f, RINGS, RINGS);
		fail_nth(nth);
		err = set_bell(&f, NEW_GPA, f.new_fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
		reached = nth_has_failed();
		run_pass(&f);
		/* The VMM got both rings if the bus was lost, else that of the removed one. */
		lost += f.exits == 2 * RINGS;
		good &= !err && eventfd_take(f.new_fd) == 0 &&
			eventfd_take(f.old_fd) == (f.exits == 2 * RINGS ? 0 : RINGS) &&
			(f.exits == RINGS || (reached && f.exits == 2 * RINGS));
		fail_vm_free(&f);
	}
	printf("# removal: the bus was lost %u times\n", lost);
	ksft_test_result(good && !reached && lost, "removal, one allocation fails\n");
}

/* In one call, removes the old one and adds the new one, or adds both. */
static int set_many(struct fail_vm *f, bool old_bell)
{
	struct kvm_ioeventfd bells[] = {
		{ .addr = OLD_GPA, .len = 4, .fd = f->old_fd,
		  .flags = old_bell ? KVM_IOEVENTFD_FLAG_DEASSIGN : 0 },
		{ .addr = NEW_GPA, .len = 4, .fd = f->new_fd },
	};
	struct kvm_ioeventfds args = { .nr = ARRAY_SIZE(bells), .entries = (u64)bells };

	return __vm_ioctl(f->vm, KVM_IOEVENTFDS, &args) ? errno : 0;
}

/* Unlike KVM_IOEVENTFD, this loses no bus, and never does a part of the changes. */
static void test_many(const char *name, bool old_bell)
{
	bool good = true, reached = true;
	u32 nth, failed = 0, old_rings = old_bell ? RINGS : 0;
	struct fail_vm f;
	int err;

	for (nth = 1; good && reached && nth < MAX_NTH; nth++) {
		fail_vm_create(&f, old_bell);
		fail_nth(nth);
		err = set_many(&f, old_bell);
		reached = nth_has_failed();
		failed += !!err;
		good = (!err || err == ENOMEM) && (reached || !err);
		if (good && err)
			good = rings_twice(&f, old_rings, 0) && !set_many(&f, old_bell);
		good = good && rings_twice(&f, RINGS - old_rings, RINGS);
		fail_vm_free(&f);
	}
	printf("# %s: %u allocations, %u of them needed\n", name, nth - 2, failed);
	ksft_test_result(good && !reached && failed, "%s, one allocation fails\n", name);
}

/* If KVM can't allocate what it remembers of code, it has to decode each time. */
static void test_run_of(void (*guest)(u64 how), const char *name)
{
	bool good = true, reached = true;
	struct fail_vm f;
	u32 nth;

	for (nth = 1; good && reached && nth < MAX_NTH; nth++) {
		fail_vm_create_with(&f, guest, true);
		if (guest == guest_ring_in_l2)
			l2_create(f.vm);
		TEST_ASSERT_EQ(set_bell(&f, NEW_GPA, f.new_fd, 0), 0);
		good = rings_are(&f, RINGS, RINGS);
		f.nth = nth;
		good &= rings_are(&f, RINGS, RINGS);
		reached = f.reached;
		good &= rings_are(&f, RINGS, RINGS);
		fail_vm_free(&f);
	}
	printf("# %s: %u allocations\n", name, nth - 2);
	ksft_test_result(good && !reached && nth > 2, "%s, one allocation fails\n", name);
}

static void test_run(void)
{
	test_run_of(guest_ring, "stores");
}

static void test_run_l2(void)
{
	if (l2_lacks())
		ksft_test_result_skip("stores of L2: %s\n", l2_lacks());
	else
		test_run_of(guest_ring_in_l2, "stores of L2");
}

static void add_first(void)
{
	test_add("a VM's first ioeventfd", false);
}

static void add_another(void)
{
	test_add("another ioeventfd", true);
}

static void add_first_beyond(void)
{
	test_add_beyond("a VM's first ioeventfd", false);
}

static void add_another_beyond(void)
{
	test_add_beyond("another ioeventfd", true);
}

static void add_many(void)
{
	test_many("a VM's first ioeventfds at once", false);
}

static void move(void)
{
	test_many("one that moves", true);
}

int main(void)
{
	static void (*const tests[])(void) = {
		add_first, add_another, add_first_beyond, add_another_beyond, test_remove,
		add_many, move, test_run, test_run_l2,
	};
	bool can_fail;
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	ksft_set_plan(ARRAY_SIZE(tests));

	can_fail = prepare_failures();
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if (can_fail)
			tests[i]();
		else
			ksft_test_result_skip("failing allocations: not in this kernel\n");
	}
	ksft_finished();
}
