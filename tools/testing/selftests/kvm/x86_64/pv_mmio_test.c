// SPDX-License-Identifier: GPL-2.0-only
/*
 * Plain stores to devices: KVM decodes the first at each place in the guest's code
 * and serves all others without decoding.  Guest and VMM must not notice.  What
 * only looks like a plain store is decoded each time.
 */
#include "pv_mmio/cases.h"

struct suite {
	struct case_vm cvm;
	bool feature_on;
	const char *suffix;
};

/* With the feature off, all is decoded; but upstream has a shortcut for length 0. */
static void expect_decode(struct access_case *c)
{
	if (c->decode == DECODE_NEVER)
		c->decode = c->bells[0].kind == ANY_VALUE && !c->bells[0].len ?
			    DECODE_EITHER : DECODE_ALWAYS;
	c->is_served = false;
}

static void run_and_report(struct suite *s, struct access_case *c, u32 width)
{
	char name[128];

	if (!s->feature_on)
		expect_decode(c);
	snprintf(name, sizeof(name), width ? "%u-byte " : "", width);
	snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s%s", c->name, s->suffix);
	/* KVM may have given up on places after failures, and must learn this one. */
	case_vm_forget(&s->cvm);
	ksft_test_result(run_case(&s->cvm, c), "%s\n", name);
}

static void fill_register(__u64 *reg, u64 value)
{
	if (!*reg)
		*reg = value;
}

/* Sets the registers that the case leaves open. */
static void fill_registers(struct access_case *c)
{
	__u64 *extended = &c->regs.r8;
	int i;

	fill_register(&c->regs.rax, VALUE);
	fill_register(&c->regs.rbx, OTHER);
	fill_register(&c->regs.rcx, OTHER + 3);
	fill_register(&c->regs.rdx, MMIO_GPA);
	fill_register(&c->regs.rsi, MMIO_GPA);
	fill_register(&c->regs.rdi, OTHER + 7);
	for (i = 8; i < 16; i++)
		fill_register(&extended[i - 8], VALUE + i);
}

static void run_given(struct suite *s, const struct pv_case *pv)
{
	struct access_case c = pv->access;

	fill_registers(&c);
	if (pv->needs_tdp && !kvm_is_tdp_enabled())
		expect_decode(&c);
	if (pv->in_shadow && !kvm_is_tdp_enabled())
		c.decode = DECODE_EITHER;
	run_and_report(s, &c, 0);
}

static const struct {
	u32 width;
	const char *store, *load;
	size_t len;
	u64 loaded;
} widths[] = {
	{ 1, STORE1, LOAD1, sizeof(STORE1) - 1, (VALUE & ~0xffull) | 0xa5 },
	{ 2, STORE2, LOAD2, sizeof(STORE2) - 1, (VALUE & ~0xffffull) | 0xa5a5 },
	{ 4, STORE4, LOAD4, sizeof(STORE4) - 1, 0xa5a5a5a5 },
	{ 8, STORE8, LOAD8, sizeof(STORE8) - 1, 0xa5a5a5a5a5a5a5a5 },
};

static void run_each_width(struct suite *s, const struct pv_case *pv)
{
	struct access_case c;
	int i;

	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		c = pv->access;
		c.code = pv->code == EACH_LOAD ? widths[i].load : widths[i].store;
		c.code_len = widths[i].len;
		c.changes_rax = pv->code == EACH_LOAD;
		c.rax_after = widths[i].loaded;
		case_set_width(&c, widths[i].width);
		fill_registers(&c);
		run_and_report(s, &c, widths[i].width);
	}
}

static void run_suite(struct suite *s, bool feature_on, const char *suffix)
{
	int i;

	s->feature_on = feature_on;
	s->suffix = suffix;
	for (i = 0; i < ARRAY_SIZE(pv_cases); i++) {
		if (pv_cases[i].code == AS_GIVEN)
			run_given(s, &pv_cases[i]);
		else
			run_each_width(s, &pv_cases[i]);
	}
}

static unsigned int suite_size(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(pv_cases); i++) {
		if (pv_cases[i].code == AS_GIVEN)
			n++;
		else
			n += ARRAY_SIZE(widths);
	}
	return n;
}

static void test_control(struct case_vm *cvm)
{
	ksft_test_result(capability_refuses_bad_arguments(cvm->vm, KVM_CAP_X86_PV_MMIO),
			 "bad arguments of KVM_ENABLE_CAP\n");
	ksft_test_result(capability_is_offered(cvm->vm, KVM_CAP_X86_PV_MMIO,
					       X86_FEATURE_KVM_PV_MMIO, true),
			 "KVM_CHECK_EXTENSION and KVM_GET_SUPPORTED_CPUID\n");
}

static void test_kernel_device(struct case_vm *cvm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct access_case c = {
		.name = "store, device in the kernel", CODE(STORE4),
		.regs.rdx = IOAPIC_GPA,
	};

	fill_registers(&c);
	/* The first runs make KVM notice that this page is MMIO. */
	run_case(cvm, &c);
	c.decode = DECODE_NEVER;
	c.is_served = true;
	/* The first register of an I/O APIC keeps the low byte. */
	run_case(cvm, &c);
	vm_ioctl(cvm->vm, KVM_GET_IRQCHIP, &chip);
	case_expect(chip.chip.ioapic.ioregsel, LOW(1), "IOREGSEL");
	ksft_test_result(case_passed(), "%s\n", c.name);
}

