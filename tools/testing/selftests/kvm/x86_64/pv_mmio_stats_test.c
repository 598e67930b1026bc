// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbells are observable: the vCPU has statistics for each way to ring and each
 * reason to leave a store to the emulator, and there is a tracepoint.
 */
#include <fcntl.h>
#include <sys/mount.h>

#include "pv_mmio_case.h"

#define VALUE		0x1122334455667788ull
#define BELL_PORT	0x51
#define TRACEFS		"/sys/kernel/tracing"
#define EVENT		TRACEFS "/events/kvm/kvm_pv_mmio"
#define MMIO_EVENT	TRACEFS "/events/kvm/kvm_mmio"

#define STORE4		"\x89\x02"	/* mov %eax,(%rdx) */
#define STORE4_OF_EBX	"\x89\x1a"
#define THE_STORE	"store addr 0xd0000000 len 4 val 0x55667788: "
#define FAR_GPA		(MMIO_GPA + 0x1000)

static const char * const stat_names[] = {
	"pv_mmio_fast", "pv_mmio_slow", "pv_mmio_learned", "pv_mmio_declined_state",
	"pv_mmio_declined_address", "pv_mmio_declined_ram", "pv_mmio_declined_code",
	"hc_mmio_write_fast", "hc_mmio_write_slow", "hc_mmio_write_refused", "pio_doorbell_fast",
	"mmio_doorbell_fast", "insn_emulation",
};

#define NR_STATS	ARRAY_SIZE(stat_names)
#define MAX_COUNTS	4

/* What all runs of a case together add to a statistic, or to the sum of two. */
struct count {
	const char *name, *other;
	u64 nr;
};

#define EMULATED(nr)		{ "insn_emulation", NULL, nr }
#define LEARNED(nr)		{ "pv_mmio_learned", NULL, nr }
#define SERVED(nr)		{ "pv_mmio_slow", "pv_mmio_fast", nr }
#define SLOW(nr)		{ "pv_mmio_slow", NULL, nr }
#define DECLINED(why, nr)	{ "pv_mmio_declined_" why, NULL, nr }
#define REFUSED			{ "hc_mmio_write_refused", NULL, NR_RUNS }

#define BELL4			{ { ANY_VALUE, 4, 1, MMIO_GPA } }
#define EXIT4			{ { STORE_EXIT, 4, MMIO_GPA, (u32)VALUE } }
#define CALL(addr, len)							\
	.is_hypercall = true, .access.regs = {				\
		.rax = KVM_HC_MMIO_WRITE, .rbx = addr, .rcx = VALUE, .rdx = len }

