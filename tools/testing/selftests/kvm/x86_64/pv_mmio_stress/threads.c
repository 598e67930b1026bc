// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to the VM of the stress test while its vCPUs ring.
 */
#include <signal.h>

#include "apic.h"
#include "stress.h"

#define FICKLE_SLOT	9
#define INIT_MESSAGE	(5 << 8)	/* delivery mode of an MSI */
#define RESET_RIP	0xfff0
#define FIRST_CHURNED	4
#define NR_CHURNED	11
#define LIFE_RINGS	16
/* The longest pause: a vCPU may ring many times meanwhile, even where CPUs take turns. */
#define LINGER_US	10000

/* Resets a vCPU as hardware does; KVM must forget what it knows about its code. */
static void reset_vcpu(struct stress *s, struct kvm_vcpu *vcpu)
{
	struct kvm_msi init = {
		.address_lo = APIC_DEFAULT_GPA | vcpu->id << 12,
		.data = INIT_MESSAGE,
	};
	struct kvm_mp_state state;
	struct kvm_sregs sregs;
	struct kvm_regs regs, after;
	int delivered;

	vcpu_regs_get(vcpu, &regs);
	vcpu_sregs_get(vcpu, &sregs);
	delivered = __vm_ioctl(s->vm, KVM_SIGNAL_MSI, &init);
	TEST_ASSERT(delivered == 1, "INIT must reach vCPU %u, got %d", vcpu->id, delivered);
	/* KVM handles the pending INIT before it returns the state. */
	vcpu_mp_state_get(vcpu, &state);
	vcpu_regs_get(vcpu, &after);
	TEST_ASSERT(after.rip == RESET_RIP, "INIT must reset the vCPU, RIP is %#llx", after.rip);
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_regs_set(vcpu, &regs);
	state.mp_state = KVM_MP_STATE_RUNNABLE;
	vcpu_mp_state_set(vcpu, &state);
	__atomic_add_fetch(&s->resets, 1, __ATOMIC_RELAXED);
}

static void note_exit(struct stress_vcpu *me, u64 addr, u64 len, const void *data)
{
	u64 value = 0;

	memcpy(&value, data, len);
	me->exit_addr = addr;
	me->exit_len = len;
	me->exit_value = value;
	WRITE_ONCE(me->exits, me->exits + 1);
}

/* Returns false when the guest is done. */
static bool handle_exit(struct stress *s, struct kvm_vcpu *vcpu, struct kvm_random_state *rng)
{
	struct stress_vcpu *me = &s->shared->vcpus[vcpu->id];
	struct kvm_run *run = vcpu->run;
	struct ucall uc;

	if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write) {
		note_exit(me, run->mmio.phys_addr, run->mmio.len, run->mmio.data);
		return true;
	}
	TEST_ASSERT(run->exit_reason == KVM_EXIT_IO, "unexpected exit %u (%s)", run->exit_reason,
		    exit_reason_str(run->exit_reason));
	if (run->io.direction == KVM_EXIT_IO_OUT) {
		note_exit(me, run->io.port, run->io.size, (void *)run + run->io.data_offset);
		return true;
	}
	switch (get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		if (stress_random(rng, 4) == 0)
			reset_vcpu(s, vcpu);
		return true;
	case UCALL_DONE:
		return false;
	default:
		TEST_FAIL("unexpected ucall %lu", uc.cmd);
	}
}

void *stress_run_vcpu(void *arg)
{
	struct stress_thread *t = arg;
	struct stress *s = t->stress;
	struct kvm_random_state rng;

	rng = new_kvm_random_state(s->seed + t->vcpu->id);
	stress_find_served(t);
	do {
		while (__vcpu_run(t->vcpu)) {
			TEST_ASSERT(errno == EINTR, "KVM_RUN failed, errno %d", errno);
			__atomic_add_fetch(&s->interrupts, 1, __ATOMIC_RELAXED);
		}
		stress_check_served(t);
	} while (handle_exit(s, t->vcpu, &rng));
	close(t->stats_fd);
	return NULL;
}

/* Prefers a state that the doorbell hasn't met yet. */
static enum stress_state choose_reg(u32 missing, u32 regs, struct kvm_random_state *rng)
{
	enum stress_state reg;

	if (regs & missing)
		regs &= missing;
	do {
		reg = stress_random(rng, NR_REGS);
	} while (!(regs & BIT(reg)));
	return reg;
}