/*
 * An exit of the previous step can leave a debug exception pending, which
 * then comes before the store: stock KVM on an emulated Intel CPU shows it.
 */
static u64 step_once(struct case_vm *cvm, u64 rip)
{
	struct kvm_run *run = cvm->vcpu->run;
	int i;

	for (i = 0; i < 2; i++) {
		case_expect(vcpu_run_bounded(cvm->vcpu), 0, "the error of KVM_RUN");
		case_expect(run->exit_reason, KVM_EXIT_DEBUG, "the exit");
		if (run->debug.arch.pc != rip)
			break;
		case_expect(eventfd_take(cvm->bell_fds[0]), 0, "signals before the step");
	}
	return run->debug.arch.pc;
}

static void test_single_step(void)
{
	struct kvm_guest_debug step = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct kvm_guest_debug none = {};
	struct access_case c = { CODE(STORE2) };
	struct case_vm cvm;
	u64 rip, decodes;
	int i;

	/* This gets its own VM, because stepping can leave a pending exception. */
	case_vm_create(&cvm, NULL);
	rip = case_place_code(&cvm, &c);
	fill_registers(&c);
	case_begin("store, single-stepped by the VMM");
	ioeventfd_set(cvm.vm, cvm.bell_fds[0], MMIO_GPA, 2, 0, 0);
	for (i = 0; i < NR_RUNS; i++) {
		case_set_regs(&cvm, &c, rip);
		vcpu_guest_debug_set(cvm.vcpu, &step);
		decodes = count_decodes(&cvm);
		case_expect(step_once(&cvm, rip), rip + c.code_len, "RIP");
		case_expect(eventfd_take(cvm.bell_fds[0]), 1, "the number of signals");
		case_expect(count_decodes(&cvm) - decodes, 1, "insn_emulation");
		vcpu_guest_debug_set(cvm.vcpu, &none);
	}
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "store, single-stepped by the VMM\n");
}

/* Off and on again at the same place: KVM still knows it. */
static void test_switch(struct case_vm *cvm)
{
	struct access_case c = {
		.name = "store, switched off and on", CODE(STORE4),
		.code_gpa = CODE_GPA, .decode = DECODE_NEVER, .is_served = true,
		.bells = { WILDCARD(4, 1) },
	}, off = c;
	bool passed;

	fill_registers(&c);
	fill_registers(&off);
	off.decode = DECODE_ALWAYS;
	off.is_served = false;

	passed = run_case(cvm, &c);
	vm_enable_cap(cvm->vm, KVM_CAP_X86_PV_MMIO, 0);
	passed &= run_case(cvm, &off);
	vm_enable_cap(cvm->vm, KVM_CAP_X86_PV_MMIO, 1);
	passed &= run_case(cvm, &c);
	ksft_test_result(passed, "%s\n", c.name);
}

static void guest_drivers_sequence(void)
{
	int i;

	for (i = 0; i < NR_RUNS; i++) {
		guest_pv_store_1(MMIO_GPA, VALUE);
		guest_pv_store_2(MMIO_GPA, VALUE);
		guest_pv_store_4(MMIO_GPA, VALUE);
		guest_pv_store_8(MMIO_GPA, VALUE);
	}
	GUEST_DONE();
}

static void test_drivers_sequence(void)
{
	int fds[ARRAY_SIZE(widths)];
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int i;

	vm = vm_create_with_one_vcpu(&vcpu, guest_drivers_sequence);
	virt_pg_map(vm, MMIO_GPA, MMIO_GPA);
	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		fds[i] = eventfd_create();
		ioeventfd_set(vm, fds[i], MMIO_GPA, widths[i].width, KVM_IOEVENTFD_FLAG_DATAMATCH,
			      LOW(widths[i].width));
	}

	case_begin("a driver's sequence");
	case_expect(vcpu_run_bounded(vcpu), 0, "the error of KVM_RUN");
	case_expect(get_ucall(vcpu, NULL), UCALL_DONE, "the guest's ucall");
	for (i = 0; i < ARRAY_SIZE(widths); i++) {
		case_expect(eventfd_take(fds[i]), NR_RUNS, "the number of signals");
		close(fds[i]);
	}
	ksft_test_result(case_passed(), "a driver's sequence\n");
	kvm_vm_free(vm);
}

#define NR_CONFIGS	4
#define NR_OTHER_TESTS	6

int main(void)
{
	const struct kvm_x86_cpu_feature feature = X86_FEATURE_KVM_PV_MMIO;
	struct suite s;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	ksft_set_plan(NR_OTHER_TESTS + NR_CONFIGS * suite_size());

	case_vm_create(&s.cvm, NULL);
	test_control(&s.cvm);
	run_suite(&s, true, "");
	test_kernel_device(&s.cvm);
	test_switch(&s.cvm);
	test_single_step();
	test_drivers_sequence();

	vm_enable_cap(s.cvm.vm, KVM_CAP_X86_PV_MMIO, 0);
	run_suite(&s, false, ", turned off");
	vm_enable_cap(s.cvm.vm, KVM_CAP_X86_PV_MMIO, 1);
	/* The places known so far would take up room for the new ones. */
	case_vm_forget(&s.cvm);
	run_suite(&s, true, ", turned on again");
	case_vm_free(&s.cvm);

	/* KVM must serve stores even if CPUID hides the feature from the guest. */
	case_vm_create(&s.cvm, &feature);
	run_suite(&s, true, ", hidden by CPUID");
	case_vm_free(&s.cvm);
	ksft_finished();
}
