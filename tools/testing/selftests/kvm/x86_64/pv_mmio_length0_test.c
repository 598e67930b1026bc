// SPDX-License-Identifier: GPL-2.0-only
/*
 * Length-0 ioeventfds of unmodified guests: a load reaches the VMM in any mode of
 * the CPU, whether its place is new or had other code before.  Any other access
 * rings.
 *
 * On VMX, stock KVM looks for such an ioeventfd before it knows anything about the
 * access, and takes a load for a doorbell.  So does ours when turned off.  On SVM
 * it's found like any other ioeventfd.
 */
#include "pv_mmio_case.h"

#define VALUE		0x1122334455667788ull
#define VALUE4		((u32)VALUE)
#define LOADED4		0xa5a5a5a5u
#define LOADED8		0xa5a5a5a5a5a5a5a5ull
#define LEGACY_PREFIXES	"\x67\x66"	/* 32 bits in 16-bit code */

struct length0_case {
	struct access_case access;
	/* Modes in which these bytes are that instruction. */
	enum { ANY_MODE, ONLY_64BIT, ONLY_32BIT, NOT_16BIT } modes;
	/* If not 0: it also loads, which goes to the VMM on SVM; the size of that load. */
	u32 modifies;
	/* KVM serves this store without decoding, on SVM as well. */
	bool is_plain;
};

#define LOADS(name_, code_, len_, rax, ...)				\
	{ { .name = name_, CODE(code_), .changes_rax = true, .rax_after = rax, \
	    .exits = { { LOAD_EXIT, len_, MMIO_GPA } } }, __VA_ARGS__ }
/* It also changes the status flags, some of which the CPU leaves undefined. */
#define CALCULATES(name_, code_, len_, rax, ...)			\
	{ { .name = name_, CODE(code_), .changes_rax = true, .rax_after = rax, \
	    .changes_flags = true, .exits = { { LOAD_EXIT, len_, MMIO_GPA } } }, __VA_ARGS__ }
#define RINGS(name_, code_, ...)					\
	{ { .name = name_, CODE(code_),					\
	    .bells = { { .rings = 1 } } }, __VA_ARGS__ }

