// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a differential case in both VMs, and collects all that can be seen of it.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "pv_mmio_case.h"
#include "diff.h"

#define RAM_SLOT	11
#define SLOT_BYTE	0x5a
#define SYNCED		(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)
#define TICK_USECONDS	200000
#define MAX_TICKS	5

/* A timer gets the vCPU out of KVM_RUN if the guest never exits. */
static void start_ticking(void)
{
	const struct itimerval interval = {
		.it_value.tv_usec = TICK_USECONDS, .it_interval.tv_usec = TICK_USECONDS,
	};

	interrupt_runs_with(SIGALRM);
	setitimer(ITIMER_REAL, &interval, NULL);
}

static bool enable_counter(struct diff_vm *v)
{
	const struct {
		u32 select, counter;
		u64 event;
	} regs = host_cpu_is_amd ? (typeof(regs)) { 0xc0010000, 0xc0010004, 0x4300c0 } :
				   (typeof(regs)) { 0x186, 0xc1, 0x4300c0 };

	if (!kvm_is_pmu_enabled() || (!host_cpu_is_amd && !kvm_cpu_has_p(X86_PROPERTY_PMU_VERSION)))
		return false;
	if (!host_cpu_is_amd)
		_vcpu_set_msr(v->vcpu, 0x38f, 1);
	v->counter_msr = regs.counter;
	return _vcpu_set_msr(v->vcpu, regs.counter, 0) &&
	       _vcpu_set_msr(v->vcpu, regs.select, regs.event);
}

void diff_pair_create(struct diff_pair *p)
{
	const struct diff_pair before = *p;

	memset(p, 0, sizeof(*p));
	p->saved = before.saved;
	p->fast = before.fast;
	p->slow = before.slow;
	p->counted = before.counted;
	p->posted = before.posted;
	p->post_faulted = before.post_faulted;
	diff_vm_create(&p->stock, false);
	diff_vm_create(&p->pv, true);
	p->has_counter = enable_counter(&p->stock) && enable_counter(&p->pv);
	start_ticking();
}

u64 diff_saved(struct diff_pair *p)
{
	return p->saved + read_vcpu_stat(p->stock.stats_fd, p->stock.decodes_offset) -
	       read_vcpu_stat(p->pv.stats_fd, p->pv.decodes_offset);
}

u64 diff_fast(struct diff_pair *p)
{
	return p->fast + read_vcpu_stat(p->pv.stats_fd, p->pv.fast_offset);
}

u64 diff_slow(struct diff_pair *p)
{
	return p->slow + read_vcpu_stat(p->pv.stats_fd, p->pv.slow_offset);
}

void diff_pair_free(struct diff_pair *p)
{
	p->saved = diff_saved(p);
	p->fast = diff_fast(p);
	p->slow = diff_slow(p);
	diff_vm_free(&p->stock);
	diff_vm_free(&p->pv);
}

static void reset_memory(struct diff_vm *v)
{
	memset(SYSTEM_PAGE(v, PG_STACK), 0, (PG_RAM + 1 - PG_STACK) * PAGE_SIZE);
	memset(v->rom, 0, PAGE_SIZE);
}

static void add_exit(struct diff_run *r, const struct kvm_regs *regs, u32 reason, u64 gpa,
		     u32 len, bool is_write, const void *data)
{
	struct diff_exit *e = &r->exits[r->nr_exits % MAX_DIFF_EXITS];

	r->nr_exits++;
	*e = (struct diff_exit) {
		.reason = reason, .gpa = gpa, .len = len, .is_write = is_write,
		.rip = regs->rip, .rflags = regs->rflags,
	};
	if (is_write)
		memcpy(&e->data, data, min_t(u32, len, sizeof(e->data)));
}

static void drain_ring(struct diff_vm *v, struct diff_run *r)
{
	const u32 size = (PAGE_SIZE - sizeof(*v->ring)) / sizeof(v->ring->coalesced_mmio[0]);
	const struct kvm_regs unknown = {};
	struct kvm_coalesced_mmio *entry;

	while (v->ring->first != v->ring->last) {
		entry = &v->ring->coalesced_mmio[v->ring->first];
		add_exit(r, &unknown, 0, entry->phys_addr, entry->len, true, entry->data);
		v->ring->first = (v->ring->first + 1) % size;
	}
}

