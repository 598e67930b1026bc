// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_HC_MMIO_WRITE from callers without long mode, beside hypercalls of Xen and
 * Hyper-V, and with VMMs that change the VM while they have the write.
 */
#include "apic.h"
#include "hyperv.h"
#include "pv_mmio_case.h"

#define VALUE		0x55667788ull
#define OTHER_RAX	0x12121212ull
#define LAPIC_TPR	(APIC_DEFAULT_GPA + APIC_TASKPRI)
#define RAM_TPR		(RAM_GPA + APIC_TASKPRI)
/* RCX has our value, and for Hyper-V the number of a hypercall. */
#define HV_UNKNOWN_CODE	0x7788
#define XEN_MSR		0x40000200
#define HV_GUEST_ID	HYPERV_LINUX_OS_ID

#define CALL(address, length, result)					\
	CODE("\x0f\x01\xc1"),						\
	.regs = { .rax = KVM_HC_MMIO_WRITE, .rbx = (address), .rcx = VALUE, \
		  .rdx = (length), .rdi = VALUE },			\
	.changes_rax = true, .rax_after = (result)
#define BELL(len, rings)	{ DATAMATCH, len, rings, MMIO_GPA, VALUE }

static const struct access_case call_cases[] = {
	{ .name = "protected mode", CALL(MMIO_GPA, 4, 0), .mode = CPL0_PROTECTED,
	  .bells = { BELL(4, 1) } },
	{ .name = "protected mode, no device", CALL(MMIO_GPA, 4, 0), .mode = CPL0_PROTECTED,
	  .exits = { { STORE_EXIT, 4, MMIO_GPA, VALUE } } },
	{ .name = "protected mode, 8 bytes", CALL(MMIO_GPA, 8, 0), .mode = CPL0_PROTECTED,
	  .bells = { BELL(8, 1) } },
	{ .name = "protected mode, length 3", CALL(MMIO_GPA, 3, -KVM_EINVAL),
	  .mode = CPL0_PROTECTED },
	{ .name = "PAE", CALL(MMIO_GPA, 4, 0), .mode = CPL0_PAE, .bells = { BELL(4, 1) } },
	{ .name = "PAE, no device", CALL(MMIO_GPA, 4, 0), .mode = CPL0_PAE,
	  .exits = { { STORE_EXIT, 4, MMIO_GPA, VALUE } } },
	{ .name = "64-bit code", CALL(MMIO_GPA, 4, 0), .bells = { BELL(4, 1) } },
};

static const struct access_case to_vmm = { .name = "no device", CALL(MMIO_GPA, 4, 0) };

static bool run_call(struct case_vm *cvm, const struct access_case *c)
{
	struct access_case call = *c;

	call.code = hypercall_insn();
	return run_case(cvm, &call);
}

static void create(struct case_vm *cvm)
{
	case_vm_create(cvm, NULL);
	vm_enable_cap(cvm->vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
}

static u64 place_call(struct case_vm *cvm)
{
	struct access_case call = to_vmm;

	call.code = hypercall_insn();
	return case_place_code(cvm, &call);
}

/* Runs up to the first exit. */
static void run_to_exit(struct case_vm *cvm, const struct access_case *c, u64 rip,
			u32 exit_reason)
{
	case_set_mode(cvm, CPL0_64BIT);
	case_set_regs(cvm, c, rip);
	case_expect(vcpu_run_bounded(cvm->vcpu), 0, "the error of KVM_RUN");
	case_expect(cvm->vcpu->run->exit_reason, exit_reason, "the exit");
}

/* KVM_CAP_EXIT_HYPERCALL must not take this hypercall, nor lose its own. */
static void test_exit_hypercall(void)
{
	const struct access_case map_gpa_range = {
		CODE("\x0f\x01\xc1"),
		.regs = { .rax = KVM_HC_MAP_GPA_RANGE, .rbx = RAM_GPA, .rcx = 1 },
	};
	const char *name = "KVM_CAP_EXIT_HYPERCALL";
	struct case_vm cvm;

	create(&cvm);
	vm_enable_cap(cvm.vm, KVM_CAP_EXIT_HYPERCALL, BIT(KVM_HC_MAP_GPA_RANGE));
	if (run_call(&cvm, &call_cases[ARRAY_SIZE(call_cases) - 1])) {
		case_begin(name);
		run_to_exit(&cvm, &map_gpa_range, place_call(&cvm), KVM_EXIT_HYPERCALL);
	}
	ksft_test_result(case_passed(), "%s\n", name);
	case_vm_free(&cvm);
}

static void test_xen(void)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
		.msr = XEN_MSR,
	};
	const char *name = "Xen's hypercalls come first";
	struct case_vm cvm;
	u64 rip;
	int i;

	if (!(kvm_check_cap(KVM_CAP_XEN_HVM) & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL)) {
		ksft_test_result_skip("%s: this kernel has no Xen support\n", name);
		return;
	}

	create(&cvm);
	case_begin(name);
	/* KVM's fast path knows the place before Xen's hypercalls are enabled. */
	rip = place_call(&cvm);
	for (i = 0; i < NR_RUNS; i++) {
		run_to_exit(&cvm, &to_vmm, rip, KVM_EXIT_MMIO);
		vcpu_run_complete_io(cvm.vcpu);
	}
	vm_ioctl(cvm.vm, KVM_XEN_HVM_CONFIG, &config);
	ioeventfd_set(cvm.vm, cvm.bell_fds[0], MMIO_GPA, 4, 0, 0);
	for (i = 0; i < NR_RUNS; i++) {
		run_to_exit(&cvm, &to_vmm, rip, KVM_EXIT_XEN);
		case_expect(cvm.vcpu->run->xen.u.hcall.input, KVM_HC_MMIO_WRITE, "xen.input");
		vcpu_run_complete_io(cvm.vcpu);
	}
	case_expect(eventfd_take(cvm.bell_fds[0]), 0, "signals");
	ksft_test_result(case_passed(), "%s\n", name);
	case_vm_free(&cvm);
}

