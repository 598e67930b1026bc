// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stores of 32-bit code: KVM serves them as it does those of 64-bit code, if all
 * segments are the whole address space.  If one isn't, the emulator does each.
 */
#include "pv_mmio_case.h"

#define VALUE		0x55667788ul
#define LOW(width)	(VALUE & WIDTH_MASK(width))
#define GARBAGE		0x9abcdef000000000ul
#define BASE		0x1000
/* Of kvm_segment.type: data that may be written, and grows down. */
#define TYPE_DOWN	7

#define STORE4		"\x89\x02"	/* mov %eax,(%edx) */
#define STORE4_SS	"\x89\x45\x00"	/* mov %eax,(%ebp) */

#define RINGS_FROM(address, bytes, len, data, ...)				\
	{ CODE(bytes), .decode = DECODE_NEVER, .is_served = true,		\
	  .bells = { { DATAMATCH, len, 1, MMIO_GPA, data } },			\
	  .regs = { .rax = VALUE, .rdx = address, .rbp = MMIO_GPA,		\
		    __VA_ARGS__ } }
#define RINGS(bytes, len, data, ...)						\
	RINGS_FROM(MMIO_GPA, bytes, len, data, __VA_ARGS__)

/* Each encoding, in each mode. */
static const struct encoding {
	const char *name;
	struct access_case access;
	bool is_decoded;
	/* The upper halves of registers, which only long mode keeps. */
	bool has_garbage;
} encodings[] = {
	{ "1 byte", RINGS("\x88\x02", 1, LOW(1)) },
	{ "2 bytes", RINGS("\x66\x89\x02", 2, LOW(2)) },
	{ "4 bytes", RINGS(STORE4, 4, LOW(4)) },
	{ "ESI", RINGS("\x89\x32", 4, 0x1234, .rsi = 0x1234) },
	{ "CL", RINGS("\x88\x0a", 1, 0x34, .rcx = 0x1234) },
	{ "through EBP, and so SS", RINGS(STORE4_SS, 4, LOW(4)) },
	{ "displaced, beyond 4 GB and back",
	  RINGS_FROM(MMIO_GPA + 0x10000000, "\x89\x82\x00\x00\x00\xf0", 4, LOW(4)) },
	{ "base and index that add up to more than 4 GB",
	  RINGS_FROM(0xe0000000, "\x89\x04\x1a", 4, LOW(4), .rbx = 0xf0000000) },
	{ "a scaled index that is more than 4 GB",
	  RINGS_FROM(0, "\x89\x04\xda", 4, LOW(4), .rbx = 0xda000000) },
	{ "with an index, and no base",
	  RINGS("\x89\x04\xdd\x00\x00\x00\xd0", 4, LOW(4), .rbx = 0x20000000) },
	{ "absolute", RINGS("\x89\x05\x00\x00\x00\xd0", 4, LOW(4)) },
	{ "absolute, by SIB", RINGS("\x89\x04\x25\x00\x00\x00\xd0", 4, LOW(4)) },
	{ "absolute, by an opcode of its own", RINGS("\xa3\x00\x00\x00\xd0", 4, LOW(4)) },
	{ "absolute, by an opcode of its own, 1 byte", RINGS("\xa2\x00\x00\x00\xd0", 1, LOW(1)) },
	{ "of an immediate", RINGS("\xc7\x02\x78\x56\x34\x92", 4, 0x92345678) },
	{ "of an immediate, 2 bytes, absolute",
	  RINGS("\x66\xc7\x05\x00\x00\x00\xd0\x34\x92", 2, 0x9234) },
	{ "with garbage in the registers' upper halves",
	  RINGS_FROM(MMIO_GPA | GARBAGE, STORE4, 4, LOW(4)), .has_garbage = true },
	{ "AH", RINGS("\x88\x22", 1, 0x77), .is_decoded = true },
	{ "through ESP", RINGS("\x89\x04\x24", 4, LOW(4), .rsp = MMIO_GPA), .is_decoded = true },
	{ "with a prefix for SS", RINGS("\x36\x89\x02", 4, LOW(4)), .is_decoded = true },
};