static u64 exit_detail(struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return run->io.port;
	case KVM_EXIT_INTERNAL_ERROR:
		return run->internal.suberror;
	case KVM_EXIT_FAIL_ENTRY:
		return run->fail_entry.hardware_entry_failure_reason;
	default:
		return 0;
	}
}

/* Returns true if the guest can go on. */
static bool handle_exit(struct diff_vm *v, struct diff_run *r)
{
	struct kvm_run *run = v->vcpu->run;

	drain_ring(v, r);
	r->end = run->exit_reason;
	r->end_detail = exit_detail(run);
	if (run->exit_reason == KVM_EXIT_DEBUG)
		r->debug = run->debug.arch;
	if (run->exit_reason != KVM_EXIT_MMIO)
		return false;

	add_exit(r, &run->s.regs.regs, KVM_EXIT_MMIO, run->mmio.phys_addr, run->mmio.len,
		 run->mmio.is_write, run->mmio.data);
	if (!run->mmio.is_write)
		memset(run->mmio.data, LOADED_BYTE, sizeof(run->mmio.data));
	return r->nr_exits < 2 * MAX_DIFF_EXITS;
}

/* Let KVM complete the last exit, without running the guest. */
static void abort_exit(struct kvm_vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	__vcpu_run(vcpu);
	vcpu->run->immediate_exit = 0;
}

static void run_to_end(struct diff_vm *v, struct diff_run *r)
{
	int ticks = 0;

	do {
		while (__vcpu_run(v->vcpu)) {
			r->end = errno == EINTR ? END_HANGS : END_ERRNO + errno;
			if (errno != EINTR || ++ticks == MAX_TICKS)
				return;
		}
	} while (handle_exit(v, r));
	if (r->end == KVM_EXIT_MMIO)
		abort_exit(v->vcpu);
}

static void run_once(struct diff_vm *v, const struct diff_case *c, u64 rip,
		     enum diff_space space, struct diff_run *r)
{
	struct kvm_run *run = v->vcpu->run;

	run->s.regs.regs = diff_regs(c, rip);
	/* KVM_SET_GUEST_DEBUG uses the vCPU's RIP, so set it before. */
	if (c->f[F_DEBUG])
		vcpu_regs_set(v->vcpu, &run->s.regs.regs);
	diff_set_debug(v, c, rip, true);
	diff_set_sregs(v, c, space);
	diff_set_events(v, c);
	run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	run->kvm_valid_regs = SYNCED;

	run_to_end(v, r);
	r->regs = run->s.regs.regs;
	r->events = run->s.regs.events;
	/*
	 * After a refused entry, the event stays in the VMCS until an entry or a
	 * signal clears it, so no later run can be compared.  After a hang, whatever
	 * caused it may be there still, and later runs would hang, too.
	 */
	v->is_broken = r->end == KVM_EXIT_FAIL_ENTRY || r->end == END_HANGS;
	v->is_stale = r->end != KVM_EXIT_IO || r->end_detail != END_PORT || c->f[F_EVENT] ||
		      c->f[F_SHADOW];
}

static void act_as_vmm(struct diff_vm *v, const struct diff_case *c, bool on)
{
	switch (c->f[F_VMM]) {
	case VMM_ADDS_RAM:
		vm_set_user_memory_region(v->vm, RAM_SLOT, 0, DIFF_MMIO_GPA, on ? PAGE_SIZE : 0,
					  SYSTEM_PAGE(v, PG_SPARE));
		break;
	case VMM_REMOVES_BELLS:
		diff_vm_bell(v, c->f[F_OFFSET] / STATION_SIZE % NR_STATIONS, !on);
		break;
	case VMM_DROPS_RAM:
		/* The next store there faults again. */
		madvise(SYSTEM_PAGE(v, PG_RAM), PAGE_SIZE, MADV_DONTNEED);
		break;
	}
}

static void take_rings(struct diff_vm *v, u64 *rings)
{
	struct epoll_event ready[MAX_BELLS_IN_ALL];
	int i, n = epoll_wait(v->epoll_fd, ready, MAX_BELLS_IN_ALL, 0);

	for (i = 0; i < n; i++)
		rings[ready[i].data.u32] = eventfd_take(v->bell_fds[ready[i].data.u32]);
}