/* The first calls come before Hyper-V is enabled, and make their place known. */
static void guest_hyperv(void)
{
	int i;

	for (i = 0; i < NR_RUNS; i++)
		GUEST_SYNC(kvm_hypercall(KVM_HC_MMIO_WRITE, MMIO_GPA, HV_UNKNOWN_CODE, 4, 0));
	wrmsr(HV_X64_MSR_GUEST_OS_ID, HV_GUEST_ID);
	for (i = 0; i < NR_RUNS; i++)
		GUEST_SYNC(kvm_hypercall(KVM_HC_MMIO_WRITE, MMIO_GPA, HV_UNKNOWN_CODE, 4, 0));
	GUEST_DONE();
}

static void expect_results(struct kvm_vcpu *vcpu, u64 result)
{
	struct ucall uc;
	int i;

	for (i = 0; i < NR_RUNS; i++) {
		case_expect(vcpu_run_bounded(vcpu), 0, "the error of KVM_RUN");
		case_expect(get_ucall(vcpu, &uc), UCALL_SYNC, "the guest's ucall");
		case_expect(uc.args[1], result, "RAX");
	}
}

static void test_hyperv(void)
{
	const char *name = "Hyper-V's hypercalls come first";
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd;

	if (!kvm_has_cap(KVM_CAP_HYPERV_CPUID)) {
		ksft_test_result_skip("%s: this kernel has no Hyper-V support\n", name);
		return;
	}

	case_begin(name);
	vm = vm_create_with_one_vcpu(&vcpu, guest_hyperv);
	vcpu_set_hv_cpuid(vcpu);
	vm_enable_cap(vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	fd = eventfd_create();
	ioeventfd_set(vm, fd, MMIO_GPA, 4, 0, 0);
	expect_results(vcpu, 0);
	case_expect(eventfd_take(fd), NR_RUNS, "signals before Hyper-V's calls");
	expect_results(vcpu, HV_STATUS_INVALID_HYPERCALL_CODE);
	case_expect(eventfd_take(fd), 0, "signals");
	ksft_test_result(case_passed(), "%s\n", name);
	kvm_vm_free(vm);
	close(fd);
}

static void test_lapic(void)
{
	const struct access_case c = {
		.name = "local APIC comes first",
		CALL(LAPIC_TPR, 4, 0),
		.bells = { { ANY_VALUE, 4, 0, LAPIC_TPR } },
	};
	struct kvm_lapic_state lapic;
	struct case_vm cvm;

	create(&cvm);
	run_call(&cvm, &c);
	vcpu_ioctl(cvm.vcpu, KVM_GET_LAPIC, &lapic);
	/* SVM keeps only the upper half of the TPR. */
	case_expect(lapic.regs[APIC_TASKPRI] & 0xf0, VALUE & 0xf0, "TPR");
	ksft_test_result(case_passed(), "%s\n", c.name);
	case_vm_free(&cvm);
}

static u32 lapic_tpr(struct case_vm *cvm)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(cvm->vcpu, KVM_GET_LAPIC, &lapic);
	return lapic.regs[APIC_TASKPRI] & 0xff;
}

/* The guest moves its local APIC to an address with RAM, which CPUs allow. */
static void move_lapic(struct case_vm *cvm, u64 gpa)
{
	const struct access_case wrmsr = {
		.name = "the guest moves its local APIC",
		CODE("\x0f\x30"),
		.regs = { .rcx = MSR_IA32_APICBASE,
			  .rax = gpa | MSR_IA32_APICBASE_ENABLE | MSR_IA32_APICBASE_BSP },
	};

	run_case(cvm, &wrmsr);
	/* Later cases start with these registers. */
	vcpu_sregs_get(cvm->vcpu, &cvm->sregs);
	case_expect(cvm->sregs.apic_base, wrmsr.regs.rax, "the base of the local APIC");
}

