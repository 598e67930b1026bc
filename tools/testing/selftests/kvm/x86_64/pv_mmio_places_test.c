// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which code KVM recognises: in other address spaces, at very many places, and
 * where it changes all the time.
 */
#include "pv_mmio_case.h"

#define EAX_VALUE	0x55667788u
#define EBX_VALUE	0x5a5a5a5au
#define STORE_EAX	"\x89\x02"		/* mov %eax,(%rdx) */
#define STORE_EBX	"\x89\x1a"
#define STORE_CONSTANT	"\xc7\x02----"		/* mov $constant,(%rdx) */
#define CONSTANT_OFFSET	2
#define STORE_LEN	2
#define OTHER_GPA	CODE_GPA		/* a page that holds other code */

struct counts {
	u64 decodes, fast, slow, learned;
};

static struct counts read_counts(struct case_vm *cvm)
{
	return (struct counts) {
		.decodes = count_decodes(cvm),
		.fast = read_vcpu_stat(cvm->stats_fd, cvm->fast_offset),
		.slow = read_vcpu_stat(cvm->stats_fd, cvm->slow_offset),
		.learned = read_vcpu_stat(cvm->stats_fd,
					  find_vcpu_stat(cvm->stats_fd, "pv_mmio_learned")),
	};
}

static struct counts counts_since(struct case_vm *cvm, struct counts before)
{
	struct counts now = read_counts(cvm);

	return (struct counts) {
		now.decodes - before.decodes, now.fast - before.fast, now.slow - before.slow,
		now.learned - before.learned,
	};
}

/* A store that goes to the VMM, so that the test sees its value. */
static struct access_case store_of(u32 value, enum cpu_mode mode)
{
	return (struct access_case) {
		CODE(STORE_EAX), .mode = mode,
		.regs = { .rax = EAX_VALUE, .rbx = EBX_VALUE, .rdx = MMIO_GPA },
		.exits = { { STORE_EXIT, 4, MMIO_GPA, value } },
	};
}

static void run_in(struct case_vm *cvm, const struct access_case *c, u64 rip, u64 cr3)
{
	cvm->sregs.cr3 = cr3;
	case_set_mode(cvm, c->mode);
	run_case_once(cvm, c, rip);
}

/* Returns how many of @nr runs were decoded.  KVM must count the others as served. */
static u64 count_runs(struct case_vm *cvm, struct counts before, u64 nr)
{
	struct counts runs = counts_since(cvm, before);

	case_expect(runs.decodes + runs.fast + runs.slow, nr, "all runs, by the statistics");
	return runs.decodes;
}

static u64 copy_table(struct case_vm *cvm, u64 gpa)
{
	u64 copy = vm_alloc_page_table(cvm->vm);

	memcpy(addr_gpa2hva(cvm->vm, copy), addr_gpa2hva(cvm->vm, gpa), PAGE_SIZE);
	return copy;
}

/* An address space like that of @cr3, but with @gpa mapped at @gva. */
static u64 other_address_space(struct case_vm *cvm, u64 cr3, u64 gva, u64 gpa)
{
	u64 copy = copy_table(cvm, cr3), table = copy, *entry;
	int level;

	for (level = vm_levels(cvm->vm); level > PG_LEVEL_4K; level--) {
		entry = addr_gpa2hva(cvm->vm, table);
		entry += gva >> (12 + 9 * (level - 1)) & 511;
		table = copy_table(cvm, *entry & PHYSICAL_PAGE_MASK);
		*entry = table | (*entry & ~PHYSICAL_PAGE_MASK);
	}
	entry = addr_gpa2hva(cvm->vm, table);
	entry += gva >> 12 & 511;
	*entry = gpa | (*entry & ~PHYSICAL_PAGE_MASK);
	return copy;
}

#define MAX_SPACES	64
#define ROUNDS		3

static void make_spaces(struct case_vm *cvm, u64 *cr3s, int nr)
{
	int i;

	cr3s[0] = cvm->sregs.cr3;
	for (i = 1; i < nr; i++)
		cr3s[i] = copy_table(cvm, cr3s[0]);
}

