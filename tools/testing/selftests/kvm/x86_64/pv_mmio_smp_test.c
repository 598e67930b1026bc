// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many vCPUs ring doorbells at once, while other ioeventfds come and go: no signal
 * may be lost, come twice, or go to a neighbour.
 */
#include <pthread.h>

#include "pv_mmio.h"

#define MAX_VCPUS	4
#define MAX_BELLS	8
#define BELL_GPA	0xd0000000ul
#define BELL_PORT	0x2000
#define BELL_VALUE	0x1200
#define STRIDE		8
/* Other ioeventfds at a doorbell's address match this value. */
#define OTHER_VALUE	0x3400
#define NR_OTHERS	4

/* One round ends with an exit, so that a vCPU can be told to stop. */
#define RINGS_PER_ROUND	256
#define MIN_ROUNDS	4
#define MIN_CHURNS	16
/* Without expedited grace periods, as on PREEMPT_RT, each takes many times as long. */
#define MIN_SLOW_CHURNS	1
#define RCU_NORMAL	"/sys/kernel/rcu_normal"
/* A vCPU that hangs ends the whole test. */
#define CASE_SECONDS	60

enum ring { STORE, HYPERCALL, PORT, ANY_LENGTH, NR_RINGS };

static const char * const ring_names[NR_RINGS] = {
	[STORE] = "store",
	[HYPERCALL] = "hypercall",
	[PORT] = "out",
	[ANY_LENGTH] = "store to length 0",
};

struct smp_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	pthread_barrier_t start;
	enum ring ring;
	u32 nr_vcpus, nr_bells;
	int bells[MAX_BELLS], others;
	u64 rounds;		/* of all vCPUs */
	u64 churns, min_churns;	/* rounds of other ioeventfds */
	bool stop;		/* tells the thread that registers them to end */
};

static u64 bell_addr(enum ring ring, u32 i)
{
	return (ring == PORT ? BELL_PORT : BELL_GPA) + i * STRIDE;
}

static void guest_ring(enum ring ring, u64 addr, u16 value)
{
	switch (ring) {
	case STORE:
		guest_pv_store_2(addr, value);
		break;
	case HYPERCALL:
		GUEST_ASSERT_EQ(kvm_hypercall(KVM_HC_MMIO_WRITE, addr, value, 2, 0), 0);
		break;
	case PORT:
		asm volatile("outw %%ax, %%dx" : : "a"(value), "d"(addr) : "memory");
		break;
	default:
		WRITE_ONCE(*(u16 *)addr, value);
	}
}

static void guest_main(u64 ring, u64 nr_bells)
{
	u32 i, bell;

	for (;;) {
		for (i = 0; i < RINGS_PER_ROUND; i++) {
			bell = i % nr_bells;
			guest_ring(ring, bell_addr(ring, bell), BELL_VALUE + bell);
		}
		GUEST_SYNC(0);
	}
}

static void set_ioeventfd(struct smp_vm *smp, enum ring ring, int fd, u32 i, u64 value, u32 flags)
{
	u32 len = ring == ANY_LENGTH ? 0 : 2;

	if (ring == PORT)
		flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (ring != ANY_LENGTH)
		flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	ioeventfd_set(smp->vm, fd, bell_addr(ring, i), len, flags, value);
}

/* At the doorbells' addresses, unless those match any value, and next to them. */
static void set_others(struct smp_vm *smp, u32 flags)
{
	u32 i;

	for (i = 0; i < NR_OTHERS; i++) {
		if (smp->ring != ANY_LENGTH)
			set_ioeventfd(smp, smp->ring, smp->others, i, OTHER_VALUE + i, flags);
		set_ioeventfd(smp, ANY_LENGTH, smp->others, MAX_BELLS + i, 0, flags);
	}
}

static void *churn(void *arg)
{
	struct smp_vm *smp = arg;

	pthread_barrier_wait(&smp->start);
	while (!READ_ONCE(smp->stop)) {
		set_others(smp, 0);
		set_others(smp, KVM_IOEVENTFD_FLAG_DEASSIGN);
		WRITE_ONCE(smp->churns, smp->churns + 1);
	}
	return NULL;
}

struct vcpu_thread {
	pthread_t thread;
	struct smp_vm *smp;
	struct kvm_vcpu *vcpu;
};