static const struct length0_case cases[] = {
	LOADS("1-byte load", "\x8a\x02", 1, (VALUE & ~0xffull) | 0xa5),
	LOADS("2-byte load", "\x66\x8b\x02", 2, (VALUE & ~0xffffull) | 0xa5a5),
	LOADS("4-byte load", "\x8b\x02", 4, LOADED4),
	LOADS("8-byte load", "\x48\x8b\x02", 8, LOADED8, ONLY_64BIT),
	LOADS("4-byte load, DS prefix", "\x3e\x8b\x02", 4, LOADED4),
	LOADS("4-byte load, address size prefix", "\x67\x8b\x02", 4, LOADED4, ONLY_64BIT),
	LOADS("4-byte load, displacement", "\x8b\x42\x00", 4, LOADED4),
	LOADS("4-byte load, SIB", "\x8b\x04\x22", 4, LOADED4),
	LOADS("4-byte load, relative to RIP", "\x8b\x05----", 4, LOADED4, ONLY_64BIT),
	LOADS("1-byte movabs", "\xa0\x00\x00\x00\xd0\x00\x00\x00\x00", 1,
	      (VALUE & ~0xffull) | 0xa5, ONLY_64BIT),
	LOADS("8-byte movabs", "\x48\xa1\x00\x00\x00\xd0\x00\x00\x00\x00", 8, LOADED8, ONLY_64BIT),
	LOADS("4-byte load of an offset", "\xa1\x00\x00\x00\xd0", 4, LOADED4, ONLY_32BIT),
	LOADS("1-byte load, zero-extended", "\x0f\xb6\x02", 1, 0xa5),
	LOADS("2-byte load, zero-extended", "\x0f\xb7\x02", 2, 0xa5a5),
	LOADS("1-byte load, sign-extended", "\x0f\xbe\x02", 1, 0xffffffa5),
	LOADS("2-byte load, sign-extended", "\x0f\xbf\x02", 2, 0xffffa5a5),
	LOADS("1-byte load, sign-extended to 8", "\x48\x0f\xbe\x02", 1, 0xffffffffffffffa5,
	      ONLY_64BIT),
	LOADS("4-byte load, sign-extended", "\x48\x63\x02", 4, 0xffffffffa5a5a5a5, ONLY_64BIT),
	LOADS("cmovz", "\x48\x0f\x44\x02", 8, LOADED8, ONLY_64BIT),
	LOADS("cmovnz", "\x48\x0f\x45\x02", 8, VALUE, ONLY_64BIT),
	CALCULATES("add", "\x03\x02", 4, VALUE4 + LOADED4),
	CALCULATES("add, 1 byte", "\x02\x02", 1, (VALUE & ~0xffull) | 0x2d),
	CALCULATES("or", "\x0b\x02", 4, VALUE4 | LOADED4),
	CALCULATES("adc", "\x13\x02", 4, VALUE4 + LOADED4 + 1),
	CALCULATES("sbb", "\x1b\x02", 4, VALUE4 - LOADED4 - 1),
	CALCULATES("and", "\x23\x02", 4, VALUE4 & LOADED4),
	CALCULATES("sub", "\x2b\x02", 4, VALUE4 - LOADED4),
	CALCULATES("xor", "\x33\x02", 4, VALUE4 ^ LOADED4),
	CALCULATES("cmp to a register", "\x3b\x02", 4, VALUE),
	CALCULATES("cmp to memory", "\x39\x02", 4, VALUE),
	CALCULATES("cmp to a byte", "\x38\x02", 1, VALUE),
	CALCULATES("cmp to an immediate byte", "\x80\x3a\x05", 1, VALUE),
	CALCULATES("cmp to an immediate", "\x83\x3a\x05", 4, VALUE),
	CALCULATES("test", "\x85\x02", 4, VALUE),
	CALCULATES("test of an immediate byte", "\xf6\x02\x05", 1, VALUE),
	CALCULATES("imul", "\x0f\xaf\x02", 4, VALUE4 * LOADED4),
	CALCULATES("imul by an immediate", "\x6b\x02\x03", 4, LOADED4 * 3),
	CALCULATES("bt", "\x0f\xba\x22\x05", 4, VALUE),
	CALCULATES("bsf", "\x0f\xbc\x02", 4, 0),
	CALCULATES("bsr", "\x0f\xbd\x02", 4, 31),
	RINGS("1-byte store", "\x88\x02", .is_plain = true),
	RINGS("2-byte store", "\x66\x89\x02", .is_plain = true),
	RINGS("4-byte store", "\x89\x02", .is_plain = true),
	RINGS("8-byte store", "\x48\x89\x02", ONLY_64BIT, .is_plain = true),
	RINGS("4-byte store of another register", "\x89\x1a", .is_plain = true),
	RINGS("2-byte store of a constant", "\x66\xc7\x02\x34\x12", .is_plain = true),
	RINGS("4-byte store relative to RIP", "\x89\x05----", ONLY_64BIT, .is_plain = true),
	RINGS("4-byte store, DS prefix", "\x3e\x89\x02"),
	RINGS("movnti", "\x0f\xc3\x02", NOT_16BIT),
	RINGS("sete", "\x0f\x94\x02"),
	RINGS("not", "\xf7\x12", .modifies = 4),
	RINGS("xchg, twice the same", "\x87\x3a", .modifies = 4),
};

struct suite {
	struct case_vm cvm;
	enum cpu_mode mode;
	bool turned_off;
};

/* Does KVM look for length 0 before anything else? */
static bool length0_comes_first(void)
{
	return has_ept_misconfig();
}

static bool runs_in(const struct length0_case *lc, enum cpu_mode mode)
{
	bool is_64bit = mode == CPL0_64BIT || mode == CPL3_64BIT;

	if (lc->modes == ONLY_64BIT)
		return is_64bit;
	if (lc->modes == ONLY_32BIT)
		return !is_64bit;
	/* In 16-bit code, run_at() adds LEGACY_PREFIXES, which don't go with these. */
	return mode != CPL0_16BIT || (lc->modes != NOT_16BIT && lc->access.code[0] != 0x66);
}

static unsigned int count_cases(enum cpu_mode mode)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		n += runs_in(&cases[i], mode);
	return n;
}

/* Like stock KVM, which skips the instruction and whatever else it would do. */
static void take_for_doorbell(struct access_case *c)
{
	c->changes_rax = false;
	c->changes_flags = false;
	memset(c->exits, 0, sizeof(c->exits));
	c->bells[0].rings = 1;
	c->decode = DECODE_NEVER;
}

static void set_outcome(const struct suite *s, const struct length0_case *lc,
			struct access_case *c)
{
	c->bells[0].kind = ANY_VALUE;
	c->bells[0].gpa = MMIO_GPA;
	c->decode = DECODE_ALWAYS;
	if (length0_comes_first() && (s->turned_off || c->bells[0].rings)) {
		take_for_doorbell(c);
	} else if (lc->modifies) {
		c->exits[0] = (struct mmio_exit){ LOAD_EXIT, lc->modifies, MMIO_GPA };
	} else if (lc->is_plain && s->mode != CPL0_16BIT && !s->turned_off) {
		c->decode = DECODE_NEVER;
		c->is_served = true;
	}
}

