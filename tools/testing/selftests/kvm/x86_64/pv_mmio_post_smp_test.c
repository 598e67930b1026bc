// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two vCPUs write to one slot while its page comes and goes, and so does the
 * ioeventfd.  A polling reader must see only whole values, each write must signal
 * or come to the VMM, and the last value must stay in the slot.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "pv_mmio.h"

#define NR_VCPUS	2
#define BELL_GPA	0xd0000000ul
#define BELL_PORT	0x2000
/* One round ends with an exit, so that a vCPU can be told to stop. */
#define WRITES_PER_ROUND	256
#define MIN_CHURNS	8
#define EACH_BYTE	0x0101010101010101ull
/* A vCPU that hangs ends the whole test. */
#define CASE_SECONDS	120

enum way { STORE, HYPERCALL, PORT, NR_WAYS };

static const struct {
	const char *name;
	u32 width;
} ways[NR_WAYS] = {
	[STORE] = { "store", 8 },
	[HYPERCALL] = { "hypercall", 8 },
	[PORT] = { "out", 4 },
};

struct post_smp {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[NR_VCPUS];
	enum way way;
	int bell, memfd;
	u64 *slot;		/* the mapping that KVM uses, which comes and goes */
	u64 *view;		/* the same memory, always there */
	u64 rounds, exits, churns, torn;
	bool stop_vcpus, stop_reader;
};

static void guest_write(enum way way, u64 value)
{
	if (way == STORE)
		guest_pv_store_8(BELL_GPA, value);
	else if (way == HYPERCALL)
		GUEST_ASSERT_EQ(kvm_hypercall(KVM_HC_MMIO_WRITE, BELL_GPA, value, 8, 0), 0);
	else
		asm volatile("outl %%eax, %%dx" : : "a"(value), "d"(BELL_PORT) : "memory");
}

/* All bytes of a value are equal, and tell which vCPU wrote it. */
static void guest_main(u64 way, u64 mark)
{
	u64 value, n = 0;
	int i;

	for (;;) {
		for (i = 0; i < WRITES_PER_ROUND; i++) {
			value = ((++n & 0x7f) | mark) * EACH_BYTE;
			guest_write(way, value);
		}
		GUEST_SYNC(value);
	}
}

static u64 in_width(const struct post_smp *ps, u64 value)
{
	return value & (~0ull >> (64 - 8 * ways[ps->way].width));
}

static bool is_torn(const struct post_smp *ps, u64 value)
{
	return value != in_width(ps, (value & 0xff) * EACH_BYTE);
}

static void set_ioeventfd(struct post_smp *ps, u32 flags)
{
	struct kvm_ioeventfd_post args = {
		.addr = ps->way == PORT ? BELL_PORT : BELL_GPA,
		.len = ways[ps->way].width,
		.fd = ps->bell,
		.flags = KVM_IOEVENTFD_FLAG_POST | flags |
			 (ps->way == PORT ? KVM_IOEVENTFD_FLAG_PIO : 0),
		.post_addr = (u64)ps->slot,
	};

	vm_ioctl(ps->vm, KVM_IOEVENTFD, (struct kvm_ioeventfd *)&args);
}

/* Stores the value as a VMM has to when KVM couldn't. */
static void store_for_guest(struct post_smp *ps, const void *data)
{
	u64 value = 0;

	memcpy(&value, data, ways[ps->way].width);
	if (is_torn(ps, value))
		__atomic_add_fetch(&ps->torn, 1, __ATOMIC_RELAXED);
	if (ps->way == PORT)
		WRITE_ONCE(*(u32 *)ps->view, value);
	else
		WRITE_ONCE(*ps->view, value);
	__atomic_add_fetch(&ps->exits, 1, __ATOMIC_RELAXED);
}

static bool serve_exit(struct post_smp *ps, struct kvm_run *run)
{
	if (run->exit_reason == KVM_EXIT_MMIO)
		store_for_guest(ps, run->mmio.data);
	else if (run->exit_reason == KVM_EXIT_IO && run->io.port == BELL_PORT)
		store_for_guest(ps, (void *)run + run->io.data_offset);
	else
		return false;
	return true;
}

/* Returns the last value of the round. */
static u64 run_round(struct post_smp *ps, struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	do {
		vcpu_run(vcpu);
	} while (serve_exit(ps, vcpu->run));
	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_SYNC);
	__atomic_add_fetch(&ps->rounds, 1, __ATOMIC_RELAXED);
	return in_width(ps, uc.args[1]);
}

struct vcpu_thread {
	pthread_t thread;
	struct post_smp *ps;
	struct kvm_vcpu *vcpu;
};

static void *run_vcpu(void *arg)
{
	struct vcpu_thread *t = arg;

	do {
		run_round(t->ps, t->vcpu);
	} while (!READ_ONCE(t->ps->stop_vcpus));
	return NULL;
}