/* A store by the guest goes to RAM there, so the call is refused as one to RAM. */
static void test_lapic_over_ram(void)
{
	const struct access_case store = {
		.name = "store to RAM under the local APIC",
		CODE("\x89\x02"),	/* mov %eax,(%rdx) */
		.regs = { .rax = VALUE, .rdx = RAM_TPR },
	};
	const struct access_case call = {
		.name = "RAM under the local APIC",
		CALL(RAM_TPR, 4, -KVM_EFAULT),
	};
	struct case_vm cvm;
	bool ok;
	u32 *ram;

	create(&cvm);
	ram = addr_gpa2hva(cvm.vm, RAM_TPR);
	move_lapic(&cvm, RAM_GPA);
	ok = case_passed() && run_case(&cvm, &store);
	case_expect(*ram, VALUE, "RAM after a store");
	case_expect(lapic_tpr(&cvm), 0, "TPR after a store");
	ok &= case_passed();

	*ram = 0;
	run_call(&cvm, &call);
	case_expect(*ram, 0, "RAM after a call");
	case_expect(lapic_tpr(&cvm), 0, "TPR after a call");
	ksft_test_result(ok && case_passed(), "%s\n", call.name);
	case_vm_free(&cvm);
}

static void test_abandoned(void)
{
	const char *name = "VMM gives the VM up";
	struct case_vm cvm;

	create(&cvm);
	case_begin(name);
	run_to_exit(&cvm, &to_vmm, place_call(&cvm), KVM_EXIT_MMIO);
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "%s\n", name);
}

/* The VMM does the write and sets other registers: KVM must not complete the call. */
static void test_sent_elsewhere(void)
{
	const struct access_case nothing = {
		CODE("\x90"),
		.regs = { .rax = OTHER_RAX },
	};
	const char *name = "VMM sets other registers";
	struct kvm_regs regs;
	struct case_vm cvm;
	u64 rip;

	create(&cvm);
	rip = case_place_code(&cvm, &nothing);
	case_begin(name);
	run_to_exit(&cvm, &to_vmm, place_call(&cvm), KVM_EXIT_MMIO);
	case_set_regs(&cvm, &nothing, rip);
	case_expect(vcpu_run_bounded(cvm.vcpu), 0, "the error of KVM_RUN");
	case_expect(cvm.vcpu->run->exit_reason, KVM_EXIT_IO, "the exit");
	vcpu_run_complete_io(cvm.vcpu);
	vcpu_regs_get(cvm.vcpu, &regs);
	case_expect(regs.rip, rip + nothing.code_len + DONE_INSN_LEN, "RIP");
	case_expect(regs.rax, OTHER_RAX, "RAX");
	ksft_test_result(case_passed(), "%s\n", name);
	case_vm_free(&cvm);
}

/* The hypercall is turned off while the VMM has the write: it still returns. */
static void test_turned_off(void)
{
	const char *name = "turned off before the VMM comes back";
	struct case_vm cvm;
	struct kvm_regs regs;
	u64 rip;

	create(&cvm);
	case_begin(name);
	rip = place_call(&cvm);
	run_to_exit(&cvm, &to_vmm, rip, KVM_EXIT_MMIO);
	vm_enable_cap(cvm.vm, KVM_CAP_X86_HC_MMIO_WRITE, 0);
	vcpu_run_complete_io(cvm.vcpu);
	vcpu_regs_get(cvm.vcpu, &regs);
	case_expect(regs.rip, rip + HYPERCALL_INSN_LEN, "RIP");
	case_expect(regs.rax, 0, "RAX");
	ksft_test_result(case_passed(), "%s\n", name);
	case_vm_free(&cvm);
}

static void (*const vmm_tests[])(void) = {
	test_exit_hypercall, test_xen, test_hyperv, test_lapic, test_lapic_over_ram,
	test_abandoned, test_sent_elsewhere, test_turned_off,
};

int main(void)
{
	struct case_vm cvm;
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	ksft_set_plan(ARRAY_SIZE(call_cases) + ARRAY_SIZE(vmm_tests));

	create(&cvm);
	for (i = 0; i < ARRAY_SIZE(call_cases); i++)
		ksft_test_result(run_call(&cvm, &call_cases[i]), "%s\n", call_cases[i].name);
	case_vm_free(&cvm);
	for (i = 0; i < ARRAY_SIZE(vmm_tests); i++)
		vmm_tests[i]();
	ksft_finished();
}
