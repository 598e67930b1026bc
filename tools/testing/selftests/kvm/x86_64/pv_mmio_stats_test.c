// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbells can be seen at work: statistics of the vCPU for each way to ring
 * and each reason to leave a store to the emulator, and a tracepoint.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/utsname.h>

#include "pv_mmio_case.h"

#define VALUE		0x1122334455667788ull
#define BELL_PORT	0x51
#define TRACEFS		"/sys/kernel/tracing"
#define EVENT		TRACEFS "/events/kvm/kvm_pv_mmio"

#define STORE4		"\x89\x02"	/* mov %eax,(%rdx) */
#define SIGNED4		(KVM_PV_MMIO_SIGNATURE | 4)

static const char * const stat_names[] = {
	"pv_mmio_fast", "pv_mmio_slow", "pv_mmio_declined_off", "pv_mmio_declined_state",
	"pv_mmio_declined_address", "pv_mmio_declined_ram", "pv_mmio_declined_code",
	"hc_mmio_write_fast", "hc_mmio_write_slow", "hc_mmio_write_refused", "pio_doorbell_fast",
	"mmio_doorbell_fast",
};

#define NR_STATS	ARRAY_SIZE(stat_names)

static const struct stats_case {
	struct access_case access;
	/* Names of statistics that count each run, in sum; any other stands still. */
	const char *counts[2];
	/* What the tracepoint says of a run that is decided behind the fast path. */
	const char *traced;
	bool turned_off, is_hypercall;
} cases[] = {
	{ .access = { .name = "plain store", CODE(STORE4),
		      .exits = { { STORE_EXIT, 4, MMIO_GPA, (u32)VALUE } } } },
	{ .access = { .name = "PV store to an ioeventfd", CODE(STORE4), .regs.rcx = SIGNED4,
		      .bells = { { ANY_VALUE, 4, 1, MMIO_GPA } } },
	  .counts = { "pv_mmio_fast", "pv_mmio_slow" },
	  .traced = "slow store addr 0xd0000000 len 4 val 0x55667788: in-kernel" },
	{ .access = { .name = "PV store to the VMM", CODE(STORE4), .regs.rcx = SIGNED4,
		      .exits = { { STORE_EXIT, 4, MMIO_GPA, (u32)VALUE } } },
	  .counts = { "pv_mmio_slow" },
	  .traced = "slow store addr 0xd0000000 len 4 val 0x55667788: vmm" },
	{ .access = { .name = "turned off", CODE(STORE4), .regs.rcx = SIGNED4,
		      .exits = { { STORE_EXIT, 4, MMIO_GPA, (u32)VALUE } } },
	  .turned_off = true,
	  .counts = { "pv_mmio_declined_off" }, .traced = "declined: off" },
	{ .access = { .name = "CPL 3", CODE(STORE4), .regs.rcx = SIGNED4, .mode = CPL3_64BIT,
		      .exits = { { STORE_EXIT, 4, MMIO_GPA, (u32)VALUE } } },
	  .counts = { "pv_mmio_declined_state" }, .traced = "declined: state" },
	{ .access = { .name = "width 3", CODE(STORE4), .regs.rcx = KVM_PV_MMIO_SIGNATURE | 3,
		      .exits = { { STORE_EXIT, 4, MMIO_GPA, (u32)VALUE } } },
	  .counts = { "pv_mmio_declined_address" }, .traced = "declined: address" },
	{ .access = { .name = "another instruction", CODE("\x89\x1a"), .regs.rcx = SIGNED4,
		      .exits = { { STORE_EXIT, 4, MMIO_GPA } } },
	  .counts = { "pv_mmio_declined_code" }, .traced = "declined: code" },
	{ .access = { .name = "hypercall to an ioeventfd", .rax_after = 0,
		      .regs = { .rax = KVM_HC_MMIO_WRITE, .rbx = MMIO_GPA, .rcx = VALUE,
				.rdx = 4 },
		      .bells = { { ANY_VALUE, 4, 1, MMIO_GPA } } },
	  .is_hypercall = true,
	  .counts = { "hc_mmio_write_fast", "hc_mmio_write_slow" } },
	{ .access = { .name = "hypercall to the VMM", .rax_after = 0,
		      .regs = { .rax = KVM_HC_MMIO_WRITE, .rbx = MMIO_GPA, .rcx = VALUE,
				.rdx = 4 },
		      .exits = { { STORE_EXIT, 4, MMIO_GPA, (u32)VALUE } } },
	  .is_hypercall = true,
	  .counts = { "hc_mmio_write_slow" },
	  .traced = "slow hypercall addr 0xd0000000 len 4 val 0x1122334455667788: vmm" },
	{ .access = { .name = "hypercall, refused", .rax_after = -KVM_EINVAL,
		      .regs = { .rax = KVM_HC_MMIO_WRITE, .rbx = MMIO_GPA, .rcx = VALUE,
				.rdx = 3 } },
	  .is_hypercall = true,
	  .counts = { "hc_mmio_write_refused" }, .traced = "refused" },
	{ .access = { .name = "hypercall to RAM", .rax_after = -KVM_EFAULT,
		      .regs = { .rax = KVM_HC_MMIO_WRITE, .rbx = RAM_GPA, .rcx = VALUE,
				.rdx = 4 } },
	  .is_hypercall = true,
	  .counts = { "hc_mmio_write_refused" }, .traced = "refused" },
};

