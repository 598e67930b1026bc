// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest rings while its VMM moves it to another VM over and over: no
 * doorbell may be lost, none may come twice.
 */
#include "pv_mmio.h"

#define MMIO_GPA	0xd0000000ul	/* has a doorbell */
#define VMM_GPA		0xd0001000ul	/* has none: the VMM serves it */
#define NR_ROUNDS	3
#define NR_REPEATS	3	/* first as new code, then as code that KVM knows */
#define BELLS_A_ROUND	(2 * NR_REPEATS)
#define STORES_A_ROUND	2

struct migration {
	const char *name;
	bool store_on[2];	/* in the VMs that it moves to, by turns */
	bool at_exits;		/* also move while the VMM serves a write */
	bool drops_call;	/* leave a hypercall undone: it comes again */
};

struct journey {
	const struct migration *m;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int bell;
	unsigned int nr_moves, nr_writes, nr_calls;
	u64 writes[2 * NR_ROUNDS * STORES_A_ROUND];
};

static const struct migration migrations[] = {
	{ "between doorbells, stores served", { true, true } },
	{ "between doorbells, stores emulated", { false, false } },
	{ "between doorbells, stores emulated, served and so on", { false, true } },
	{ "at exits to the VMM, stores served", { true, true }, true },
	{ "at exits to the VMM, stores emulated", { false, false }, true },
	{ "at exits to the VMM, stores served, emulated and so on", { true, false }, true },
	{ "in the middle of a hypercall", { true, true }, true, true },
	{ "in the middle of a hypercall, stores served in turns", { false, true }, true, true },
};

static noinline void guest_write_by_store(u64 gpa, u64 value)
{
	guest_pv_store_4(gpa, value);
}

static noinline void guest_write_by_call(u64 gpa, u64 value)
{
	u64 ret = kvm_hypercall(KVM_HC_MMIO_WRITE, gpa, value, 4, 0);

	GUEST_ASSERT_EQ(ret, 0ul);
}

static void guest_code(void)
{
	u64 i, j;

	for (i = 1; i <= NR_ROUNDS; i++) {
		for (j = 0; j < NR_REPEATS; j++)
			guest_write_by_store(MMIO_GPA, i);
		GUEST_SYNC(i);
		for (j = 0; j < NR_REPEATS; j++)
			guest_write_by_call(MMIO_GPA, i);
		if (i % 2)
			GUEST_SYNC(i);
		guest_write_by_store(VMM_GPA, i);
		guest_write_by_call(VMM_GPA, i);
	}
	GUEST_DONE();
}

static void set_up_vm(struct journey *j)
{
	vm_enable_cap(j->vm, KVM_CAP_X86_PV_MMIO, j->m->store_on[j->nr_moves % 2]);
	vm_enable_cap(j->vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	ioeventfd_set(j->vm, j->bell, MMIO_GPA, 4, 0, 0);
}

/* Moves the guest to a new VM, with the memory of the old one. */
static void move(struct journey *j)
{
	struct kvm_x86_state *state = vcpu_save_state(j->vcpu);

	kvm_vm_release(j->vm);
	j->nr_moves++;
	j->vcpu = vm_recreate_with_one_vcpu(j->vm);
	set_up_vm(j);
	vcpu_load_state(j->vcpu, state);
	kvm_x86_state_cleanup(state);
}

static bool is_hypercall(struct kvm_vcpu *vcpu)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	return regs.rax == KVM_HC_MMIO_WRITE && regs.rbx == VMM_GPA;
}

static void note_write(struct journey *j)
{
	struct kvm_run *run = j->vcpu->run;
	u32 value;

	TEST_ASSERT(run->mmio.is_write && run->mmio.len == 4 && run->mmio.phys_addr == VMM_GPA,
		    "the VMM must see the guest's writes only");
	memcpy(&value, run->mmio.data, sizeof(value));
	if (j->nr_writes < ARRAY_SIZE(j->writes))
		j->writes[j->nr_writes] = value;
	j->nr_writes++;
}

/* Moves with the registers from before the exit is completed, as if it had not been. */
static void drop_call_and_move(struct journey *j)
{
	struct kvm_regs regs;

	vcpu_regs_get(j->vcpu, &regs);
	move(j);
	vcpu_regs_set(j->vcpu, &regs);
}

static void serve_write(struct journey *j)
{
	/* Only every other time, so that the guest gets on. */
	if (j->m->drops_call && is_hypercall(j->vcpu) && j->nr_calls++ % 2 == 0) {
		drop_call_and_move(j);
		return;
	}

	note_write(j);
	if (j->m->at_exits) {
		/* An exit has to be completed before the state is read. */
		vcpu_run_complete_io(j->vcpu);
		move(j);
	}
}

static void travel(struct journey *j)
{
	struct ucall uc;

	for (;;) {
		TEST_ASSERT(!vcpu_run_bounded(j->vcpu), "KVM_RUN must come back by itself");
		if (j->vcpu->run->exit_reason == KVM_EXIT_MMIO) {
			serve_write(j);
			continue;
		}
		switch (get_ucall(j->vcpu, &uc)) {
		case UCALL_SYNC:
			vcpu_run_complete_io(j->vcpu);
			move(j);
			break;
		case UCALL_DONE:
			return;
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(uc);
		default:
			TEST_FAIL("the guest must not leave with exit %u",
				  j->vcpu->run->exit_reason);
		}
	}
}

/* Each round writes its number once by store, then once by hypercall. */
static bool all_is_there(struct journey *j)
{
	u64 rings = eventfd_take(j->bell);
	unsigned int i, wrong = 0;

	for (i = 0; i < NR_ROUNDS * STORES_A_ROUND; i++)
		wrong += j->writes[i] != 1 + i / STORES_A_ROUND;
	if (rings != NR_ROUNDS * BELLS_A_ROUND)
		ksft_print_msg("%u signals must come, %lu did\n", NR_ROUNDS * BELLS_A_ROUND,
			       rings);
	if (j->nr_writes != NR_ROUNDS * STORES_A_ROUND || wrong)
		ksft_print_msg("%u writes must come, %u did, %u of them out of order\n",
			       NR_ROUNDS * STORES_A_ROUND, j->nr_writes, wrong);
	return rings == NR_ROUNDS * BELLS_A_ROUND &&
	       j->nr_writes == NR_ROUNDS * STORES_A_ROUND && !wrong;
}

static bool run_migration(const struct migration *m)
{
	struct journey j = { .m = m, .bell = eventfd_create() };
	bool passed;

	j.vm = vm_create_with_one_vcpu(&j.vcpu, guest_code);
	virt_map(j.vm, MMIO_GPA, MMIO_GPA, 2);
	set_up_vm(&j);
	travel(&j);
	passed = all_is_there(&j);
	kvm_vm_free(j.vm);
	close(j.bell);
	return passed;
}

int main(void)
{
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	ksft_set_plan(ARRAY_SIZE(migrations));
	for (i = 0; i < ARRAY_SIZE(migrations); i++)
		ksft_test_result(run_migration(&migrations[i]), "%s\n", migrations[i].name);
	ksft_finished();
}