static const struct stats_case {
	struct access_case access;
	bool turned_off, is_hypercall;
	/* At this place KVM has learned a store of EAX. */
	bool known;
	bool in_shadow;
	/* No other statistic of stat_names may change. */
	struct count counts[MAX_COUNTS];
	/* How often the tracepoint fires, and text that must be among its lines. */
	int lines;
	const char *traced[2];
} cases[] = {
	{ .access = { .name = "store to an ioeventfd", CODE(STORE4), .bells = BELL4 },
	  .counts = { EMULATED(1), LEARNED(1), SERVED(NR_RUNS - 1) },
	  .lines = NR_RUNS, .traced = { "slow " THE_STORE "learned", THE_STORE } },
	{ .access = { .name = "store to the VMM", CODE(STORE4), .exits = EXIT4 },
	  .counts = { EMULATED(1), LEARNED(1), SLOW(NR_RUNS - 1) },
	  .lines = NR_RUNS, .traced = { "slow " THE_STORE "learned", "slow " THE_STORE "vmm" } },
	{ .access = { .name = "known store", CODE(STORE4), .exits = EXIT4 },
	  .known = true, .counts = { SLOW(NR_RUNS) },
	  .lines = NR_RUNS, .traced = { "slow " THE_STORE "vmm" } },
	{ .access = { .name = "known store, turned off", CODE(STORE4), .exits = EXIT4 },
	  .known = true, .turned_off = true, .counts = { EMULATED(NR_RUNS) } },
	{ .access = { .name = "store with a prefix", CODE("\x3e" STORE4), .bells = BELL4 },
	  .counts = { EMULATED(NR_RUNS) } },
	{ .access = { .name = "store of another register", CODE(STORE4_OF_EBX),
		      .exits = { { STORE_EXIT, 4, MMIO_GPA } } },
	  .known = true,
	  .counts = { EMULATED(1), LEARNED(1), DECLINED("code", 1), SLOW(NR_RUNS - 1) },
	  .lines = NR_RUNS + 1, .traced = { "declined: code", "learned" } },
	/* User space's code is another place, which KVM doesn't know yet. */
	{ .access = { .name = "CPL 3", CODE(STORE4), .mode = CPL3_64BIT, .exits = EXIT4 },
	  .known = true, .counts = { EMULATED(1), LEARNED(1), SLOW(NR_RUNS - 1) },
	  .lines = NR_RUNS, .traced = { "learned" } },
	{ .access = { .name = "store across a page", CODE(STORE4), .regs.rdx = FAR_GPA - 3,
		      .exits = { { STORE_EXIT, 3, FAR_GPA - 3, VALUE & 0xffffff },
				 { STORE_EXIT, 1, FAR_GPA, (VALUE >> 24) & 0xff } } },
	  .known = true, .counts = { EMULATED(NR_RUNS), DECLINED("address", NR_RUNS) },
	  .lines = NR_RUNS, .traced = { "declined: address" } },
	/* A known place isn't learned again only because KVM declined a store there. */
	{ .access = { .name = "shadow of sti", CODE("\xfb" STORE4), .exits = EXIT4,
		      .rflags_after = RFLAGS_IF },
	  .counts = { EMULATED(NR_RUNS), LEARNED(1), DECLINED("state", NR_RUNS - 1) },
	  .lines = NR_RUNS, .traced = { "declined: state", "learned" }, .in_shadow = true },
	{ .access = { .name = "hypercall to an ioeventfd", .rax_after = 0, .bells = BELL4 },
	  CALL(MMIO_GPA, 4),
	  .counts = { { "hc_mmio_write_fast", "hc_mmio_write_slow", NR_RUNS } },
	  .lines = NR_RUNS },
	{ .access = { .name = "hypercall to the VMM", .rax_after = 0, .exits = EXIT4 },
	  CALL(MMIO_GPA, 4), .counts = { { "hc_mmio_write_slow", NULL, NR_RUNS } },
	  .lines = NR_RUNS,
	  .traced = { "slow hypercall addr 0xd0000000 len 4 val 0x1122334455667788: vmm" } },
	{ .access = { .name = "hypercall, refused", .rax_after = -KVM_EINVAL },
	  CALL(MMIO_GPA, 3), .counts = { REFUSED }, .lines = NR_RUNS, .traced = { "refused" } },
	{ .access = { .name = "hypercall to RAM", .rax_after = -KVM_EFAULT },
	  CALL(RAM_GPA, 4), .counts = { REFUSED }, .lines = NR_RUNS, .traced = { "refused" } },
};

#define NR_UNTRACED_TESTS	4
#define NR_TRACE_TESTS		(ARRAY_SIZE(cases) + 2)

static void read_stats(struct case_vm *cvm, u64 stats[NR_STATS])
{
	int i;

	for (i = 0; i < NR_STATS; i++)
		stats[i] = read_vcpu_stat(cvm->stats_fd,
					  find_vcpu_stat(cvm->stats_fd, stat_names[i]));
}

static bool is_counted(const char *name, const struct count *count)
{
	return count->name && (!strcmp(name, count->name) ||
			       (count->other && !strcmp(name, count->other)));
}

/* Hypercalls are decoded where hardware doesn't tell their length. */
static void compare_stats(const u64 before[NR_STATS], const u64 after[NR_STATS],
			  const struct stats_case *sc)
{
	u64 counted[MAX_COUNTS] = {};
	int i, j;

	for (i = 0; i < NR_STATS; i++) {
		for (j = 0; j < MAX_COUNTS && !is_counted(stat_names[i], &sc->counts[j]); j++)
			;
		if (j < MAX_COUNTS)
			counted[j] += after[i] - before[i];
		else if (!sc->is_hypercall || strcmp(stat_names[i], "insn_emulation"))
			case_expect(after[i] - before[i], 0, stat_names[i]);
	}
	for (j = 0; j < MAX_COUNTS; j++)
		case_expect(counted[j], sc->counts[j].nr, sc->counts[j].name);
}

