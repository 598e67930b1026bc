// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stores to a VMM's device in all their encodings.  Each runs three times at
 * one place, which KVM knows after the first: the VMM must get the same value
 * and address each time, and no register may change.  Then a store of another
 * value replaces it, and all of that is repeated.
 *
 * -n N	encodings of each kind (default 100), evenly spread; 0 is all, which
 *	takes hours
 */
#include "pv_mmio_insn/insn.h"

#define INSN_SLOT	1
#define DEFAULT_CASES	100
/* A prime, so that its multiples modulo a group's size go through all of the group. */
#define SPREAD		2654435761ul
#define NR_KNOWN_RUNS	2
#define DUMMY_SLOT	2
#define DUMMY_GPA	0x58000000ul
#define PLACE_SIZE	48
#define NR_CODE_PLACES	(PAGE_SIZE / PLACE_SIZE)
/* More reports would hardly tell more. */
#define MAX_REPORTS	5
/* Should RIP be wrong, any byte leads to the end: 0x90, the port, is also a nop. */
#define END_PORT	0x90
#define END_CODE	"\xe6\x90\xe6\x90"
#define FAULT_PORT	0x91

static const struct insn_group groups[] = {
	{ "stores of a register", "\x88\x89", { "", "\x66", "\x66\x66" } },
	{ "stores of an immediate", "\xc6\xc7", { "", "\x66", "\x66\x66" } },
	{ "stores to an absolute address", "\xa2\xa3",
	  { "", "\x66", "\x67", "\xf2", "\x3e", "\x64" } },
	{ "stores with a segment prefix", "\x88\x89\xc6\xc7",
	  { "\x26", "\x2e", "\x36", "\x3e", "\x64", "\x65" } },
	{ "stores with an address size prefix", "\x88\x89\xc6\xc7", { "\x67", "\x66\x67" } },
	{ "stores with a repeat prefix", "\x88\x89\xc6\xc7", { "\xf2", "\xf3", "\x66\xf3" } },
	/* Only REX.W: QEMU's CPU doesn't ignore the others, which change the address. */
	{ "stores with a REX prefix too early", "\x88\x89\xc6\xc7", { "\x48\x66", "\x48\x3e" } },
	{ "stores with a lock prefix", "\x88\x89\xc6\xc7", { "\xf0", "\x66\xf0" } },
	{ "xchg", "\x86\x87", { "", "\x66", "\xf0" } },
};

struct insn_outcome {
	u32 nr_exits;
	struct mmio_exit exits[MAX_EXITS];
	u32 end, port;
	struct kvm_regs regs;
};

static struct insn_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	char *code;
	u64 stack;
	int stats_fd;
	off_t decodes_offset;
	/* How many stores ran at known places, and how many of them KVM decoded. */
	u64 known, decodes;
} v;

static void guest_fault(struct ex_regs *regs)
{
	asm volatile("outb %%al, %0" : : "N" (FAULT_PORT));
}

static void set_segments(struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	/* The library doesn't set SS, which is still as after reset. */
	sregs.ss = sregs.ds;
	sregs.fs = sregs.ds;
	sregs.gs = sregs.ds;
	sregs.fs.base = INSN_FS_BASE;
	sregs.gs.base = INSN_GS_BASE;
	vcpu_sregs_set(vcpu, &sregs);
}

static void create_vm(void)
{
	struct kvm_regs regs;

	v.vm = vm_create_with_one_vcpu(&v.vcpu, NULL);
	vm_userspace_mem_region_add(v.vm, VM_MEM_SRC_ANONYMOUS, INSN_CODE_GPA, INSN_SLOT, 1, 0);
	virt_map(v.vm, INSN_CODE_GPA, INSN_CODE_GPA, 1);
	virt_map(v.vm, INSN_MMIO_GPA, INSN_MMIO_GPA, 1);
	vm_install_exception_handler(v.vm, UD_VECTOR, guest_fault);
	set_segments(v.vcpu);
	vcpu_regs_get(v.vcpu, &regs);
	v.stack = regs.rsp;
	v.code = addr_gpa2hva(v.vm, INSN_CODE_GPA);
	v.stats_fd = vcpu_get_stats_fd(v.vcpu);
	v.decodes_offset = find_vcpu_stat(v.stats_fd, "insn_emulation");
}

static void add_exit(struct insn_outcome *o, struct kvm_run *run)
{
	struct mmio_exit *e = &o->exits[min_t(u32, o->nr_exits++, MAX_EXITS - 1)];

	e->kind = run->mmio.is_write ? STORE_EXIT : LOAD_EXIT;
	e->len = run->mmio.len;
	e->gpa = run->mmio.phys_addr;
	if (run->mmio.is_write)
		memcpy(&e->data, run->mmio.data, min_t(u32, e->len, sizeof(e->data)));
	else
		memset(run->mmio.data, LOADED_BYTE, sizeof(run->mmio.data));
}

static void run_once(const struct insn_case *c, struct insn_outcome *o)
{
	struct kvm_run *run = v.vcpu->run;
	int err;

	memset(o, 0, sizeof(*o));
	run->s.regs.regs = c->regs;
	run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	do {
		err = vcpu_run_bounded(v.vcpu);
		if (err) {
			case_fail("KVM_RUN must come back by itself, it ended with errno %d", err);
			return;
		}
		if (run->exit_reason == KVM_EXIT_MMIO)
			add_exit(o, run);
	} while (run->exit_reason == KVM_EXIT_MMIO && o->nr_exits <= MAX_EXITS);

	o->end = run->exit_reason;
	o->port = o->end == KVM_EXIT_IO ? run->io.port : 0;
	o->regs = run->s.regs.regs;
}

