// SPDX-License-Identifier: GPL-2.0-only
/*
 * A doorbell turns around right after the world switch: KVM enters the guest again
 * before the rest of KVM has seen the exit.  That must not delay anything that
 * waits for the CPU or the vCPU, nor hide exits from who traces them.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/time.h>

#include "apic.h"
#include "pv_mmio_case.h"

#define BELL_GPA	0xd0000000ul
#define LENGTH0_GPA	0xd0001000ul
#define BELL_PORT	0x2000
#define NR_RINGS	256
/* Some rings may not turn, because the host's own interrupts come in between. */
#define MAY_NOT_TURN	(NR_RINGS / 2)
/* The guest may ring so often before an interrupt that is due has come. */
#define MANY_RINGS	4000000
#define TIMER_TICKS	100000
#define VECTOR		0x40
#define NR_TIMERS	16
#define GSI		5
#define EVENTS		"/sys/kernel/tracing/events/kvm/"

enum way { STORE, LENGTH0, HYPERCALL, PORT, NR_WAYS };

static const char * const way_names[NR_WAYS] = {
	"store", "store to length 0", "hypercall", "out",
};

/* What the host tells the guest, and what the guest's handler counts. */
static enum way way;
static u64 nr_rings, nr_interrupts;
static u32 guest_pkru;

struct turn_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int bell, stats_fd;
	off_t turns, exits;
};

static __always_inline void ring(enum way by)
{
	if (by == STORE)
		guest_pv_store_2(BELL_GPA, 0);
	else if (by == LENGTH0)
		guest_pv_store_2(LENGTH0_GPA, 0);
	else if (by == HYPERCALL)
		GUEST_ASSERT_EQ(kvm_hypercall(KVM_HC_MMIO_WRITE, BELL_GPA, 0, 2, 0), 0);
	else
		asm volatile("outw %%ax, %%dx"
			     : : "a"(0), "d"(BELL_PORT) : "memory");
}

/* The guest stops after each round, so that the host can read statistics. */
static void guest_rings(void)
{
	u64 i;

	for (;;) {
		for (i = 0; i < nr_rings; i++)
			ring(way);
		GUEST_SYNC(0);
	}
}

static void handle_interrupt(struct ex_regs *regs)
{
	WRITE_ONCE(nr_interrupts, nr_interrupts + 1);
	xapic_write_reg(APIC_EOI, 0);
}

/* A timer must expire although the guest does nothing but ring. */
static void guest_waits_for_timer(void)
{
	u64 i, timer, seen;

	xapic_enable();
	xapic_write_reg(APIC_LVTT, VECTOR);
	xapic_write_reg(APIC_TDCR, 0xb);	/* divide by 1 */
	asm volatile("sti");
	for (timer = 0; timer < NR_TIMERS; timer++) {
		seen = READ_ONCE(nr_interrupts);
		xapic_write_reg(APIC_TMICT, TIMER_TICKS);
		for (i = 0; READ_ONCE(nr_interrupts) == seen; i++) {
			GUEST_ASSERT(i < MANY_RINGS);
			ring(STORE);
		}
	}
	GUEST_DONE();
}

/*
 * The doorbell's eventfd is an irqfd for this vCPU: the interrupt must come before
 * the next ring.  QEMU's VMRUN now and then delivers one twice, see TESTING.md.
 */
static void guest_is_interrupted(void)
{
	u64 i, seen;

	xapic_enable();
	asm volatile("sti");
	for (i = 0; i < NR_RINGS; i++) {
		seen = READ_ONCE(nr_interrupts);
		ring(way);
		GUEST_ASSERT(READ_ONCE(nr_interrupts) > seen);
	}
	GUEST_DONE();
}

static void guest_has_pkru(void)
{
	u64 i;

	set_cr4(get_cr4() | X86_CR4_OSXSAVE | X86_CR4_PKE);
	asm volatile("wrpkru"
		     : : "a"(guest_pkru), "c"(0), "d"(0));
	for (i = 0; i < nr_rings; i++)
		ring(STORE);
	GUEST_DONE();
}