static void *run_vcpu(void *arg)
{
	struct vcpu_thread *t = arg;
	struct smp_vm *smp = t->smp;
	struct ucall uc;
	u64 rounds = 0;

	pthread_barrier_wait(&smp->start);
	do {
		vcpu_run(t->vcpu);
		if (get_ucall(t->vcpu, &uc) == UCALL_ABORT)
			REPORT_GUEST_ASSERT(uc);
		TEST_ASSERT_EQ(uc.cmd, UCALL_SYNC);
		rounds++;
	} while (rounds < MIN_ROUNDS || READ_ONCE(smp->churns) < smp->min_churns);
	__atomic_add_fetch(&smp->rounds, rounds, __ATOMIC_RELAXED);
	return NULL;
}

static void run_threads(struct smp_vm *smp)
{
	struct vcpu_thread threads[MAX_VCPUS];
	pthread_t churner;
	u32 i;

	pthread_barrier_init(&smp->start, NULL, smp->nr_vcpus + 1);
	pthread_create(&churner, NULL, churn, smp);
	for (i = 0; i < smp->nr_vcpus; i++) {
		threads[i].smp = smp;
		threads[i].vcpu = smp->vcpus[i];
		pthread_create(&threads[i].thread, NULL, run_vcpu, &threads[i]);
	}
	for (i = 0; i < smp->nr_vcpus; i++)
		pthread_join(threads[i].thread, NULL);
	WRITE_ONCE(smp->stop, true);
	pthread_join(churner, NULL);
	pthread_barrier_destroy(&smp->start);
}

static void smp_vm_create(struct smp_vm *smp)
{
	u32 i;

	smp->vm = vm_create_with_vcpus(smp->nr_vcpus, guest_main, smp->vcpus);
	vm_enable_cap(smp->vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	virt_pg_map(smp->vm, BELL_GPA, BELL_GPA);
	for (i = 0; i < smp->nr_vcpus; i++)
		vcpu_args_set(smp->vcpus[i], 2, (u64)smp->ring, (u64)smp->nr_bells);
	smp->others = eventfd_create();
	for (i = 0; i < smp->nr_bells; i++) {
		smp->bells[i] = eventfd_create();
		set_ioeventfd(smp, smp->ring, smp->bells[i], i, BELL_VALUE + i, 0);
	}
}

static void smp_vm_free(struct smp_vm *smp)
{
	u32 i;

	for (i = 0; i < smp->nr_bells; i++)
		close(smp->bells[i]);
	close(smp->others);
	kvm_vm_free(smp->vm);
}

/* Each round rings all doorbells equally often. */
static bool counts_are_exact(struct smp_vm *smp)
{
	u64 rings = smp->rounds * RINGS_PER_ROUND / smp->nr_bells;
	u64 got, others = eventfd_take(smp->others);
	bool exact = !others;
	u32 i;

	if (others)
		ksft_print_msg("%lu signals went to others' ioeventfds\n", others);
	for (i = 0; i < smp->nr_bells; i++) {
		got = eventfd_take(smp->bells[i]);
		if (got == rings)
			continue;
		ksft_print_msg("doorbell %u was rung %lu times and signalled %lu times\n",
			       i, rings, got);
		exact = false;
	}
	return exact;
}

static u64 min_churns(void)
{
	FILE *f = fopen(RCU_NORMAL, "r");
	bool slow;

	TEST_ASSERT(f, "%s must be readable, errno %d", RCU_NORMAL, errno);
	slow = fgetc(f) == '1';
	fclose(f);
	return slow ? MIN_SLOW_CHURNS : MIN_CHURNS;
}

static void test_smp(enum ring ring, u32 nr_vcpus, u32 nr_bells)
{
	struct smp_vm smp = { .ring = ring, .nr_vcpus = nr_vcpus, .nr_bells = nr_bells,
			      .min_churns = min_churns() };

	alarm(CASE_SECONDS);
	smp_vm_create(&smp);
	run_threads(&smp);
	ksft_test_result(counts_are_exact(&smp), "%u vCPUs, %u doorbell(s), %s\n",
			 nr_vcpus, nr_bells, ring_names[ring]);
	smp_vm_free(&smp);
}

int main(void)
{
	static const u32 nr_vcpus[] = { 2, MAX_VCPUS }, nr_bells[] = { 1, MAX_BELLS };
	enum ring ring;
	int i, j;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	ksft_print_header();
	ksft_set_plan(NR_RINGS * ARRAY_SIZE(nr_vcpus) * ARRAY_SIZE(nr_bells));

	for (ring = 0; ring < NR_RINGS; ring++)
		for (i = 0; i < ARRAY_SIZE(nr_vcpus); i++)
			for (j = 0; j < ARRAY_SIZE(nr_bells); j++)
				test_smp(ring, nr_vcpus[i], nr_bells[j]);
	ksft_finished();
}