static void learn_place(struct case_vm *cvm, u64 gpa)
{
	struct access_case c = {
		.name = "to be known", CODE(STORE4), .code_gpa = gpa,
		.regs = { .rax = VALUE, .rdx = MMIO_GPA }, .exits = EXIT4,
	};

	TEST_ASSERT(run_case(cvm, &c), "a plain store must work");
}

/* Each case that needs a known place gets its own, also when it's run again. */
static u64 choose_place(const struct stats_case *sc)
{
	static u64 nr_known;

	return sc->known ? CODE_GPA + CODE_SLOT_SIZE * nr_known++ : 0;
}

/* The emulated Intel CPU drops the interrupt shadow when a page fault exits. */
static bool is_skipped(const struct stats_case *sc)
{
	if (!sc->in_shadow || !host_cpu_is_intel || kvm_is_tdp_enabled())
		return false;

	ksft_test_result_skip("%s: page faults that exit may drop the shadow\n",
			      sc->access.name);
	return true;
}

static void run_stats_case(struct case_vm *cvm, const struct stats_case *sc)
{
	struct access_case c = sc->access;
	u64 before[NR_STATS], after[NR_STATS];

	if (sc->is_hypercall) {
		c.code = hypercall_insn();
		c.code_len = HYPERCALL_INSN_LEN;
		c.changes_rax = true;
	} else {
		c.regs.rax = VALUE;
		c.regs.rdx = c.regs.rdx ?: MMIO_GPA;
	}
	c.code_gpa = choose_place(sc);
	if (c.code_gpa)
		learn_place(cvm, c.code_gpa);
	vm_enable_cap(cvm->vm, KVM_CAP_X86_PV_MMIO, !sc->turned_off);
	read_stats(cvm, before);
	run_case(cvm, &c);
	read_stats(cvm, after);
	vm_enable_cap(cvm->vm, KVM_CAP_X86_PV_MMIO, 1);
	compare_stats(before, after, sc);
}

/* Runs an access at a new place, and compares one statistic. */
static void run_counted(struct case_vm *cvm, const char *stat, const struct access_case *access,
			u64 expected)
{
	off_t offset = find_vcpu_stat(cvm->stats_fd, stat);
	struct access_case c = *access;
	u64 before, after;

	c.regs.rax = VALUE;
	c.regs.rdx = MMIO_GPA;
	before = read_vcpu_stat(cvm->stats_fd, offset);
	run_case(cvm, &c);
	after = read_vcpu_stat(cvm->stats_fd, offset);
	case_expect(after - before, expected, stat);
	ksft_test_result(case_passed(), "%s\n", c.name);
}

static void test_port(struct case_vm *cvm)
{
	const struct access_case out = { .name = "out to a port", CODE("\xe6\x51") };
	int fd = eventfd_create();

	ioeventfd_set(cvm->vm, fd, BELL_PORT, 1, KVM_IOEVENTFD_FLAG_PIO, 0);
	run_counted(cvm, "pio_doorbell_fast", &out, kernel_has_fast_path() ? NR_RUNS : 0);
	close(fd);
}

/*
 * On VMX, KVM looks for length 0 first.  To skip the instruction, it needs its
 * length: that of a plain store at a place it knows, else the one that hardware
 * tells, which isn't reliable under another hypervisor.
 */
static void test_length0(struct case_vm *cvm)
{
	const struct access_case store = {
		.name = "store to a length-0 ioeventfd", CODE(STORE4),
		.bells = { { ANY_VALUE, 0, 1, MMIO_GPA } },
	};
	const struct access_case prefix = {
		.name = "store to a length-0 ioeventfd, with a prefix", CODE("\x3e" STORE4),
		.bells = { { ANY_VALUE, 0, 1, MMIO_GPA } },
	};
	bool is_fast = store_has_fast_path(CPL0_64BIT);
	bool is_vmx = is_fast && host_cpu_is_intel;

	run_counted(cvm, "mmio_doorbell_fast", &store, is_vmx ? NR_RUNS - 1 : 0);
	run_counted(cvm, "pv_mmio_fast", &store, is_fast && !is_vmx ? NR_RUNS - 1 : 0);
	run_counted(cvm, "mmio_doorbell_fast", &prefix,
		    is_vmx && !this_cpu_has(X86_FEATURE_HYPERVISOR) ? NR_RUNS - 1 : 0);
}