/* Address spaces as kernels have them: they share all but the top-level table. */
static void test_spaces(int nr)
{
	struct access_case c = store_of(0, CPL0_64BIT);
	u64 rip, cr3s[MAX_SPACES];
	struct counts before, runs;
	struct case_vm cvm;
	int i;

	case_vm_create(&cvm, NULL);
	case_begin("address spaces");
	make_spaces(&cvm, cr3s, nr);
	c.exits[0].kind = NO_EXIT;
	c.bells[0] = (struct bell){ .kind = ANY_VALUE, .len = 4, .rings = 1, .gpa = MMIO_GPA };
	ioeventfd_set(cvm.vm, cvm.bell_fds[0], MMIO_GPA, 4, 0, 0);
	rip = case_place_code(&cvm, &c);

	before = read_counts(&cvm);
	run_in(&cvm, &c, rip, cr3s[0]);
	for (i = 0; i < ROUNDS * nr; i++)
		run_in(&cvm, &c, rip, cr3s[i % nr]);
	runs = counts_since(&cvm, before);
	case_expect(runs.decodes, 1, "insn_emulation");
	case_expect(runs.learned, 1, "pv_mmio_learned");
	if (store_has_fast_path(CPL0_64BIT))
		case_expect(runs.fast, ROUNDS * nr, "pv_mmio_fast");
	else
		case_expect(runs.slow, ROUNDS * nr, "pv_mmio_slow");
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "%d address spaces with the same kernel\n", nr);
}

/* A PCID is in CR3, but doesn't change the address space. */
static void test_pcid(void)
{
	struct access_case c = store_of(EAX_VALUE, CPL0_64BIT);
	struct case_vm cvm;
	struct counts before;
	u64 rip, cr3;
	int i;

	if (!kvm_cpu_has(X86_FEATURE_PCID)) {
		ksft_test_result_skip("PCID: this CPU lacks it\n");
		return;
	}
	case_vm_create(&cvm, NULL);
	case_begin("PCID");
	cvm.sregs.cr4 |= X86_CR4_PCIDE;
	cr3 = cvm.sregs.cr3;
	rip = case_place_code(&cvm, &c);
	before = read_counts(&cvm);
	for (i = 0; i < 16; i++)
		run_in(&cvm, &c, rip, cr3 | i);
	case_expect(count_runs(&cvm, before, 16), 1, "insn_emulation");
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "PCID\n");
}

/* Two address spaces have different code at one linear address: KVM knows both. */
static void test_other_code(enum cpu_mode mode, const char *name)
{
	struct access_case c[2] = { store_of(EAX_VALUE, mode), store_of(EBX_VALUE, mode) };
	struct counts before;
	struct case_vm cvm;
	u64 rip, cr3s[2];
	int i;

	case_vm_create(&cvm, NULL);
	case_begin(name);
	rip = case_place_code(&cvm, &c[0]);
	c[1].code = STORE_EBX;
	c[1].code_gpa = OTHER_GPA + (rip & ~PAGE_MASK);
	case_place_code(&cvm, &c[1]);
	cr3s[0] = cvm.sregs.cr3;
	cr3s[1] = other_address_space(&cvm, cr3s[0], rip, OTHER_GPA);

	before = read_counts(&cvm);
	for (i = 0; i < 4; i++)
		run_in(&cvm, &c[0], rip, cr3s[0]);
	case_expect(count_runs(&cvm, before, 4), 1, "insn_emulation in the first");
	before = read_counts(&cvm);
	for (i = 0; i < 4; i++)
		run_in(&cvm, &c[1], rip, cr3s[1]);
	case_expect(count_runs(&cvm, before, 4), 1, "insn_emulation in the second");
	before = read_counts(&cvm);
	for (i = 0; i < 8; i++)
		run_in(&cvm, &c[i % 2], rip, cr3s[i % 2]);
	case_expect(count_runs(&cvm, before, 8), 0, "insn_emulation in both by turns");
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "%s\n", name);
}

/* KVM knows user code only in the address space in which it ran. */
static void test_user_spaces(int nr)
{
	struct access_case c = store_of(EAX_VALUE, CPL3_64BIT);
	struct counts before;
	u64 rip, cr3s[MAX_SPACES], decodes;
	struct case_vm cvm;
	int i;

	case_vm_create(&cvm, NULL);
	case_begin("user code in many address spaces");
	make_spaces(&cvm, cr3s, nr);
	rip = case_place_code(&cvm, &c);
	before = read_counts(&cvm);
	for (i = 0; i < ROUNDS * nr; i++)
		run_in(&cvm, &c, rip, cr3s[i % nr]);
	decodes = count_runs(&cvm, before, ROUNDS * nr);
	if (nr < 5)
		case_expect(decodes, nr, "insn_emulation");
	else if (decodes < nr)
		case_fail("each must be decoded once, %lu of %d were", decodes, nr);
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "user code in %d address spaces\n", nr);
}