/* @gpa: where to put the code, or 0 for a new place; @is_placed: it's already there. */
static bool run_at(struct suite *s, const struct length0_case *lc, u64 gpa, bool is_placed)
{
	char code[CODE_SLOT_SIZE] = LEGACY_PREFIXES;
	struct access_case c = lc->access;
	const char *rip_relative = strstr(c.code, "----");

	c.mode = s->mode;
	c.code_gpa = gpa;
	c.is_placed = is_placed;
	c.regs.rax = VALUE;
	c.regs.rdx = MMIO_GPA;
	c.regs.rdi = LOADED4;
	if (rip_relative)
		c.rip_relative = rip_relative - c.code;
	set_outcome(s, lc, &c);
	if (s->mode == CPL0_16BIT) {
		memcpy(code + sizeof(LEGACY_PREFIXES) - 1, c.code, c.code_len);
		c.code = code;
		c.code_len += sizeof(LEGACY_PREFIXES) - 1;
	}
	return run_case(&s->cvm, &c);
}

static void run_suite(struct suite *s, enum cpu_mode mode, const char *name)
{
	int i;

	s->mode = mode;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (runs_in(&cases[i], mode))
			ksft_test_result(run_at(s, &cases[i], 0, false), "%s%s\n",
					 cases[i].access.name, name);
	}
}

static const struct length0_case load4 = LOADS("load", "\x8b\x02", 4, LOADED4);
static const struct length0_case store4 = RINGS("store", "\x89\x02", .is_plain = true);
static const struct length0_case prefixed4 = RINGS("store with a prefix", "\x3e\x89\x02");

static void test_rewritten(struct suite *s)
{
	static const struct length0_case *const turns[] = {
		&store4, &load4, &store4, &load4, &prefixed4, &load4,
	};
	bool passed = true;
	int i;

	for (i = 0; i < ARRAY_SIZE(turns); i++)
		passed &= run_at(s, turns[i], CODE_GPA, false);
	ksft_test_result(passed, "code that is rewritten\n");
}

/* The code changes by its PTE alone: no byte in either page changes. */
static void test_remapped(struct suite *s)
{
	const u64 store_gpa = CODE_SLOTS_GPA + (CODE_SLOT_PAGES - 1) * PAGE_SIZE;
	const u64 load_gpa = store_gpa - PAGE_SIZE;
	u64 *pte = case_pte(&s->cvm, store_gpa), old = *pte;
	bool passed;

	passed = run_at(s, &load4, load_gpa, false);
	passed &= run_at(s, &store4, store_gpa, false);
	*pte += load_gpa - store_gpa;
	case_flush_tlb(&s->cvm);
	passed &= run_at(s, &load4, store_gpa, true);
	*pte = old;
	case_flush_tlb(&s->cvm);
	passed &= run_at(s, &store4, store_gpa, true);
	ksft_test_result(passed, "code that is remapped\n");
}

/* These bytes are a load in 64-bit code only.  KVM's emulator knows just that load. */
static void test_other_mode(struct suite *s)
{
	static const struct length0_case movslq = LOADS("movslq", "\x63\x02", 4, LOADED4);
	static const struct length0_case arpl = RINGS("arpl", "\x63\x02");
	bool passed = run_at(s, &movslq, CODE_GPA, false);

	s->mode = CPL0_32BIT;
	if (length0_comes_first())
		passed &= run_at(s, &arpl, CODE_GPA, true);
	s->mode = CPL0_64BIT;
	passed &= run_at(s, &movslq, CODE_GPA, true);
	ksft_test_result(passed, "code that is run in another mode\n");
}

/*
 * In a segment with a base, RIP isn't the linear address.  Flat code with the same
 * RIP is at another linear address, about which KVM knows nothing.
 */
static void test_same_rip(struct suite *s)
{
	bool passed = true;
	u64 rip;

	for (rip = 0x400; rip < 0x800; rip += CODE_SLOT_SIZE) {
		s->mode = CPL0_16BIT;
		passed &= run_at(s, &store4, CODE_GPA + rip, false);
		s->mode = CPL0_PROTECTED;
		passed &= run_at(s, &store4, rip, false);
	}
	s->mode = CPL0_64BIT;
	ksft_test_result(passed, "code with a RIP that was another's\n");
}