static void churn(struct stress *s, struct kvm_random_state *rng, u32 parity)
{
	u32 i = FIRST_CHURNED + stress_random(rng, NR_CHURNED), missing;

	i -= i % 2 != parity;
	if (i < FIRST_CHURNED)
		i += 2;
	missing = stress_missing(s, i);
	stress_change_bell(s, i, choose_reg(missing, stress_bells[i].regs, rng),
			   missing & BIT(REMOVED) || stress_random(rng, 2));
	if (stress_random(rng, 4) == 0)
		stress_renew_fd(s, i);
}

/* There are two such threads, each for its own doorbells. */
static void churn_even(struct stress *s, struct kvm_random_state *rng)
{
	churn(s, rng, 0);
}

static void churn_odd(struct stress *s, struct kvm_random_state *rng)
{
	churn(s, rng, 1);
}

static void set_page(struct stress *s, u32 flags, u64 size, enum stress_state state)
{
	stress_word_set(&s->shared->page, CHANGING);
	vm_set_user_memory_region(s->vm, FICKLE_SLOT, flags, FICKLE_GPA, size, s->fickle_hva);
	stress_word_set(&s->shared->page, state);
}

/* Half of the states stay until some rings must have met them. */
static void linger(struct stress *s, struct kvm_random_state *rng)
{
	if (stress_random(rng, 2))
		stress_wait_for_rings(s, 0, STRESS_TWO_RINGS);
	else
		usleep(stress_random(rng, LINGER_US));
}

static void change_memslots(struct stress *s, struct kvm_random_state *rng)
{
	bool rom = stress_random(rng, 2);

	set_page(s, rom ? KVM_MEM_READONLY : 0, PAGE_SIZE, rom ? ROM : RAM);
	linger(s, rng);
	set_page(s, 0, 0, NO_PAGE);
	linger(s, rng);
}

static void toggle_caps(struct stress *s, struct kvm_random_state *rng)
{
	bool hypercalls = stress_random(rng, 2), stores = stress_random(rng, 2);

	stress_word_set(&s->shared->stores, CHANGING);
	vm_enable_cap(s->vm, KVM_CAP_X86_PV_MMIO, stores);
	stress_word_set(&s->shared->stores, stores ? STORES_ON : STORES_OFF);
	stress_word_set(&s->shared->hypercalls, CHANGING);
	vm_enable_cap(s->vm, KVM_CAP_X86_HC_MMIO_WRITE, hypercalls);
	stress_word_set(&s->shared->hypercalls, hypercalls ? HYPERCALLS_ON : HYPERCALLS_OFF);
	linger(s, rng);
}

/* If KVM_RUN is interrupted before it rings once, a slow machine never rings. */
static void send_signal(struct stress *s, struct kvm_random_state *rng)
{
	stress_wait_for_rings(s, 0, 1);
	pthread_kill(s->threads[stress_random(rng, STRESS_VCPUS)].thread, SIGUSR1);
}

/* The other VM shares one of our eventfds, has its own, and one that was closed. */
static void live_and_die(struct stress *s, struct kvm_random_state *rng)
{
	int fds[] = { s->bells[0].fd, eventfd_create(), eventfd_create() };
	struct stress other = {};
	struct kvm_vcpu *vcpu;
	struct ucall uc;
	int i;

	other.vm = vm_create_with_one_vcpu(&vcpu, guest_short_life);
	vcpu_args_set(vcpu, 1, (u64)LIFE_RINGS);
	vm_enable_cap(other.vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	virt_pg_map(other.vm, STRESS_GPA, STRESS_GPA);
	for (i = 0; i < 4; i++)
		ioeventfd_set(other.vm, fds[i % 3], stress_addr(&stress_bells[i], 0), 0,
			      stress_bells[i].how == PORT_OUT ? KVM_IOEVENTFD_FLAG_PIO : 0, 0);
	close(fds[2]);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_DONE);
	kvm_vm_free(other.vm);
	/* Its first and fourth doorbell both signal the shared eventfd. */
	s->guest_rings += 2 * LIFE_RINGS;
	if (eventfd_take(fds[1]) != LIFE_RINGS)
		s->wrong_lives++;
	s->lives++;
	close(fds[1]);
}

struct stress_disturber stress_disturbers[NR_DISTURBERS] = {
	{ "changes of even ioeventfds", churn_even, 300, 64 },
	{ "changes of odd ioeventfds", churn_odd, 300, 64 },
	{ "changes of memslots", change_memslots, 1, 16 },
	{ "switches of capabilities", toggle_caps, 1, 16 },
	{ "signals to vCPUs", send_signal, 1000, 16 },
	{ "other VMs", live_and_die, 20000, 2 },
};