static void *poll_slot(void *arg)
{
	struct post_smp *ps = arg;
	u64 value;

	while (!READ_ONCE(ps->stop_reader)) {
		value = READ_ONCE(*ps->view);
		if (is_torn(ps, value))
			__atomic_add_fetch(&ps->torn, 1, __ATOMIC_RELAXED);
		sched_yield();
	}
	return NULL;
}

static void map_slot(struct post_smp *ps, bool there)
{
	void *slot;

	if (there)
		slot = mmap(ps->slot, PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | (ps->slot ? MAP_FIXED : 0), ps->memfd, 0);
	else
		slot = mmap(ps->slot, PAGE_SIZE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	TEST_ASSERT(slot != MAP_FAILED, "mmap() must succeed, errno %d", errno);
	ps->slot = slot;
}

static void churn(struct post_smp *ps)
{
	madvise(ps->slot, PAGE_SIZE, MADV_DONTNEED);
	mprotect(ps->slot, PAGE_SIZE, PROT_READ);
	mprotect(ps->slot, PAGE_SIZE, PROT_READ | PROT_WRITE);
	sched_yield();
	map_slot(ps, false);
	sched_yield();
	map_slot(ps, true);
	sched_yield();
	set_ioeventfd(ps, KVM_IOEVENTFD_FLAG_DEASSIGN);
	sched_yield();
	set_ioeventfd(ps, 0);
	ps->churns++;
}

static void run_threads(struct post_smp *ps)
{
	struct vcpu_thread threads[NR_VCPUS];
	pthread_t reader;
	int i;

	pthread_create(&reader, NULL, poll_slot, ps);
	for (i = 0; i < NR_VCPUS; i++) {
		threads[i] = (struct vcpu_thread){ .ps = ps, .vcpu = ps->vcpus[i] };
		pthread_create(&threads[i].thread, NULL, run_vcpu, &threads[i]);
	}
	while (ps->churns < MIN_CHURNS || READ_ONCE(ps->rounds) < 2 * NR_VCPUS)
		churn(ps);
	WRITE_ONCE(ps->stop_vcpus, true);
	for (i = 0; i < NR_VCPUS; i++)
		pthread_join(threads[i].thread, NULL);
	WRITE_ONCE(ps->stop_reader, true);
	pthread_join(reader, NULL);
}

static bool expect(u64 got, u64 expected, const char *what)
{
	if (got != expected)
		ksft_print_msg("%s must be %#lx, it is %#lx\n", what, expected, got);
	return got == expected;
}

/* Nothing changes any more and the vCPUs take turns: the slot must have the last value. */
static bool last_one_stays(struct post_smp *ps)
{
	bool passed = true;
	u64 value, exits = ps->exits;
	int i;

	for (i = 0; i < 2 * NR_VCPUS; i++) {
		value = run_round(ps, ps->vcpus[i % NR_VCPUS]);
		passed &= expect(*ps->view, value, "the slot");
	}
	return passed && expect(ps->exits, exits, "exits to the VMM");
}

static bool each_write_arrived(struct post_smp *ps)
{
	u64 signals = eventfd_take(ps->bell);

	ksft_print_msg("%s: %lu writes signalled, %lu came to the VMM\n", ways[ps->way].name,
		       signals, ps->exits);
	return expect(signals + ps->exits, ps->rounds * WRITES_PER_ROUND, "writes that arrived");
}

static void create(struct post_smp *ps)
{
	int i;

	ps->vm = vm_create_with_vcpus(NR_VCPUS, guest_main, ps->vcpus);
	vm_enable_cap(ps->vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	virt_pg_map(ps->vm, BELL_GPA, BELL_GPA);
	for (i = 0; i < NR_VCPUS; i++)
		vcpu_args_set(ps->vcpus[i], 2, (u64)ps->way, (u64)i << 7);
	ps->bell = eventfd_create();
	ps->memfd = memfd_create("slot", 0);
	TEST_ASSERT(!ftruncate(ps->memfd, PAGE_SIZE), "ftruncate() must succeed");
	ps->view = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ps->memfd, 0);
	map_slot(ps, true);
	set_ioeventfd(ps, 0);
}

static void free_all(struct post_smp *ps)
{
	kvm_vm_free(ps->vm);
	munmap(ps->slot, PAGE_SIZE);
	munmap(ps->view, PAGE_SIZE);
	close(ps->memfd);
	close(ps->bell);
}

static void test_way(enum way way)
{
	struct post_smp ps = { .way = way };
	bool passed;

	alarm(CASE_SECONDS);
	create(&ps);
	run_threads(&ps);
	passed = last_one_stays(&ps);
	passed &= expect(ps.torn, 0, "values that aren't whole");
	passed &= each_write_arrived(&ps);
	ksft_test_result(passed, "%s\n", ways[way].name);
	free_all(&ps);
}

int main(void)
{
	enum way way;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD_POST));
	ksft_set_plan(NR_WAYS);
	for (way = 0; way < NR_WAYS; way++)
		test_way(way);
	ksft_finished();
}