/* What ioeventfds have posted since @faults was counted, and that they couldn't. */
static void take_posts(struct diff_vm *v, u64 faults, struct diff_result *r)
{
	r->post_faults = read_vcpu_stat(v->stats_fd, v->faults_offset) - faults;
	memcpy(r->slots, v->slots, sizeof(r->slots));
}

/* Devices take system calls to read and reset, so do it only if the case uses them. */
static void collect_devices(struct diff_vm *v, const struct diff_case *c, struct diff_result *r)
{
	if (c->f[F_PAGE] == P_LAPIC) {
		vcpu_ioctl(v->vcpu, KVM_GET_LAPIC, &r->lapic);
		/* Its timer counts time, which differs between the VMs. */
		memset(r->lapic.regs + 0x390, 0, 4);
		vcpu_ioctl(v->vcpu, KVM_SET_LAPIC, &v->lapic);
	}
	if (c->f[F_PAGE] == P_IOAPIC) {
		r->ioapic.chip_id = KVM_IRQCHIP_IOAPIC;
		vm_ioctl(v->vm, KVM_GET_IRQCHIP, &r->ioapic);
		vm_ioctl(v->vm, KVM_SET_IRQCHIP, &v->ioapic);
	}
	if (c->f[F_DR7] || (c->f[F_RFLAGS] & FLAG_TF))
		vcpu_debugregs_get(v->vcpu, &r->debugregs);
}

static void run_in(struct diff_vm *v, const struct diff_case *c, u64 offset, bool counts,
		   struct diff_result *r)
{
	u64 *pte = diff_code_pte(v, offset / PAGE_SIZE), own_pte = *pte;
	u64 faults = read_vcpu_stat(v->stats_fd, v->faults_offset);
	struct diff_case step;
	u64 rip = 0;
	int i;

	memset(r, 0, sizeof(*r));
	reset_memory(v);
	memset(v->slots, SLOT_BYTE, sizeof(r->slots));
	for (i = 0; i < DIFF_RUNS && !v->is_broken; i++) {
		step = diff_step(c, i);
		rip = diff_rip(&step, offset);
		diff_place_code(v, c, i, offset);
		if (i == 1)
			act_as_vmm(v, c, true);
		run_once(v, &step, rip, diff_space(c, i), &r->runs[i]);
	}
	r->sregs = v->vcpu->run->s.regs.sregs;
	*pte = own_pte;
	collect_devices(v, c, r);
	diff_set_debug(v, c, rip, false);
	take_rings(v, r->rings);
	take_posts(v, faults, r);
	if (counts)
		r->retired = vcpu_get_msr(v->vcpu, v->counter_msr);
	act_as_vmm(v, c, false);
}

static bool memory_differs(struct diff_pair *p)
{
	return memcmp(p->stock.system + PG_STACK * PAGE_SIZE, p->pv.system + PG_STACK * PAGE_SIZE,
		      (PG_RAM + 1 - PG_STACK) * PAGE_SIZE) ||
	       memcmp(p->stock.rom, p->pv.rom, PAGE_SIZE);
}

/* So that a test without any such store can't pass. */
static void note_posts(struct diff_pair *p)
{
	const u8 *byte = (const u8 *)p->pv_result.slots;
	size_t i;

	for (i = 0; i < sizeof(p->pv_result.slots) && byte[i] == SLOT_BYTE; i++)
		;
	p->posted |= i < sizeof(p->pv_result.slots);
	p->post_faulted |= p->pv_result.post_faults;
}

bool diff_case_differs(struct diff_pair *p, const struct diff_case *c)
{
	u64 offset;

	if (p->stock.is_broken || p->pv.is_broken) {
		diff_pair_free(p);
		diff_pair_create(p);
	}
	offset = diff_next_offset(p, c->f[F_CROSS]);
	run_in(&p->stock, c, offset, p->has_counter, &p->stock_result);
	run_in(&p->pv, c, offset, p->has_counter, &p->pv_result);
	/* Emulated CPUs may have the counter's MSR, and yet not count. */
	p->has_counter = p->has_counter && p->stock_result.retired;
	p->counted |= p->has_counter;
	p->memory_differs = memory_differs(p);
	note_posts(p);
	return p->memory_differs ||
	       memcmp(&p->stock_result, &p->pv_result, sizeof(p->pv_result));
}
