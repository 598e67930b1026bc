// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_HC_MMIO_WRITE does the write that a store would have done, or refuses
 * and does nothing.
 */
#include "pv_mmio_case.h"

#define VALUE		0x1122334455667788ull
#define LOW(width)	(VALUE & WIDTH_MASK(width))
#define GARBAGE		0xdeadbeef00000000ull

/* The call's four arguments, and RAX after it. */
#define CALL(gpa, value, length, reserved, result)			\
	.regs = { .rax = KVM_HC_MMIO_WRITE, .rbx = (gpa), .rcx = (value), \
		  .rdx = (length), .rsi = (reserved), .rdi = VALUE },	\
	.changes_rax = true, .rax_after = (result)

#define WILDCARD(len, rings)		{ ANY_VALUE, len, rings, MMIO_GPA }
#define MATCH(len, rings, value)	{ DATAMATCH, len, rings, MMIO_GPA, value }
#define STORE(len, gpa, data)		{ STORE_EXIT, len, gpa, data }

/* The ioeventfds that a call would signal if it weren't refused. */
#define SILENT	.bells = { WILDCARD(2, 0), WILDCARD(4, 0), WILDCARD(8, 0) }

#define BAD_LENGTH(length)						\
	{ .name = "length " #length,					\
	  CALL(MMIO_GPA, VALUE, length, 0, -KVM_EINVAL), SILENT }