static const struct {
	enum cpu_mode mode;
	const char *name;
} modes[] = {
	{ CPL0_32BIT, "compatibility mode" },
	{ CPL3_32BIT, "compatibility mode, CPL 3" },
	{ CPL0_PROTECTED, "no paging" },
	{ CPL0_PAE, "PAE" },
	{ CPL0_NOT_PAE, "32-bit tables" },
	{ CPL3_NOT_PAE, "32-bit tables, CPL 3" },
};

static void cs_has_base(struct kvm_sregs *sregs)
{
	sregs->cs.base = BASE;
}

static void ds_has_base(struct kvm_sregs *sregs)
{
	sregs->ds.base = BASE;
}

static void ss_has_base(struct kvm_sregs *sregs)
{
	sregs->ss.base = BASE;
}

static void ds_has_limit(struct kvm_sregs *sregs)
{
	sregs->ds.limit = 0xefffffff;
}

static void ss_has_limit(struct kvm_sregs *sregs)
{
	sregs->ss.limit = 0xefffffff;
}

static void ds_grows_down(struct kvm_sregs *sregs)
{
	sregs->ds.type = TYPE_DOWN;
	sregs->ds.limit = BASE - 1;
	sregs->ds.db = 1;
}

static void ds_is_unusable(struct kvm_sregs *sregs)
{
	sregs->ds.unusable = 1;
}

static void ss_is_unusable(struct kvm_sregs *sregs)
{
	sregs->ss.unusable = 1;
}

/* Between the switch to real mode and the jump that loads CS, code has 32 bits. */
static void is_real_mode(struct kvm_sregs *sregs)
{
	sregs->cr0 &= ~X86_CR0_PE;
}

#define DECODED(from, bytes, change)						\
	{ CODE(bytes), .decode = DECODE_ALWAYS, .adjust = change,		\
	  .regs = { .rax = VALUE, .rdx = from },				\
	  .bells = { { DATAMATCH, 4, 1, MMIO_GPA, VALUE } } }

/* The same code, where the registers alone don't say what it does. */
static const struct {
	const char *name;
	struct access_case access;
} others[] = {
	{ "DS has a base", DECODED(MMIO_GPA - BASE, STORE4, ds_has_base) },
	{ "SS has a base", DECODED(MMIO_GPA - BASE, STORE4_SS, ss_has_base) },
	{ "DS has a limit", DECODED(MMIO_GPA, STORE4, ds_has_limit) },
	{ "SS has a limit", DECODED(MMIO_GPA, STORE4_SS, ss_has_limit) },
	{ "DS grows down", DECODED(MMIO_GPA, STORE4, ds_grows_down) },
	{ "DS is unusable", DECODED(MMIO_GPA, STORE4_SS, ds_is_unusable) },
	{ "SS is unusable", DECODED(MMIO_GPA, STORE4, ss_is_unusable) },
};

/* CPU and emulator run this as 32-bit code, too. */
static const struct access_case real_mode = {
	.name = "real mode before CS is loaded", CODE(STORE4), .code_gpa = CODE_GPA,
	.mode = CPL0_PROTECTED, .adjust = is_real_mode, .decode = DECODE_NEVER,
	.is_served = true, .regs = { .rax = VALUE, .rdx = MMIO_GPA },
	.bells = { { DATAMATCH, 4, 1, MMIO_GPA, VALUE } },
};

static struct case_vm cvm;

static void run_encoding(const struct encoding *e, enum cpu_mode mode, const char *mode_name)
{
	struct access_case c = e->access;

	c.name = e->name;
	c.mode = mode;
	if (e->is_decoded) {
		c.decode = DECODE_ALWAYS;
		c.is_served = false;
	}
	if (e->has_garbage && mode >= CPL0_PROTECTED) {
		ksft_test_result_skip("%s, %s: there are no upper halves\n", e->name, mode_name);
		return;
	}
	/* KVM may have given up on places after some that it can't serve. */
	case_vm_forget(&cvm);
	ksft_test_result(run_case(&cvm, &c), "%s, %s\n", e->name, mode_name);
}

