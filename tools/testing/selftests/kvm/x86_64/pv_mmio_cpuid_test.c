// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest sees in CPUID works, also if the VMM passes on all that it got
 * from KVM_GET_SUPPORTED_CPUID.  With KVM_CAP_ENFORCE_PV_FEATURE_CPUID, KVM
 * refuses what the guest doesn't see.
 */
#include "pv_mmio_case.h"

#define VALUE	0x55667788ul
#define RINGS	32

static struct guest_view {
	bool sees_store, sees_hypercall;
	s64 result;
} guest_view;

/* Unless CPUID is enforced, an enabled hypercall works even if CPUID hides it. */
static const struct cpuid_case {
	const char *name;
	bool enabled;
	bool shown;		/* the VMM sets the hypercall's bit */
	bool enforced;
	s64 result;
} cases[] = {
	{ "new VM", .result = -KVM_ENOSYS },
	{ "new VM, enforced", .enforced = true, .result = -KVM_ENOSYS },
	{ "hypercall enabled, not shown", .enabled = true },
	{ "hypercall enabled, not shown, enforced", .enabled = true, .enforced = true,
	  .result = -KVM_ENOSYS },
	{ "hypercall enabled and shown", .enabled = true, .shown = true },
	{ "hypercall enabled and shown, enforced", .enabled = true, .shown = true,
	  .enforced = true },
};

static void guest_ring(void)
{
	int i;

	guest_view.sees_store = this_cpu_has(X86_FEATURE_KVM_PV_MMIO);
	guest_view.sees_hypercall = this_cpu_has(X86_FEATURE_KVM_HC_MMIO_WRITE);
	GUEST_SYNC(0);
	for (i = 0; i < RINGS; i++)
		guest_pv_store_4(MMIO_GPA, VALUE);
	GUEST_SYNC(1);
	for (i = 0; i < RINGS; i++)
		guest_view.result = kvm_hypercall(KVM_HC_MMIO_WRITE, MMIO_GPA, VALUE, 4, 0);
	GUEST_SYNC(2);
}

static void run_to(struct kvm_vcpu *vcpu, u64 stage)
{
	struct ucall uc;

	case_expect(vcpu_run_bounded(vcpu), 0, "the error of KVM_RUN");
	case_expect(get_ucall(vcpu, &uc), UCALL_SYNC, "the guest's ucall");
	case_expect(uc.args[1], stage, "the guest's stage");
}

/* The library has set the vCPU's CPUID to what KVM_GET_SUPPORTED_CPUID reports. */
static struct kvm_vm *create(const struct cpuid_case *c, struct kvm_vcpu **vcpu)
{
	struct kvm_vm *vm = vm_create_with_one_vcpu(vcpu, guest_ring);

	virt_pg_map(vm, MMIO_GPA, MMIO_GPA);
	if (c->enabled)
		vm_enable_cap(vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	if (c->shown)
		vcpu_set_cpuid_feature(*vcpu, X86_FEATURE_KVM_HC_MMIO_WRITE);
	if (c->enforced)
		vcpu_enable_cap(*vcpu, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1);
	return vm;
}

/* KVM decodes the first store, and decodes a few times for the ucall. */
static void check_store(struct kvm_vcpu *vcpu, int bell)
{
	int stats = vcpu_get_stats_fd(vcpu);
	off_t offset = find_vcpu_stat(stats, "insn_emulation");
	u64 decodes = read_vcpu_stat(stats, offset);

	run_to(vcpu, 1);
	decodes = read_vcpu_stat(stats, offset) - decodes;
	if (decodes >= RINGS / 2)
		case_fail("PV stores must not be decoded, %lu of %u were", decodes, RINGS);
	case_expect(eventfd_take(bell), RINGS, "signals of the PV store");
	close(stats);
}

static void run_cpuid_case(const struct cpuid_case *c)
{
	struct guest_view *view;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(c, &vcpu);
	u64 rings = c->result ? 0 : RINGS;
	int bell = eventfd_create();

	case_begin(c->name);
	ioeventfd_set(vm, bell, MMIO_GPA, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, VALUE);
	view = addr_gva2hva(vm, (u64)&guest_view);

	run_to(vcpu, 0);
	case_expect(view->sees_store, true, "the PV store's bit");
	case_expect(view->sees_hypercall, c->shown, "the hypercall's bit");
	check_store(vcpu, bell);
	run_to(vcpu, 2);
	case_expect(view->result, c->result, "the hypercall's result");
	case_expect(eventfd_take(bell), rings, "signals of the hypercall");

	ksft_test_result(case_passed(), "%s\n", c->name);
	close(bell);
	kvm_vm_free(vm);
}

int main(void)
{
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	ksft_set_plan(ARRAY_SIZE(cases));
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		run_cpuid_case(&cases[i]);
	ksft_finished();
}