static void check_exit(const struct insn_case *c, const struct mmio_exit *e, int kind,
		       u64 value)
{
	case_expect(e->kind, kind, "kind of exit");
	case_expect(e->gpa, c->gpa, "address");
	case_expect(e->len, c->width, "length");
	case_expect(e->data, value, "value");
}

static void check_regs(const struct kvm_regs *regs, const struct kvm_regs *expected)
{
	const u64 *got = (const u64 *)regs, *wanted = (const u64 *)expected;
	int i;

	for (i = 0; i < sizeof(*regs) / sizeof(u64); i++) {
		if (got[i] != wanted[i])
			case_fail("word %d of the registers must be %#lx, it is %#lx", i, wanted[i],
				  got[i]);
	}
}

static void check_outcome(const struct insn_case *c, const struct insn_outcome *o)
{
	u32 nr_exits = c->loads + !c->faults, port = c->faults ? FAULT_PORT : END_PORT;

	case_expect(o->end, KVM_EXIT_IO, "last exit");
	case_expect(o->port, port, "port at the end");
	case_expect(o->nr_exits, nr_exits, "number of MMIO exits");
	if (!case_passed() || c->faults)
		return;

	if (c->loads)
		check_exit(c, &o->exits[0], LOAD_EXIT, 0);
	check_exit(c, &o->exits[nr_exits - 1], STORE_EXIT, c->value);
	check_regs(&o->regs, &c->regs_after);
}

static u64 place_of(u64 index)
{
	return index % NR_CODE_PLACES * PLACE_SIZE;
}

static void place_code(const struct insn_case *c, u64 place)
{
	memcpy(v.code + place, c->code, c->len);
	memcpy(v.code + place + c->len, END_CODE, sizeof(END_CODE) - 1);
}

static u64 count_insn_decodes(void)
{
	return read_vcpu_stat(v.stats_fd, v.decodes_offset);
}

static void begin_case(const struct insn_case *c, const char *what)
{
	static char name[3 * INSN_MAX_LEN + 64];
	int i, len = 0;

	for (i = 0; i < c->len; i++)
		len += sprintf(name + len, "%02x ", c->code[i]);
	sprintf(name + len, "%s", what);
	case_begin(name);
}

static bool run_insn_once(const struct insn_case *c)
{
	struct insn_outcome outcome;

	run_once(c, &outcome);
	check_outcome(c, &outcome);
	return case_passed();
}

/* The place has run once, so KVM knows it. */
static bool run_known(const struct insn_case *c)
{
	u64 before = count_insn_decodes();
	int i;

	begin_case(c, "again");
	for (i = 0; i < NR_KNOWN_RUNS; i++) {
		if (!run_insn_once(c))
			return false;
	}
	if (c->served) {
		v.known += NR_KNOWN_RUNS;
		v.decodes += count_insn_decodes() - before;
	}
	return true;
}

/*
 * KVM stops learning a place for a while if it's rewritten often or can't be
 * learned; a change of the memory map makes it forget that.  It then also has to
 * find out anew where there is no RAM, which takes one access.
 */
static bool make_kvm_forget(const struct insn_case *c)
{
	vm_set_user_memory_region(v.vm, DUMMY_SLOT, 0, DUMMY_GPA, PAGE_SIZE, v.code);
	vm_set_user_memory_region(v.vm, DUMMY_SLOT, 0, DUMMY_GPA, 0, v.code);
	begin_case(c, "after a change of the memory map");
	return run_insn_once(c);
}

/* The twin goes to the same address, so only its code differs. */
static bool run_encoding(const struct insn_group *group, u64 index, u64 nr)
{
	u64 place = place_of(nr);
	struct insn_case c;
	int twin;

	for (twin = 0; twin < 2; twin++) {
		c = (struct insn_case) { .regs.rsp = v.stack };
		if (!insn_case_make(group, index, INSN_CODE_GPA + place, twin, &c))
			return true;

		place_code(&c, place);
		if (!twin && !make_kvm_forget(&c))
			return false;
		begin_case(&c, twin ? "rewritten" : "first");
		if (!run_insn_once(&c) || !run_known(&c))
			return false;
	}
	return true;
}

static void run_group(const struct insn_group *group, u64 nr_cases)
{
	u64 i, size = insn_group_size(group);
	unsigned int failures = 0;

	if (!nr_cases || nr_cases > size)
		nr_cases = size;
	for (i = 0; i < nr_cases && failures < MAX_REPORTS; i++)
		failures += !run_encoding(group, i * SPREAD % size, i);
	ksft_test_result(!failures, "%s\n", group->name);
	printf("# %lu of %lu encodings\n", i, size);
}

static void report_decodes(void)
{
	ksft_test_result(v.known && !v.decodes, "stores are served without decoding\n");
	printf("# KVM decoded %lu of %lu stores at places it knew\n", v.decodes, v.known);
}

int main(int argc, char **argv)
{
	u64 nr_cases = DEFAULT_CASES;
	int i;

	while ((i = getopt(argc, argv, "n:")) != -1) {
		if (i != 'n')
			ksft_exit_fail_msg("options: -n N\n");
		nr_cases = strtoull(optarg, NULL, 0);
	}

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_REGS);
	ksft_set_plan(ARRAY_SIZE(groups) + 1);

	create_vm();
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		run_group(&groups[i], nr_cases);
	report_decodes();
	close(v.stats_fd);
	kvm_vm_free(v.vm);
	ksft_finished();
}