#define NR_PROCESSES	40
#define PROCESS_STORES	100
#define SET_SITES	8

/*
 * Processes of one program, one after another: the later ones take the room of
 * the earlier ones, which have been worth it.  Each site that was used gets a
 * second chance, so that this may take a store for each site of a set.
 */
static void test_processes(void)
{
	struct access_case c = store_of(EAX_VALUE, CPL3_64BIT);
	u64 rip, cr3s[NR_PROCESSES], decodes;
	struct counts before;
	struct case_vm cvm;
	int i, j;

	case_vm_create(&cvm, NULL);
	case_begin("processes one after another");
	make_spaces(&cvm, cr3s, NR_PROCESSES);
	rip = case_place_code(&cvm, &c);
	for (i = 0; i < NR_PROCESSES; i++) {
		before = read_counts(&cvm);
		for (j = 0; j < PROCESS_STORES; j++)
			run_in(&cvm, &c, rip, cr3s[i]);
		decodes = count_runs(&cvm, before, PROCESS_STORES);
		if (decodes > 1 + SET_SITES)
			case_fail("process %d: %lu stores were decoded", i, decodes);
	}
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "processes one after another\n");
}

#define MAX_PLACES	600

/* KVM has room for a limited number: at least @min_served stores must be served. */
static void test_places(int nr, u64 min_served)
{
	struct access_case c;
	struct counts before;
	u64 rips[MAX_PLACES], decodes, cr3;
	struct case_vm cvm;
	int i, j;

	case_vm_create(&cvm, NULL);
	case_begin("many places");
	cr3 = cvm.sregs.cr3;
	for (i = 0; i < nr; i++) {
		c = store_of(0, CPL0_64BIT);
		rips[i] = case_place_code(&cvm, &c);
	}
	before = read_counts(&cvm);
	for (j = 0; j < 1 + ROUNDS; j++) {
		for (i = 0; i < nr; i++) {
			c = store_of(j * nr + i, CPL0_64BIT);
			c.regs.rax = j * nr + i;
			run_in(&cvm, &c, rips[i], cr3);
		}
	}
	decodes = count_runs(&cvm, before, (1 + ROUNDS) * nr);
	ksft_print_msg("%d places: %lu of %d stores were decoded\n", nr, decodes,
		       (1 + ROUNDS) * nr);
	if ((1 + ROUNDS) * nr - decodes < min_served)
		case_fail("%lu stores at least must be served, %lu of %d were decoded", min_served,
			  decodes, (1 + ROUNDS) * nr);
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "%d places\n", nr);
}

/* The same bytes are three different stores, depending on where they are entered. */
static void test_entries(void)
{
	/* 66 REX.W 89: entered at the first or second byte, it stores 8 bytes. */
	struct access_case c = {
		CODE("\x66\x48\x89\x02"),
		.regs = { .rax = 0x1122334455667788, .rdx = MMIO_GPA },
	};
	static const u8 turns[] = { 0, 2, 1, 2, 2, 0, 1, 1, 0 };
	u64 rip, cr3;
	struct counts before;
	struct case_vm cvm;
	int i;

	case_vm_create(&cvm, NULL);
	case_begin("entries");
	cr3 = cvm.sregs.cr3;
	rip = case_place_code(&cvm, &c);
	before = read_counts(&cvm);
	for (i = 0; i < ARRAY_SIZE(turns); i++) {
		c.code_len = 4 - turns[i];
		c.exits[0] = (struct mmio_exit){ STORE_EXIT, 8, MMIO_GPA, c.regs.rax };
		if (turns[i] == 2)
			c.exits[0] = (struct mmio_exit){ STORE_EXIT, 4, MMIO_GPA, (u32)c.regs.rax };
		run_in(&cvm, &c, rip + turns[i], cr3);
	}
	case_expect(count_runs(&cvm, before, ARRAY_SIZE(turns)), 3, "insn_emulation");
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "code that is entered after its prefixes\n");
}

static void write_constant(struct case_vm *cvm, u64 rip, u32 value)
{
	memcpy(addr_gpa2hva(cvm->vm, rip + CONSTANT_OFFSET), &value, sizeof(value));
}

static void run_constant(struct case_vm *cvm, u64 rip, u32 value, u64 nr)
{
	struct access_case c = store_of(value, CPL0_64BIT);

	c.code_len = sizeof(STORE_CONSTANT) - 1;
	while (nr--)
		run_in(cvm, &c, rip, cvm->sregs.cr3);
}