static void run_other(int i, enum cpu_mode mode, const char *mode_name)
{
	struct access_case c = others[i].access;

	c.name = others[i].name;
	c.mode = mode;
	c.regs.rbp = c.regs.rdx;
	case_vm_forget(&cvm);
	ksft_test_result(run_case(&cvm, &c), "%s, %s\n", c.name, mode_name);
}

/*
 * The page table's entry shares eight bytes with the one before, which isn't
 * dirty.
 */
static void run_alias(enum cpu_mode mode, const char *mode_name)
{
	struct access_case c = RINGS_FROM(ALIAS_4M, STORE4, 4, LOW(4));

	c.name = "odd entry";
	c.mode = mode;
	case_vm_forget(&cvm);
	ksft_test_result(run_case(&cvm, &c), "through an odd entry, %s\n", mode_name);
}

/* Other code, at a RIP that is a known place's, in a segment that begins elsewhere. */
static const struct access_case same_rip = {
	.name = "CS has a base", CODE("\x89\x1a"), .code_gpa = CODE_GPA + BASE,
	.cs_base = BASE, .adjust = cs_has_base,
	.mode = CPL0_PROTECTED, .decode = DECODE_ALWAYS,
	.regs = { .rax = VALUE, .rdx = MMIO_GPA, .rbx = VALUE + 1 },
	.bells = { { DATAMATCH, 4, 1, MMIO_GPA, VALUE + 1 } },
};

/* KVM already knows a store at CODE_GPA. */
static void run_after_flat(const struct access_case *c)
{
	struct access_case learn = {
		.name = "learn", CODE(STORE4), .code_gpa = CODE_GPA,
		.mode = CPL0_PROTECTED, .decode = DECODE_NEVER, .is_served = true,
		.regs = { .rax = VALUE, .rdx = MMIO_GPA },
		.bells = { { DATAMATCH, 4, 1, MMIO_GPA, VALUE } },
	};
	bool passed;

	case_vm_forget(&cvm);
	passed = run_case(&cvm, &learn);
	ksft_test_result(run_case(&cvm, c) && passed, "%s\n", c->name);
}

/* The last bytes of 4 GB, after which the guest goes on at address 0. */
#define TOP_GPA		0xfffff000ul
#define TOP_SLOT	12

static void run_at_the_end(u32 bell_len, const char *name)
{
	struct access_case c = {
		.name = name, CODE(STORE4), .mode = CPL0_PROTECTED, .is_placed = true,
		.code_gpa = TOP_GPA + PAGE_SIZE - sizeof(STORE4) + 1,
		.regs = { .rax = VALUE, .rdx = MMIO_GPA }, .decode = DECODE_NEVER,
		.is_served = bell_len, .bells = { { ANY_VALUE, bell_len, 1, MMIO_GPA } },
	};

	memcpy(addr_gpa2hva(cvm.vm, c.code_gpa), STORE4, sizeof(STORE4) - 1);
	memcpy(addr_gpa2hva(cvm.vm, 0), DONE_INSN, DONE_INSN_LEN);
	case_vm_forget(&cvm);
	ksft_test_result(run_case(&cvm, &c), "%s\n", name);
}

int main(void)
{
	int i, mode;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	ksft_set_plan(ARRAY_SIZE(modes) * (ARRAY_SIZE(encodings) + ARRAY_SIZE(others)) + 6);

	case_vm_create(&cvm, NULL);
	for (mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		for (i = 0; i < ARRAY_SIZE(encodings); i++)
			run_encoding(&encodings[i], modes[mode].mode, modes[mode].name);
		for (i = 0; i < ARRAY_SIZE(others); i++)
			run_other(i, modes[mode].mode, modes[mode].name);
	}
	run_alias(CPL0_NOT_PAE, "32-bit tables");
	run_alias(CPL3_NOT_PAE, "32-bit tables, CPL 3");
	run_after_flat(&real_mode);
	run_after_flat(&same_rip);
	vm_userspace_mem_region_add(cvm.vm, VM_MEM_SRC_ANONYMOUS, TOP_GPA, TOP_SLOT, 1, 0);
	run_at_the_end(4, "the last instruction of 4 GB");
	run_at_the_end(0, "the last instruction of 4 GB, length 0");
	case_vm_free(&cvm);
	ksft_finished();
}