static void read_stats(struct case_vm *cvm, u64 stats[NR_STATS])
{
	int i;

	for (i = 0; i < NR_STATS; i++)
		stats[i] = read_vcpu_stat(cvm->stats_fd,
					  find_vcpu_stat(cvm->stats_fd, stat_names[i]));
}

static bool is_one_of(const char *name, const char * const names[2])
{
	return (names[0] && !strcmp(name, names[0])) || (names[1] && !strcmp(name, names[1]));
}

static void compare_stats(const u64 before[NR_STATS], const u64 after[NR_STATS],
			  const struct stats_case *c)
{
	const u64 expected = c->counts[0] ? NR_RUNS : 0;
	u64 counted = 0;
	int i;

	for (i = 0; i < NR_STATS; i++) {
		if (is_one_of(stat_names[i], c->counts))
			counted += after[i] - before[i];
		else
			case_expect(after[i] - before[i], 0, stat_names[i]);
	}
	case_expect(counted, expected, "the doorbells that were counted");
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
		c.regs.rdx = MMIO_GPA;
		c.regs.rcx ^= c.regs.rcx ? MMIO_GPA : 0;
	}
	vm_enable_cap(cvm->vm, KVM_CAP_X86_PV_MMIO, !sc->turned_off);
	read_stats(cvm, before);
	run_case(cvm, &c);
	read_stats(cvm, after);
	compare_stats(before, after, sc);
}

/* On PREEMPT_RT no doorbell is rung in the exit fast path. */
static bool has_fast_path(void)
{
	struct utsname name;

	return !uname(&name) && !strstr(name.version, "PREEMPT_RT");
}

/*
 * A store to a length-0 ioeventfd is skipped by the length that hardware tells,
 * from its second run on.  Only VMX does, and another hypervisor may not.
 */
static bool has_length0_fast_path(void)
{
	return host_cpu_is_intel && !this_cpu_has(X86_FEATURE_HYPERVISOR);
}

/* Those of unmodified guests. */
static void run_unmodified(struct case_vm *cvm, const char *stat, const struct access_case *c,
			   u64 expected)
{
	off_t offset = find_vcpu_stat(cvm->stats_fd, stat);
	u64 before = read_vcpu_stat(cvm->stats_fd, offset), after;

	run_case(cvm, c);
	after = read_vcpu_stat(cvm->stats_fd, offset);
	if (!has_fast_path())
		expected = 0;
	case_expect(after - before, expected, stat);
	ksft_test_result(case_passed(), "%s\n", c->name);
}

static void test_unmodified_guests(struct case_vm *cvm)
{
	struct access_case out = { .name = "out to a port", CODE("\xe6\x51") };
	struct access_case store = {
		.name = "store to a length-0 ioeventfd", CODE(STORE4),
		.regs = { .rax = VALUE, .rdx = MMIO_GPA },
		.bells = { { ANY_VALUE, 0, 1, MMIO_GPA } },
	};
	int fd = eventfd_create();

	ioeventfd_set(cvm->vm, fd, BELL_PORT, 1, KVM_IOEVENTFD_FLAG_PIO, 0);
	run_unmodified(cvm, "pio_doorbell_fast", &out, NR_RUNS);
	close(fd);
	run_unmodified(cvm, "mmio_doorbell_fast", &store,
		       has_length0_fast_path() ? NR_RUNS - 1 : 0);
}

/* True if the file took it. */
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

/* How many lines of a file say both. */
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

/* perf and trace-cmd print what this says, and know none of the kernel's names. */
static void test_format(bool can_trace)
{
	if (!can_trace) {
		ksft_test_result_skip("format: this kernel has no tracefs\n");
		return;
	}
	case_expect(lines_with(EVENT "/format", "print fmt: ", "\"store\""), 1,
		    "the format with words");
	case_expect(lines_with(EVENT "/format", "print fmt: ", "KVM_PV_MMIO_"), 0,
		    "the format with the kernel's names");
	ksft_test_result(case_passed(), "format of the event\n");
}

static void run_traced(struct case_vm *cvm, const struct stats_case *sc, bool can_trace)
{
	const int lines = sc->counts[0] ? NR_RUNS : 0;

	if (!can_trace) {
		ksft_test_result_skip("%s, traced: this kernel has no tracefs\n", sc->access.name);
		return;
	}
	/* Opening it for writing empties the trace. */
	write_file(TRACEFS "/trace", "\n");
	run_stats_case(cvm, sc);
	case_expect(trace_lines("vcpu 0 "), lines, "the lines of the trace");
	if (sc->traced)
		case_expect(trace_lines(sc->traced) > 0, true, sc->traced);
	ksft_test_result(case_passed(), "%s, traced\n", sc->access.name);
}

int main(void)
{
	struct case_vm cvm;
	bool can_trace;
	int i;

	ksft_print_header();
	if (!kvm_has_cap(KVM_CAP_X86_PV_MMIO))
		ksft_exit_skip("KVM_CAP_X86_PV_MMIO is not offered\n");
	ksft_set_plan(2 * ARRAY_SIZE(cases) + 3);

	case_vm_create(&cvm, NULL);
	vm_enable_cap(cvm.vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		run_stats_case(&cvm, &cases[i]);
		ksft_test_result(case_passed(), "%s\n", cases[i].access.name);
	}
	test_unmodified_guests(&cvm);
	can_trace = trace_starts();
	test_format(can_trace);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		run_traced(&cvm, &cases[i], can_trace);
	if (can_trace)
		write_file(EVENT "/enable", "0");
	case_vm_free(&cvm);
	ksft_finished();
}