#define NR_REWRITES	2000
#define MAX_LEARNS	40
#define MAX_WAIT	256

/* KVM must soon stop learning code that always changes, and resume when it doesn't. */
static void test_budget(void)
{
	struct access_case c = { CODE(STORE_CONSTANT) };
	struct counts before, runs;
	struct case_vm cvm;
	u64 rip;
	int i;

	case_vm_create(&cvm, NULL);
	case_begin("budget");
	rip = case_place_code(&cvm, &c);
	before = read_counts(&cvm);
	for (i = 0; i < NR_REWRITES; i++) {
		write_constant(&cvm, rip, i);
		run_constant(&cvm, rip, i, 1);
	}
	runs = counts_since(&cvm, before);
	case_expect(runs.decodes, NR_REWRITES, "insn_emulation");
	if (runs.learned > MAX_LEARNS)
		case_fail("it must be learned %d times at most, it was %lu times", MAX_LEARNS,
			  runs.learned);

	before = read_counts(&cvm);
	run_constant(&cvm, rip, NR_REWRITES - 1, MAX_WAIT + 10);
	if (count_runs(&cvm, before, MAX_WAIT + 10) > MAX_WAIT)
		case_fail("code that no longer changes must be learned");
	before = read_counts(&cvm);
	write_constant(&cvm, rip, 1);
	run_constant(&cvm, rip, 1, 4);
	case_expect(count_runs(&cvm, before, 4), 1, "insn_emulation after one more change");
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "code that changes before each store\n");
}

/* When memslots change, guest memory may be elsewhere: KVM must learn again. */
static void test_memslots(void)
{
	struct access_case c = store_of(EAX_VALUE, CPL0_64BIT);
	struct counts before;
	bool passed = true;
	struct case_vm cvm;
	u64 rip, cr3;
	int i, j;

	case_vm_create(&cvm, NULL);
	cr3 = cvm.sregs.cr3;
	rip = case_place_code(&cvm, &c);
	for (i = 0; i < 3; i++) {
		case_vm_forget(&cvm);
		/* case_vm_forget() has run another case. */
		case_begin("memslots");
		before = read_counts(&cvm);
		for (j = 0; j < 3; j++)
			run_in(&cvm, &c, rip, cr3);
		case_expect(count_runs(&cvm, before, 3), 1, "insn_emulation");
		passed &= case_passed();
	}
	case_vm_free(&cvm);
	ksft_test_result(passed, "memslots that change\n");
}

/* Two RIPs of which KVM's hash is the same. */
#define OTHER_RIP	(CODE_GPA + 0x179)

/* Where KVM has to look closer to see that an access isn't a store that it knows. */
static void test_load_of_same_hash(void)
{
	struct access_case store = store_of(EAX_VALUE, CPL0_64BIT), load = store;
	struct case_vm cvm;
	u64 before, cr3;
	off_t offset;

	case_vm_create(&cvm, NULL);
	case_begin("load with the same hash as a store");
	offset = find_vcpu_stat(cvm.stats_fd, "pv_mmio_declined_code");
	cr3 = cvm.sregs.cr3;
	store.code_gpa = CODE_GPA;
	load.code_gpa = OTHER_RIP;
	load.code = "\x8b\x02";
	load.changes_rax = true;
	load.rax_after = 0xa5a5a5a5;
	load.exits[0] = (struct mmio_exit){ LOAD_EXIT, 4, MMIO_GPA };
	run_in(&cvm, &store, case_place_code(&cvm, &store), cr3);
	case_place_code(&cvm, &load);
	before = read_vcpu_stat(cvm.stats_fd, offset);
	run_in(&cvm, &load, OTHER_RIP, cr3);
	case_expect(read_vcpu_stat(cvm.stats_fd, offset), before, "pv_mmio_declined_code");
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "load with the same hash as a store\n");
}

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	ksft_set_plan(15);

	test_spaces(1);
	test_spaces(2);
	test_spaces(MAX_SPACES);
	test_pcid();
	test_other_code(CPL0_64BIT, "other code at the same address");
	test_other_code(CPL3_64BIT, "other user code at the same address");
	test_user_spaces(4);
	test_user_spaces(MAX_SPACES);
	test_processes();
	test_places(64, ROUNDS * 64);
	test_places(MAX_PLACES, 2 * MAX_PLACES);
	test_entries();
	test_budget();
	test_memslots();
	test_load_of_same_hash();
	ksft_finished();
}