static void turn_vm_create(struct turn_vm *tvm, void *guest)
{
	tvm->vm = vm_create_with_one_vcpu(&tvm->vcpu, guest);
	vm_enable_cap(tvm->vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	vcpu_set_cpuid_feature(tvm->vcpu, X86_FEATURE_KVM_HC_MMIO_WRITE);
	virt_map(tvm->vm, BELL_GPA, BELL_GPA, 2);
	virt_pg_map(tvm->vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA);
	vm_install_exception_handler(tvm->vm, VECTOR, handle_interrupt);
	tvm->bell = eventfd_create();
	ioeventfd_set(tvm->vm, tvm->bell, BELL_GPA, 2, KVM_IOEVENTFD_FLAG_DATAMATCH, 0);
	ioeventfd_set(tvm->vm, tvm->bell, LENGTH0_GPA, 0, 0, 0);
	ioeventfd_set(tvm->vm, tvm->bell, BELL_PORT, 2, KVM_IOEVENTFD_FLAG_PIO, 0);
	tvm->stats_fd = vcpu_get_stats_fd(tvm->vcpu);
	tvm->turns = find_vcpu_stat(tvm->stats_fd, "pv_mmio_turns");
	tvm->exits = find_vcpu_stat(tvm->stats_fd, "exits");
}

static void turn_vm_free(struct turn_vm *tvm)
{
	close(tvm->stats_fd);
	close(tvm->bell);
	kvm_vm_free(tvm->vm);
}

static void tell(struct turn_vm *tvm, enum way by, u64 rings)
{
	way = by;
	nr_rings = rings;
	nr_interrupts = 0;
	sync_global_to_guest(tvm->vm, way);
	sync_global_to_guest(tvm->vm, nr_rings);
	sync_global_to_guest(tvm->vm, nr_interrupts);
	sync_global_to_guest(tvm->vm, guest_pkru);
}

/* Runs to the guest's next ucall, and returns it. */
static u64 run(struct turn_vm *tvm)
{
	struct ucall uc;
	int error;

	do
		error = vcpu_run_bounded(tvm->vcpu);
	while (error == EINTR && tvm->vcpu->run->immediate_exit);
	TEST_ASSERT(!error, "the guest must come to an end, errno %d", error);
	if (get_ucall(tvm->vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	return uc.cmd;
}

/* Counts the rings of one round, and how many of them turned. */
static void count_turns(struct turn_vm *tvm, u64 *rings, u64 *turns, u64 *exits)
{
	u64 turns_before = read_vcpu_stat(tvm->stats_fd, tvm->turns);
	u64 exits_before = read_vcpu_stat(tvm->stats_fd, tvm->exits);

	eventfd_take(tvm->bell);
	run(tvm);
	*rings = eventfd_take(tvm->bell);
	*turns = read_vcpu_stat(tvm->stats_fd, tvm->turns) - turns_before;
	*exits = read_vcpu_stat(tvm->stats_fd, tvm->exits) - exits_before;
}

static bool turns_by(enum way by)
{
	if (!kernel_has_fast_path())
		return false;
	if (by == STORE || by == LENGTH0)
		return store_has_fast_path(CPL0_64BIT);
	return true;
}

/* The first round isn't counted: in it, KVM learns the code. */
static void test_way(enum way by, bool traced)
{
	const char *watched = "";
	u64 rings, turns, exits;
	struct turn_vm tvm;

	if (traced)
		watched = ", traced";
	turn_vm_create(&tvm, guest_rings);
	tell(&tvm, by, NR_RINGS);
	run(&tvm);
	case_begin(way_names[by]);
	count_turns(&tvm, &rings, &turns, &exits);
	case_expect(rings, NR_RINGS, "signals");
	case_expect(exits >= NR_RINGS, true, "each ring is an exit");
	if (traced || !turns_by(by))
		case_expect(turns, 0, "turns");
	else
		case_expect(turns >= NR_RINGS - MAY_NOT_TURN && turns <= NR_RINGS, true,
			    "most of them turn");
	ksft_test_result(case_passed(), "%s%s\n", way_names[by], watched);
	turn_vm_free(&tvm);
}

static bool trace(const char *event, const char *on)
{
	char path[128];
	int fd, n;

	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	snprintf(path, sizeof(path), EVENTS "%s/enable", event);
	fd = open(path, O_WRONLY);
	n = fd < 0 ? -1 : write(fd, on, 1);
	if (fd >= 0)
		close(fd);
	return n == 1;
}

/* With exits or entries traced, the trace has to show all of them. */
static void test_traced(const char *event)
{
	if (!trace(event, "1")) {
		ksft_test_result_skip("%s traced: this kernel has no tracefs\n", event);
		return;
	}
	test_way(STORE, true);
	trace(event, "0");
}

static void test_timer(void)
{
	struct turn_vm tvm;

	turn_vm_create(&tvm, guest_waits_for_timer);
	tell(&tvm, STORE, 0);
	ksft_test_result(run(&tvm) == UCALL_DONE, "timer of a guest that only rings\n");
	turn_vm_free(&tvm);
}

/* An MSI for the one vCPU, sent by KVM itself as soon as @fd is signalled. */
static void add_irqfd(struct kvm_vm *vm, int fd)
{
	struct kvm_irq_routing *routing = kvm_gsi_routing_create();
	struct kvm_irqfd irqfd = { .fd = fd, .gsi = GSI };

	routing->nr = 1;
	routing->entries[0] = (struct kvm_irq_routing_entry) {
		.gsi = GSI,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = VECTOR },
	};
	kvm_gsi_routing_write(vm, routing);
	vm_ioctl(vm, KVM_IRQFD, &irqfd);
}

static void test_interrupted(enum way by)
{
	struct turn_vm tvm;

	turn_vm_create(&tvm, guest_is_interrupted);
	add_irqfd(tvm.vm, tvm.bell);
	tell(&tvm, by, 0);
	ksft_test_result(run(&tvm) == UCALL_DONE, "%s that interrupts its own vCPU\n",
			 way_names[by]);
	turn_vm_free(&tvm);
}

struct listener {
	pthread_t thread;
	int fd;
	u64 wakeups, signals;
};

static void *listen(void *arg)
{
	struct listener *listener = arg;
	u64 count;

	while (listener->signals < NR_RINGS) {
		if (read(listener->fd, &count, sizeof(count)) != sizeof(count))
			break;
		listener->signals += count;
		listener->wakeups++;
	}
	return NULL;
}

static void start_listener(struct listener *listener)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_attr_t attr;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	TEST_ASSERT(!sched_setaffinity(0, sizeof(cpus), &cpus), "one CPU for both");
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	TEST_ASSERT(!pthread_create(&listener->thread, &attr, listen, listener),
		    "a thread of a higher priority");
	pthread_attr_destroy(&attr);
}

/*
 * A thread of higher priority waits for the doorbell on the vCPU's own CPU: no IPI
 * interrupts the CPU, and yet the thread has to run before the guest rings again.
 */
static void test_listener(void)
{
	struct listener listener = {};
	struct turn_vm tvm;

	turn_vm_create(&tvm, guest_rings);
	tell(&tvm, STORE, NR_RINGS);
	run(&tvm);
	eventfd_take(tvm.bell);
	fcntl(tvm.bell, F_SETFL, 0);
	listener.fd = tvm.bell;
	start_listener(&listener);
	case_begin("listener");
	run(&tvm);
	pthread_join(listener.thread, NULL);
	case_expect(listener.signals, NR_RINGS, "signals");
	case_expect(listener.wakeups, NR_RINGS, "wake-ups");
	ksft_test_result(case_passed(), "listener on the vCPU's own CPU\n");
	turn_vm_free(&tvm);
}

static u32 host_pkru(void)
{
	u32 pkru, zero = 0;

	asm volatile("rdpkru" : "=a"(pkru), "+c"(zero) : : "rdx");
	return pkru;
}

/* With the guest's PKRU loaded, KVM might not be allowed to read the VMM's memory. */
static void test_pkru(u32 change)
{
	u64 rings, turns, exits;
	struct turn_vm tvm;

	if (!kvm_cpu_has(X86_FEATURE_PKU)) {
		ksft_test_result_skip("PKRU: this CPU lacks it\n");
		return;
	}
	turn_vm_create(&tvm, guest_has_pkru);
	guest_pkru = host_pkru() ^ change;
	tell(&tvm, STORE, NR_RINGS);
	case_begin("PKRU");
	count_turns(&tvm, &rings, &turns, &exits);
	case_expect(rings, NR_RINGS, "signals");
	if (change)
		case_expect(turns, 0, "turns");
	else
		case_expect(!!turns, turns_by(STORE), "there are turns");
	ksft_test_result(case_passed(), "PKRU, the host's and %u\n", change);
	turn_vm_free(&tvm);
}

int main(void)
{
	enum way by;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	ksft_set_plan(2 * NR_WAYS + 6);

	test_traced("kvm_exit");
	test_traced("kvm_entry");
	test_pkru(4);
	test_pkru(0);
	test_timer();
	for (by = 0; by < NR_WAYS; by++)
		test_interrupted(by);
	test_listener();
	for (by = 0; by < NR_WAYS; by++)
		test_way(by, false);
	ksft_finished();
}