/* It's no store that KVM has declined. */
static void test_load_is_not_counted(struct suite *s)
{
	off_t offset = find_vcpu_stat(s->cvm.stats_fd, "pv_mmio_declined_code");
	u64 before = read_vcpu_stat(s->cvm.stats_fd, offset);
	bool passed = run_at(s, &load4, 0, false);

	case_expect(read_vcpu_stat(s->cvm.stats_fd, offset), before, "pv_mmio_declined_code");
	ksft_test_result(passed && case_passed(), "load is not counted as a store\n");
}

#define NR_TESTS_OF_CHANGES	5

static void test_changes(struct suite *s)
{
	s->mode = CPL0_64BIT;
	case_vm_forget(&s->cvm);
	test_rewritten(s);
	test_remapped(s);
	test_other_mode(s);
	test_same_rip(s);
	test_load_is_not_counted(s);
}

/* Another level above the library's tables, unless these have five by themselves. */
static void use_five_levels(struct case_vm *cvm)
{
	u64 gpa, *table;

	if (cvm->sregs.cr4 & X86_CR4_LA57)
		return;

	gpa = vm_alloc_page_table(cvm->vm);
	table = addr_gpa2hva(cvm->vm, gpa);
	table[0] = cvm->sregs.cr3 | GPTE_PRESENT | GPTE_WRITABLE | GPTE_USER;
	table[511] = table[0];
	cvm->sregs.cr3 = gpa;
	cvm->sregs.cr4 |= X86_CR4_LA57;
}

static void run_on_new_vm(struct suite *s, enum cpu_mode mode, bool supervisor, u64 cr4,
			  const char *name)
{
	case_vm_create(&s->cvm, NULL);
	if (supervisor)
		case_make_supervisor(&s->cvm, cr4);
	else if (cr4 == X86_CR4_LA57)
		use_five_levels(&s->cvm);
	else
		s->cvm.sregs.cr4 |= cr4;
	run_suite(s, mode, name);
	case_vm_free(&s->cvm);
}

static const struct {
	enum cpu_mode mode;
	const char *name;
} modes[] = {
	{ CPL0_64BIT, "" },
	{ CPL3_64BIT, ", CPL 3" },
	{ CPL0_32BIT, ", compatibility mode" },
	{ CPL0_PROTECTED, ", no paging" },
	{ CPL0_PAE, ", PAE" },
	{ CPL0_NOT_PAE, ", 32-bit tables" },
	{ CPL0_16BIT, ", 16-bit code" },
};

/* CPU features that not all hosts have; each is tested in its own VM. */
static const struct {
	u64 cr4;
	enum cpu_mode mode;
	bool supervisor;
	const char *name;
} features[] = {
	{ X86_CR4_SMEP, CPL0_64BIT, true, ", SMEP" },
	{ X86_CR4_SMEP, CPL3_64BIT, false, ", SMEP, CPL 3" },
	{ X86_CR4_SMAP, CPL0_64BIT, true, ", SMAP" },
	{ X86_CR4_SMAP, CPL3_64BIT, false, ", SMAP, CPL 3" },
	{ X86_CR4_LA57, CPL0_64BIT, false, ", five levels" },
};

static bool has_feature(u64 cr4)
{
	if (cr4 == X86_CR4_SMEP)
		return kvm_cpu_has(X86_FEATURE_SMEP);
	if (cr4 == X86_CR4_SMAP)
		return kvm_cpu_has(X86_FEATURE_SMAP);
	return kvm_cpu_has(X86_FEATURE_LA57);
}

static unsigned int count_tests(void)
{
	unsigned int i, n = NR_TESTS_OF_CHANGES + count_cases(CPL0_64BIT);

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		n += count_cases(modes[i].mode);
	for (i = 0; i < ARRAY_SIZE(features); i++)
		n += has_feature(features[i].cr4) ? count_cases(features[i].mode) : 1;
	return n;
}

static void test_features(struct suite *s)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		if (has_feature(features[i].cr4))
			run_on_new_vm(s, features[i].mode, features[i].supervisor,
				      features[i].cr4, features[i].name);
		else
			ksft_test_result_skip("this CPU lacks it%s\n", features[i].name);
	}
}

int main(void)
{
	struct suite s = {};
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	ksft_set_plan(count_tests());

	case_vm_create(&s.cvm, NULL);
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		/* KVM couldn't remember the places of all suites at once. */
		case_vm_forget(&s.cvm);
		run_suite(&s, modes[i].mode, modes[i].name);
	}
	test_changes(&s);
	vm_enable_cap(s.cvm.vm, KVM_CAP_X86_PV_MMIO, 0);
	s.turned_off = true;
	run_suite(&s, CPL0_64BIT, ", turned off");
	s.turned_off = false;
	case_vm_free(&s.cvm);
	test_features(&s);
	ksft_finished();
}