#define BAD_GPA(gpa)							\
	{ .name = "address " #gpa, CALL(gpa, VALUE, 4, 0, -KVM_EINVAL), SILENT }

/* Which code of any CPL may call, at its own. */
static void cs_conforms(struct kvm_sregs *sregs)
{
	sregs->cs.type |= 4;
	sregs->cs.dpl = 0;
}

static const struct access_case refused_cases[] = {
	BAD_LENGTH(0),
	BAD_LENGTH(3),
	BAD_LENGTH(5),
	BAD_LENGTH(16),
	BAD_LENGTH(1ull << 32),
	BAD_LENGTH(1ull << 32 | 4),
	BAD_LENGTH(~0ull),
	{ .name = "RSI is 1", CALL(MMIO_GPA, VALUE, 4, 1, -KVM_EINVAL), SILENT },
	{ .name = "RSI is 1 << 32", CALL(MMIO_GPA, VALUE, 4, 1ull << 32, -KVM_EINVAL), SILENT },
	{ .name = "last byte of a page, length 2",
	  CALL(MMIO_GPA + 0xfff, VALUE, 2, 0, -KVM_EINVAL),
	  .bells = { { ANY_VALUE, 2, 0, MMIO_GPA + 0xfff } } },
	{ .name = "last 3 bytes of a page, length 4",
	  CALL(MMIO_GPA + 0xffd, VALUE, 4, 0, -KVM_EINVAL),
	  .bells = { { ANY_VALUE, 4, 0, MMIO_GPA + 0xffd } } },
	{ .name = "last 7 bytes of a page, length 8",
	  CALL(MMIO_GPA + 0xff9, VALUE, 8, 0, -KVM_EINVAL),
	  .bells = { { ANY_VALUE, 8, 0, MMIO_GPA + 0xff9 } } },
	BAD_GPA(1ull << 52 | MMIO_GPA),
	BAD_GPA(1ull << 63 | MMIO_GPA),
	BAD_GPA(~0ull),
	{ .name = "RAM", CALL(RAM_GPA, VALUE, 4, 0, -KVM_EFAULT) },
	{ .name = "RAM, length 3", CALL(RAM_GPA, VALUE, 3, 0, -KVM_EINVAL) },
	{ .name = "user mode", CALL(MMIO_GPA, VALUE, 4, 0, -KVM_EPERM), SILENT,
	  .mode = CPL3_64BIT },
	{ .name = "user mode, length 3", CALL(MMIO_GPA, VALUE, 3, 0, -KVM_EPERM), SILENT,
	  .mode = CPL3_64BIT },
	{ .name = "user mode, in a conforming code segment",
	  CALL(MMIO_GPA, VALUE, 4, 0, -KVM_EPERM), SILENT,
	  .mode = CPL3_64BIT, .adjust = cs_conforms },
	{ .name = "32-bit code, length 3", CALL(MMIO_GPA, VALUE, 3, 0, -KVM_EINVAL), SILENT,
	  .mode = CPL0_32BIT },
};

/* Each of these is done with length 1, 2, 4 and 8. */
static const struct access_case each_width_cases[] = {
	{ .name = "no device", CALL(MMIO_GPA, VALUE, 0, 0, 0),
	  .exits = { STORE(OWN_WIDTH, MMIO_GPA, VALUE) } },
	{ .name = "DATAMATCH misses", CALL(MMIO_GPA, VALUE, 0, 0, 0),
	  .bells = { MATCH(OWN_WIDTH, 0, VALUE ^ 1) },
	  .exits = { STORE(OWN_WIDTH, MMIO_GPA, VALUE) } },
	{ .name = "DATAMATCH hits", CALL(MMIO_GPA, VALUE, 0, 0, 0),
	  .bells = { MATCH(OWN_WIDTH, 0, VALUE ^ 1), MATCH(OWN_WIDTH, 1, VALUE) } },
	{ .name = "wildcard", CALL(MMIO_GPA, VALUE, 0, 0, 0),
	  .bells = { WILDCARD(OWN_WIDTH, 1) } },
	{ .name = "ioeventfd of length 0", CALL(MMIO_GPA, VALUE, 0, 0, 0),
	  .bells = { WILDCARD(0, 1) } },
};

static const struct access_case done_cases[] = {
	{ .name = "ioeventfd is longer", CALL(MMIO_GPA, VALUE, 2, 0, 0),
	  .bells = { WILDCARD(4, 0) }, .exits = { STORE(2, MMIO_GPA, LOW(2)) } },
	{ .name = "ioeventfd is shorter", CALL(MMIO_GPA, VALUE, 4, 0, 0),
	  .bells = { WILDCARD(2, 0) }, .exits = { STORE(4, MMIO_GPA, LOW(4)) } },
	{ .name = "ioeventfds of three lengths", CALL(MMIO_GPA, VALUE, 4, 0, 0),
	  .bells = { WILDCARD(2, 0), WILDCARD(4, 1), WILDCARD(8, 0) } },
	{ .name = "last bytes of a page", CALL(MMIO_GPA + 0xffc, VALUE, 4, 0, 0),
	  .exits = { STORE(4, MMIO_GPA + 0xffc, LOW(4)) } },
	{ .name = "odd address", CALL(MMIO_GPA + 1, VALUE, 8, 0, 0),
	  .exits = { STORE(8, MMIO_GPA + 1, VALUE) } },
	{ .name = "read-only memslot", CALL(ROM_GPA, VALUE, 4, 0, 0),
	  .exits = { STORE(4, ROM_GPA, LOW(4)) } },
	{ .name = "32-bit code, garbage in the upper halves",
	  CALL(GARBAGE | MMIO_GPA, VALUE, GARBAGE | 4, GARBAGE, 0),
	  .mode = CPL0_32BIT, .bells = { MATCH(4, 1, LOW(4)) } },
	{ .name = "32-bit code, 8 bytes", CALL(MMIO_GPA, VALUE, 8, 0, 0),
	  .mode = CPL0_32BIT, .bells = { MATCH(8, 1, LOW(4)) } },
};

static const struct access_case off_case = {
	.name = "not enabled",
	CALL(MMIO_GPA, VALUE, 4, 0, -KVM_ENOSYS),
	SILENT,
};

static bool run_call(struct case_vm *cvm, const struct access_case *c)
{
	struct access_case call = *c;

	call.code = hypercall_insn();
	call.code_len = HYPERCALL_INSN_LEN;
	return run_case(cvm, &call);
}

static void run_calls(struct case_vm *cvm, const struct access_case *cases, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		ksft_test_result(run_call(cvm, &cases[i]), "%s\n", cases[i].name);
}

static void run_each_width(struct case_vm *cvm)
{
	struct access_case c;
	u32 i, width;

	for (i = 0; i < ARRAY_SIZE(each_width_cases); i++) {
		for (width = 1; width <= 8; width *= 2) {
			c = each_width_cases[i];
			c.regs.rdx = width;
			case_set_width(&c, width);
			ksft_test_result(run_call(cvm, &c), "%u bytes, %s\n", width, c.name);
		}
	}
}

static void test_control(struct case_vm *cvm)
{
	ksft_test_result(capability_refuses_bad_arguments(cvm->vm, KVM_CAP_X86_HC_MMIO_WRITE),
			 "bad arguments of KVM_ENABLE_CAP\n");
	ksft_test_result(capability_is_offered(cvm->vm, KVM_CAP_X86_HC_MMIO_WRITE,
					       X86_FEATURE_KVM_HC_MMIO_WRITE, false),
			 "KVM_CHECK_EXTENSION and KVM_GET_SUPPORTED_CPUID\n");
}

static void test_address_width(struct case_vm *cvm)
{
	const struct access_case c = {
		.name = "first address that the guest can't have",
		CALL(1ull << cvm->vm->pa_bits, VALUE, 4, 0, -KVM_EINVAL),
	};

	ksft_test_result(run_call(cvm, &c), "%s\n", c.name);
}

static void test_kernel_device(struct case_vm *cvm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	const struct access_case c = {
		.name = "device in the kernel",
		CALL(IOAPIC_GPA, VALUE, 4, 0, 0),
	};

	/* The first register of an I/O APIC keeps the low byte. */
	run_call(cvm, &c);
	vm_ioctl(cvm->vm, KVM_GET_IRQCHIP, &chip);
	case_expect(chip.chip.ioapic.ioregsel, LOW(1), "IOREGSEL");
	ksft_test_result(case_passed(), "%s\n", c.name);
}

static void test_hidden(void)
{
	const struct kvm_x86_cpu_feature feature = X86_FEATURE_KVM_HC_MMIO_WRITE;
	struct case_vm cvm;

	case_vm_create(&cvm, &feature);
	vm_enable_cap(cvm.vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	ksft_test_result(run_call(&cvm, &off_case), "enabled, hidden by CPUID\n");
	case_vm_free(&cvm);
}

#define NR_OTHER_TESTS	8

int main(void)
{
	struct case_vm cvm;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	ksft_set_plan(NR_OTHER_TESTS + ARRAY_SIZE(refused_cases) + ARRAY_SIZE(done_cases) +
		      4 * ARRAY_SIZE(each_width_cases));

	case_vm_create(&cvm, NULL);
	ksft_test_result(run_call(&cvm, &off_case), "off by default\n");
	test_control(&cvm);
	ksft_test_result(run_call(&cvm, &off_case), "off after a refused KVM_ENABLE_CAP\n");

	vm_enable_cap(cvm.vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	run_calls(&cvm, refused_cases, ARRAY_SIZE(refused_cases));
	test_address_width(&cvm);
	run_each_width(&cvm);
	run_calls(&cvm, done_cases, ARRAY_SIZE(done_cases));
	test_kernel_device(&cvm);

	vm_enable_cap(cvm.vm, KVM_CAP_X86_HC_MMIO_WRITE, 0);
	ksft_test_result(run_call(&cvm, &off_case), "turned off\n");
	case_vm_free(&cvm);

	test_hidden();
	ksft_finished();
}