/* Returns whether the write succeeded. */
static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool trace_starts(void)
{
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	return write_file(EVENT "/enable", "1");
}

/* How many lines of a file contain both texts. */
static int lines_with(const char *path, const char *text, const char *more)
{
	FILE *file = fopen(path, "r");
	char line[2048];
	int n = 0;

	TEST_ASSERT(file, "%s must be readable, errno %d", path, errno);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, text) && strstr(line, more);
	fclose(file);
	return n;
}

static int trace_lines(const char *text)
{
	return lines_with(TRACEFS "/trace", "kvm_pv_mmio: ", text);
}

/* perf and trace-cmd print by this format, and don't know the kernel's constants. */
static void test_format(void)
{
	case_begin("format");
	case_expect(lines_with(EVENT "/format", "print fmt: ", "\"learned\""), 1,
		    "the format with words");
	case_expect(lines_with(EVENT "/format", "print fmt: ", "KVM_PV_MMIO_"), 0,
		    "the format with the kernel's names");
	ksft_test_result(case_passed(), "format of the event\n");
}

static void run_traced(struct case_vm *cvm, const struct stats_case *sc)
{
	int i, lines = sc->lines;

	if (is_skipped(sc))
		return;
	/* The runs that make the place known are traced, too. */
	if (sc->known)
		lines += NR_RUNS;
	/* Opening the trace for writing empties it. */
	write_file(TRACEFS "/trace", "\n");
	run_stats_case(cvm, sc);
	case_expect(trace_lines("vcpu 0 "), lines, "the lines of the trace");
	for (i = 0; i < ARRAY_SIZE(sc->traced) && sc->traced[i]; i++)
		case_expect(trace_lines(sc->traced[i]) > 0, true, sc->traced[i]);
	ksft_test_result(case_passed(), "%s, traced\n", sc->access.name);
}

/* The kvm_mmio tracepoint must also show stores that aren't emulated. */
static void test_mmio_event(struct case_vm *cvm)
{
	struct access_case c = {
		.name = "kvm_mmio of a store to an ioeventfd", CODE(STORE4),
		.regs = { .rax = VALUE, .rdx = MMIO_GPA }, .bells = BELL4,
	};

	write_file(TRACEFS "/trace", "\n");
	write_file(MMIO_EVENT "/enable", "1");
	run_case(cvm, &c);
	write_file(MMIO_EVENT "/enable", "0");
	case_expect(lines_with(TRACEFS "/trace", "kvm_mmio: ",
			       "mmio write len 4 gpa 0xd0000000 val 0x55667788"),
		    NR_RUNS, "the lines of the trace");
	if (store_has_fast_path(CPL0_64BIT))
		case_expect(trace_lines("fast " THE_STORE "eventfd"), NR_RUNS - 1,
			    "lines of the fast path");
	ksft_test_result(case_passed(), "%s\n", c.name);
}

static void test_traces(struct case_vm *cvm)
{
	int i;

	if (!trace_starts()) {
		for (i = 0; i < NR_TRACE_TESTS; i++)
			ksft_test_result_skip("traced: this kernel has no tracefs\n");
		return;
	}

	test_format();
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		run_traced(cvm, &cases[i]);
	test_mmio_event(cvm);
	write_file(EVENT "/enable", "0");
}

int main(void)
{
	struct case_vm cvm;
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	ksft_set_plan(ARRAY_SIZE(cases) + NR_UNTRACED_TESTS + NR_TRACE_TESTS);

	case_vm_create(&cvm, NULL);
	vm_enable_cap(cvm.vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (is_skipped(&cases[i]))
			continue;
		run_stats_case(&cvm, &cases[i]);
		ksft_test_result(case_passed(), "%s\n", cases[i].access.name);
	}
	test_port(&cvm);
	test_length0(&cvm);
	test_traces(&cvm);
	case_vm_free(&cvm);
	ksft_finished();
}
