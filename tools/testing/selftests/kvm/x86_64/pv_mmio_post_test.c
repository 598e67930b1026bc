// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioeventfds that post: whichever way a guest writes, the value comes to the slot
 * as a whole and nothing beside the slot changes; then the eventfd is signalled or
 * not.  Without access to the slot, the write goes to the VMM.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>

#include "pv_mmio_case.h"
#include "pv_mmio_l2.h"

#define VALUE		0x1122334455667788ull
#define OTHER_VALUE	0x0123456789abcdefull
#define BELL_PORT	0x2000
#define NR_WIDTHS	4
#define MARK		0x5a
#define MARKS		0x5a5a5a5a5a5a5a5aull
#define HUGE_SIZE	(2ul << 20)

/* The page with the slot, which has marks on both sides.  The word has its own page. */
struct shared {
	u64 before, slot, after;
};

struct post_vm {
	struct case_vm cvm;
	struct shared *shared;
	u32 *word;
	off_t faults, fast[3];
};

/* The vCPU statistics in which the fast path counts. */
enum fast { FAST_STORE, FAST_CALL, FAST_OUT };

static const char * const fast_names[] = {
	"pv_mmio_fast", "hc_mmio_write_fast", "pio_doorbell_fast",
};

struct insn {
	const char *code;
	size_t len;
};

#define INSN(bytes)	{ bytes, sizeof(bytes) - 1 }

static const struct way {
	const char *name;
	enum fast fast;
	enum cpu_mode mode;
	bool is_slow;		/* the fast path never serves it */
	bool turned_off;	/* KVM_CAP_X86_PV_MMIO */
	struct insn insns[NR_WIDTHS];	/* of 1, 2, 4, 8 bytes; none is a hypercall */
} ways[] = {
	{ "store", FAST_STORE, CPL0_64BIT, false, false,
	  { INSN("\x88\x02"), INSN("\x66\x89\x02"), INSN("\x89\x02"), INSN("\x48\x89\x02") } },
	{ "store at CPL 3", FAST_STORE, CPL3_64BIT, false, false,
	  { INSN("\x88\x02"), INSN("\x66\x89\x02"), INSN("\x89\x02"), INSN("\x48\x89\x02") } },
	{ "decoded store", FAST_STORE, CPL0_64BIT, true, false,
	  { INSN("\x3e\x88\x02"), INSN("\x3e\x66\x89\x02"), INSN("\x3e\x89\x02"),
	    INSN("\x3e\x48\x89\x02") } },
	{ "store, turned off", FAST_STORE, CPL0_64BIT, true, true,
	  { INSN("\x88\x02"), INSN("\x66\x89\x02"), INSN("\x89\x02"), INSN("\x48\x89\x02") } },
	{ "hypercall", FAST_CALL, CPL0_64BIT, false, false, {} },
	{ "out", FAST_OUT, CPL0_64BIT, false, false,
	  { INSN("\xee"), INSN("\x66\xef"), INSN("\xef") } },
	{ "outs", FAST_OUT, CPL0_64BIT, true, false,
	  { INSN("\x6e"), INSN("\x66\x6f"), INSN("\x6f") } },
};

#define NR_WAYS		ARRAY_SIZE(ways)
#define WAY_CALL	4

static bool is_port(const struct way *way)
{
	return way->fast == FAST_OUT;
}

static bool is_outs(const struct way *way)
{
	return is_port(way) && way->is_slow;
}

/* Whether the eventfd is signalled: always, never, or as the word says. */
enum signal { SIGNAL, NOBODY, AWAKE, ASLEEP, NR_SIGNALS };

static const char * const signal_names[NR_SIGNALS] = {
	"signal", "nobody", "awake", "asleep",
};

static bool wakes(enum signal signal)
{
	return signal == AWAKE || signal == ASLEEP;
}

static struct kvm_ioeventfd_post post_args(struct post_vm *pvm, const struct way *way, u32 width,
					   bool datamatch, enum signal signal)
{
	return (struct kvm_ioeventfd_post) {
		.datamatch = datamatch ? VALUE & WIDTH_MASK(width) : 0,
		.addr = is_port(way) ? BELL_PORT : MMIO_GPA,
		.len = width,
		.fd = signal == NOBODY ? -1 : pvm->cvm.bell_fds[0],
		.flags = KVM_IOEVENTFD_FLAG_POST |
			 (is_port(way) ? KVM_IOEVENTFD_FLAG_PIO : 0) |
			 (datamatch ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
			 (wakes(signal) ? KVM_IOEVENTFD_FLAG_WAKE : 0),
		.post_addr = (u64)&pvm->shared->slot,
		.wake_addr = (u64)pvm->word,
	};
}

static int try_ioeventfd(struct post_vm *pvm, const struct kvm_ioeventfd_post *args)
{
	return __vm_ioctl(pvm->cvm.vm, KVM_IOEVENTFD, (struct kvm_ioeventfd *)args) ? errno : 0;
}

static void assign(struct post_vm *pvm, const struct kvm_ioeventfd_post *args)
{
	case_expect(try_ioeventfd(pvm, args), 0, "the error of KVM_IOEVENTFD");
}

static void deassign(struct post_vm *pvm, const struct kvm_ioeventfd_post *args)
{
	struct kvm_ioeventfd_post gone = *args;

	gone.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	case_expect(try_ioeventfd(pvm, &gone), 0, "the error of deassigning");
}

/* One guest access that writes @value. */
static struct access_case make_access(const struct way *way, int width_index, u64 value)
{
	u32 width = 1 << width_index;
	struct access_case c = {
		.name = way->name,
		.code = way->insns[width_index].code,
		.code_len = way->insns[width_index].len,
		.mode = way->mode,
		.regs = { .rax = value, .rdx = is_port(way) ? BELL_PORT : MMIO_GPA },
	};

	if (way->fast == FAST_CALL) {
		c.code = hypercall_insn();
		c.code_len = HYPERCALL_INSN_LEN;
		c.regs.rax = KVM_HC_MMIO_WRITE;
		c.regs.rbx = MMIO_GPA;
		c.regs.rcx = value;
		c.regs.rdx = width;
		c.changes_rax = true;
	}
	return c;
}

/* outs takes the value from guest RAM, which run_case_once() clears. */
static void set_registers(struct post_vm *pvm, const struct way *way, const struct access_case *c,
			  u64 rip)
{
	struct kvm_regs regs;

	case_set_regs(&pvm->cvm, c, rip);
	if (!is_outs(way))
		return;

	*(u64 *)addr_gpa2hva(pvm->cvm.vm, RAM_GPA) = c->regs.rax;
	vcpu_regs_get(pvm->cvm.vcpu, &regs);
	regs.rsi = RAM_GPA;
	vcpu_regs_set(pvm->cvm.vcpu, &regs);
}

static void expect_exit(struct kvm_run *run, const struct way *way, u32 width, u64 value)
{
	void *data = is_port(way) ? (void *)run + run->io.data_offset : run->mmio.data;
	u32 reason = is_port(way) ? KVM_EXIT_IO : KVM_EXIT_MMIO;
	u64 got = 0;

	case_expect(run->exit_reason, reason, "the exit");
	memcpy(&got, data, width);
	if (is_port(way)) {
		case_expect(run->io.port, BELL_PORT, "io.port");
		case_expect(run->io.size, width, "io.size");
		case_expect(run->io.direction, KVM_EXIT_IO_OUT, "io.direction");
	} else {
		case_expect(run->mmio.phys_addr, MMIO_GPA, "mmio.phys_addr");
		case_expect(run->mmio.len, width, "mmio.len");
		case_expect(run->mmio.is_write, true, "mmio.is_write");
	}
	case_expect(got, value & WIDTH_MASK(width), "the value that the VMM has");
}

/* Runs the code to its end, with an exit to the VMM before that if @exits. */
static void run_access(struct post_vm *pvm, const struct way *way, int width_index, u64 value,
		       u64 rip, bool exits)
{
	struct access_case c = make_access(way, width_index, value);
	struct kvm_run *run = pvm->cvm.vcpu->run;
	u64 rax = c.changes_rax ? 0 : c.regs.rax;
	struct kvm_regs regs;

	set_registers(pvm, way, &c, rip);
	case_expect(vcpu_run_bounded(pvm->cvm.vcpu), 0, "the error of KVM_RUN");
	if (exits) {
		expect_exit(run, way, 1 << width_index, value);
		case_expect(vcpu_run_bounded(pvm->cvm.vcpu), 0, "the error of KVM_RUN");
	}
	case_expect(run->exit_reason, KVM_EXIT_IO, "the exit at the end");
	case_expect(run->io.port, DONE_PORT, "the port at the end");
	vcpu_regs_get(pvm->cvm.vcpu, &regs);
	case_expect(regs.rax, rax, "RAX");
	case_expect(regs.rdx, c.regs.rdx, "RDX");
	/* Lets KVM complete the exit at the end, so that RIP is final. */
	run->immediate_exit = 1;
	__vcpu_run(pvm->cvm.vcpu);
	run->immediate_exit = 0;
}

static u64 place(struct post_vm *pvm, const struct way *way, int width_index)
{
	struct access_case c = make_access(way, width_index, 0);

	/* Code slots may be used again, because KVM compares the code each time. */
	pvm->cvm.nr_slots %= CODE_SLOT_PAGES * PAGE_SIZE / CODE_SLOT_SIZE;
	case_set_mode(&pvm->cvm, way->mode);
	return case_place_code(&pvm->cvm, &c);
}

static u64 count(struct post_vm *pvm, off_t stat)
{
	return read_vcpu_stat(pvm->cvm.stats_fd, stat);
}

static void mark(struct post_vm *pvm, enum signal signal)
{
	memset(pvm->shared, MARK, sizeof(*pvm->shared));
	*pvm->word = signal == ASLEEP;
}

/* All bytes but those of the value are as they were. */
static void check_slot(struct post_vm *pvm, u32 width, u64 value)
{
	u64 mask = width ? WIDTH_MASK(width) : 0;

	case_expect(pvm->shared->slot, (value & mask) | (MARKS & ~mask), "the slot");
	case_expect(pvm->shared->before, MARKS, "what is before the slot");
	case_expect(pvm->shared->after, MARKS, "what is after the slot");
}

static u64 nr_signals(enum signal signal)
{
	return signal == SIGNAL || signal == ASLEEP;
}

/* On PREEMPT_RT, the fast path serves only those that never signal. */
static bool is_fast(const struct way *way, enum signal signal)
{
	if (way->is_slow || (signal != NOBODY && !kernel_has_fast_path()))
		return false;
	return way->fast != FAST_STORE || machine_has_fast_stores(way->mode);
}

/* KVM learns the first.  Without DATAMATCH, each of the others has its own value. */
static void run_posts(struct post_vm *pvm, const struct way *way, int width_index, bool datamatch,
		      enum signal signal)
{
	u64 rip = place(pvm, way, width_index);
	u64 fast = count(pvm, pvm->fast[way->fast]), faults = count(pvm, pvm->faults), value;
	int i;

	for (i = 0; i < NR_RUNS; i++) {
		value = datamatch ? VALUE : VALUE + i * 0x0101010101010101ull;
		mark(pvm, signal);
		run_access(pvm, way, width_index, value, rip, false);
		check_slot(pvm, 1 << width_index, value);
		case_expect(eventfd_take(pvm->cvm.bell_fds[0]), nr_signals(signal), "signals");
	}
	fast = count(pvm, pvm->fast[way->fast]) - fast;
	if (is_fast(way, signal) ? fast < NR_RUNS - 1 : fast)
		case_fail("of %u writes, %lu took the fast path", NR_RUNS, fast);
	case_expect(count(pvm, pvm->faults) - faults, 0, "faults");
}

static void turn(struct post_vm *pvm, const struct way *way)
{
	vm_enable_cap(pvm->cvm.vm, KVM_CAP_X86_PV_MMIO, !way->turned_off);
}

static void test_way(struct post_vm *pvm, const struct way *way, int width_index)
{
	u32 width = 1 << width_index;
	struct kvm_ioeventfd_post args;
	char name[80];
	int signal, datamatch;

	snprintf(name, sizeof(name), "%s of %u", way->name, width);
	case_begin(name);
	turn(pvm, way);
	for (signal = 0; signal < NR_SIGNALS; signal++) {
		for (datamatch = 0; datamatch < 2; datamatch++) {
			args = post_args(pvm, way, width, datamatch, signal);
			assign(pvm, &args);
			run_posts(pvm, way, width_index, datamatch, signal);
			deassign(pvm, &args);
			if (!case_passed()) {
				case_fail("it was with DATAMATCH %d, %s", datamatch,
					  signal_names[signal]);
				goto out;
			}
		}
	}
out:
	ksft_test_result(case_passed(), "%s\n", name);
}

/* What was done to the page of the slot or of the word. */
enum spoilt { NO_ACCESS, READ_ONLY, UNMAPPED, WORD_NO_ACCESS, NR_PAGES };

static const char * const page_names[NR_PAGES] = {
	"no access to the slot", "slot is read-only", "slot is unmapped", "no access to the word",
};

static void *map_at(void *where, int protection)
{
	return mmap(where, PAGE_SIZE, protection,
		    MAP_PRIVATE | MAP_ANONYMOUS | (where ? MAP_FIXED : 0), -1, 0);
}

static void spoil(struct post_vm *pvm, enum spoilt page)
{
	int r = 0;

	if (page == NO_ACCESS)
		r = mprotect(pvm->shared, PAGE_SIZE, PROT_NONE);
	else if (page == READ_ONLY)
		r = mprotect(pvm->shared, PAGE_SIZE, PROT_READ);
	else if (page == WORD_NO_ACCESS)
		r = mprotect(pvm->word, PAGE_SIZE, PROT_NONE);
	else
		r = munmap(pvm->shared, PAGE_SIZE);
	TEST_ASSERT(!r, "changing a page must succeed, errno %d", errno);
}

static void mend(struct post_vm *pvm, enum spoilt page)
{
	if (page == UNMAPPED) {
		TEST_ASSERT(map_at(pvm->shared, PROT_READ | PROT_WRITE) == pvm->shared,
			    "mmap() must succeed, errno %d", errno);
		memset(pvm->shared, MARK, PAGE_SIZE);
	} else {
		mprotect(pvm->shared, PAGE_SIZE, PROT_READ | PROT_WRITE);
		mprotect(pvm->word, PAGE_SIZE, PROT_READ | PROT_WRITE);
	}
}

/*
 * A known place rings, then the page goes: each write goes to the VMM.  When the
 * page is back, the same ioeventfd posts again.
 */
static void run_spoilt(struct post_vm *pvm, const struct way *way, int width_index,
		       enum spoilt page)
{
	enum signal signal = page == WORD_NO_ACCESS ? ASLEEP : SIGNAL;
	u64 rip = place(pvm, way, width_index), faults;
	struct kvm_ioeventfd_post args;
	int i;

	args = post_args(pvm, way, 1 << width_index, false, signal);
	assign(pvm, &args);
	run_posts(pvm, way, width_index, false, signal);
	mark(pvm, signal);
	faults = count(pvm, pvm->faults);
	spoil(pvm, page);
	for (i = 0; i < NR_RUNS; i++)
		run_access(pvm, way, width_index, OTHER_VALUE + i, rip, true);
	mend(pvm, page);
	case_expect(count(pvm, pvm->faults) - faults, NR_RUNS, "faults");
	case_expect(eventfd_take(pvm->cvm.bell_fds[0]), 0, "signals");
	check_slot(pvm, 0, 0);
	run_posts(pvm, way, width_index, false, signal);
	deassign(pvm, &args);
}

static void test_spoilt(struct post_vm *pvm, enum spoilt page)
{
	int i;

	case_begin(page_names[page]);
	for (i = 0; i < NR_WAYS && case_passed(); i++) {
		turn(pvm, &ways[i]);
		run_spoilt(pvm, &ways[i], 2, page);
	}
	if (!case_passed())
		case_fail("it was by %s", ways[i - 1].name);
	ksft_test_result(case_passed(), "%s\n", page_names[page]);
}

/* Kinds of memory for the slot.  If a page isn't present, the slow path faults it in. */
static const struct {
	const char *name;
	int flags;
	size_t size;
} memories[] = {
	{ "anonymous memory", MAP_PRIVATE | MAP_ANONYMOUS, PAGE_SIZE },
	{ "memfd", MAP_SHARED, PAGE_SIZE },
	{ "hugetlb", MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, HUGE_SIZE },
};

static void run_absent(struct post_vm *pvm, const struct way *way)
{
	struct kvm_ioeventfd_post args = post_args(pvm, way, 4, false, SIGNAL);
	u64 rip = place(pvm, way, 2), fast;
	int i;

	assign(pvm, &args);
	run_access(pvm, way, 2, VALUE, rip, false);
	case_expect((u32)pvm->shared->slot, (u32)VALUE, "the slot");
	fast = count(pvm, pvm->fast[way->fast]);
	for (i = 0; i < NR_RUNS; i++) {
		madvise(pvm->shared, PAGE_SIZE, MADV_DONTNEED);
		run_access(pvm, way, 2, VALUE + i, rip, false);
		case_expect((u32)pvm->shared->slot, (u32)VALUE + i, "the slot");
	}
	case_expect(count(pvm, pvm->fast[way->fast]) - fast, 0, "the fast path");
	case_expect(eventfd_take(pvm->cvm.bell_fds[0]), 1 + NR_RUNS, "signals");
	run_posts(pvm, way, 2, false, SIGNAL);
	deassign(pvm, &args);
}

/* MADV_DONTNEED of 4 KiB doesn't drop a hugetlb page, so there @goes is false. */
static void run_in_memory(struct post_vm *pvm, bool goes)
{
	struct kvm_ioeventfd_post args;
	int i;

	for (i = 0; i < NR_WAYS; i++) {
		turn(pvm, &ways[i]);
		if (goes) {
			run_absent(pvm, &ways[i]);
			continue;
		}
		args = post_args(pvm, &ways[i], 4, false, SIGNAL);
		assign(pvm, &args);
		run_posts(pvm, &ways[i], 2, false, SIGNAL);
		deassign(pvm, &args);
	}
}

#define NR_HUGEPAGES	"/proc/sys/vm/nr_hugepages"

/* As root, the test can allocate a huge page for itself, and frees it again. */
static void set_huge_pages(const char *nr)
{
	FILE *file = fopen(NR_HUGEPAGES, "w");

	if (file) {
		fputs(nr, file);
		fclose(file);
	}
}

static void *map_memory(int m, int fd)
{
	void *memory = mmap(NULL, memories[m].size, PROT_READ | PROT_WRITE, memories[m].flags,
			    fd, 0);

	if (memory != MAP_FAILED || !(memories[m].flags & MAP_HUGETLB))
		return memory;
	set_huge_pages("1");
	return mmap(NULL, memories[m].size, PROT_READ | PROT_WRITE, memories[m].flags, fd, 0);
}

static void test_memory(struct post_vm *pvm, int m)
{
	bool shared = memories[m].flags & MAP_SHARED;
	int fd = shared ? memfd_create("slot", 0) : -1;
	struct shared *old = pvm->shared;
	void *memory;

	if (shared)
		TEST_ASSERT(!ftruncate(fd, memories[m].size), "ftruncate() must succeed");
	memory = map_memory(m, fd);
	if (memory == MAP_FAILED) {
		ksft_test_result_skip("%s: this host has none, errno %d\n", memories[m].name,
				      errno);
		return;
	}
	case_begin(memories[m].name);
	pvm->shared = memory;
	run_in_memory(pvm, memories[m].size == PAGE_SIZE);
	pvm->shared = old;
	munmap(memory, memories[m].size);
	if (shared)
		close(fd);
	if (memories[m].flags & MAP_HUGETLB)
		set_huge_pages("0");
	ksft_test_result(case_passed(), "%s\n", memories[m].name);
}

/* A file that is too short for its mapping, as if another process had cut it off. */
static void run_truncated(struct post_vm *pvm, const struct way *way, int fd)
{
	struct kvm_ioeventfd_post args = post_args(pvm, way, 4, false, SIGNAL);
	u64 rip = place(pvm, way, 2), faults;
	int i;

	assign(pvm, &args);
	run_posts(pvm, way, 2, false, SIGNAL);
	faults = count(pvm, pvm->faults);
	TEST_ASSERT(!ftruncate(fd, 0), "ftruncate() must succeed");
	for (i = 0; i < NR_RUNS; i++)
		run_access(pvm, way, 2, OTHER_VALUE + i, rip, true);
	TEST_ASSERT(!ftruncate(fd, PAGE_SIZE), "ftruncate() must succeed");
	case_expect(count(pvm, pvm->faults) - faults, NR_RUNS, "faults");
	case_expect(eventfd_take(pvm->cvm.bell_fds[0]), 0, "signals");
	run_posts(pvm, way, 2, false, SIGNAL);
	deassign(pvm, &args);
}

static void test_truncated(struct post_vm *pvm)
{
	int i, fd = memfd_create("slot", 0);
	struct shared *old = pvm->shared;

	case_begin("truncated file");
	TEST_ASSERT(!ftruncate(fd, PAGE_SIZE), "ftruncate() must succeed");
	pvm->shared = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (i = 0; i < NR_WAYS; i++) {
		turn(pvm, &ways[i]);
		run_truncated(pvm, &ways[i], fd);
	}
	munmap(pvm->shared, PAGE_SIZE);
	pvm->shared = old;
	close(fd);
	ksft_test_result(case_passed(), "truncated file\n");
}

/* How a call differs from a good one. */
static const struct refusal {
	const char *name;
	u32 set, clear;		/* flags */
	s64 post, wake;		/* added to the addresses, */
	bool post_is, wake_is;	/* or instead of them */
	u32 len;
	int fd;
	int error;
} refusals[] = {
#define P	KVM_IOEVENTFD_FLAG_POST
#define W	KVM_IOEVENTFD_FLAG_WAKE
	{ "length 0", .len = 0, .error = EINVAL },
	{ "length 3", .len = 3, .error = EINVAL },
	{ "length 16", .len = 16, .error = EINVAL },
	{ "length 0 with DATAMATCH", KVM_IOEVENTFD_FLAG_DATAMATCH, .len = 0, .error = EINVAL },
	{ "NULL", .post_is = true, .len = 4, .error = EINVAL },
	{ "misaligned by 2", .post = 2, .len = 4, .error = EINVAL },
	{ "misaligned by 4", .post = 4, .len = 8, .error = EINVAL },
	{ "misaligned by 1", .post = 1, .len = 2, .error = EINVAL },
	{ "address of the kernel", .post = 0xffffffff81000000, .post_is = true, .len = 4,
	  .error = EINVAL },
	{ "last address", .post = -4, .post_is = true, .len = 4, .error = EINVAL },
	{ "not canonical", .post = 1ull << 57, .len = 4, .error = EINVAL },
	{ "not canonical, upper half", .post = 1ull << 63, .post_is = true, .len = 4,
	  .error = EINVAL },
	{ "guard page", .post = 0x7ffffffff000, .post_is = true, .len = 4, .error = EINVAL },
	{ "tagged", .post = 1ull << 62, .len = 4, .error = EINVAL },
	{ "virtio-ccw", KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY, .len = 4, .error = EINVAL },
	{ "unknown flag", 1 << 29, .len = 4, .error = EINVAL },
	{ "flag beyond the last one of old", 1 << 5, .len = 4, .error = EINVAL },
	{ "WAKE without POST", W, P, .len = 4, .error = EINVAL },
	{ "WAKE with no descriptor", W, .len = 4, .fd = -1, .error = EINVAL },
	{ "WAKE, NULL", W, .wake_is = true, .len = 4, .error = EINVAL },
	{ "WAKE, misaligned by 2", W, .wake = 2, .len = 4, .error = EINVAL },
	{ "WAKE, misaligned by 1", W, .wake = 1, .len = 1, .error = EINVAL },
	{ "WAKE, address of the kernel", W, .wake = 0xffffffff81000000, .wake_is = true, .len = 4,
	  .error = EINVAL },
	{ "WAKE, last address", W, .wake = -4, .wake_is = true, .len = 4, .error = EINVAL },
	{ "WAKE, not canonical", W, .wake = 1ull << 57, .len = 4, .error = EINVAL },
	{ "WAKE, not canonical, upper half", W, .wake = 1ull << 63, .wake_is = true, .len = 4,
	  .error = EINVAL },
	{ "WAKE, guard page", W, .wake = 0x7ffffffff000, .wake_is = true, .len = 4,
	  .error = EINVAL },
	{ "WAKE, tagged", W, .wake = 1ull << 62, .len = 4, .error = EINVAL },
	{ "no descriptor without POST", 0, P, .len = 4, .fd = -1, .error = EBADF },
	{ "no descriptor that is not -1", .len = 4, .fd = -2, .error = EBADF },
	{ "not an eventfd", .len = 4, .fd = 1, .error = EINVAL },
#undef P
#undef W
};

/* If @r has 0 as descriptor, it's that of an eventfd. */
static struct kvm_ioeventfd_post refused_args(struct post_vm *pvm, const struct refusal *r)
{
	struct kvm_ioeventfd_post args = post_args(pvm, &ways[0], 4, false, ASLEEP);

	args.flags &= ~KVM_IOEVENTFD_FLAG_WAKE;
	args.flags = (args.flags & ~r->clear) | r->set;
	args.post_addr = r->post + (r->post_is ? 0 : args.post_addr);
	args.wake_addr = r->wake + (r->wake_is ? 0 : args.wake_addr);
	args.len = r->len;
	args.fd = r->fd ?: args.fd;
	return args;
}

/* The same among others, after one that KVM would take. */
static void expect_array_refused(struct post_vm *pvm, const struct kvm_ioeventfd_post *args,
				 int error)
{
	struct kvm_ioeventfd_post entries[] = { *args, *args, *args };
	struct kvm_ioeventfds array = { .nr = ARRAY_SIZE(entries), .entries = (u64)entries };
	int r;

	entries[0] = post_args(pvm, &ways[0], 2, false, SIGNAL);
	entries[0].addr += 64;
	r = __vm_ioctl(pvm->cvm.vm, KVM_IOEVENTFDS, &array) ? errno : 0;
	case_expect(r, error, "the error in an array");
	case_expect(array.failed, 1, "the entry that failed");
	assign(pvm, &entries[0]);
	deassign(pvm, &entries[0]);
}

static void test_refusals(struct post_vm *pvm)
{
	struct kvm_ioeventfd_post args, good = post_args(pvm, &ways[0], 4, false, SIGNAL);
	bool passed = true;
	int i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		case_begin(refusals[i].name);
		args = refused_args(pvm, &refusals[i]);
		case_expect(try_ioeventfd(pvm, &args), refusals[i].error, "the error");
		expect_array_refused(pvm, &args, refusals[i].error);
		/* The refused call must have left nothing that collides with this. */
		assign(pvm, &good);
		deassign(pvm, &good);
		passed &= case_passed();
	}
	ksft_test_result(passed, "refusals\n");
}

/* Each of these calls differs from the ioeventfd that was assigned. */
static void test_deassign(struct post_vm *pvm)
{
	struct kvm_ioeventfd_post there = post_args(pvm, &ways[0], 4, false, ASLEEP), args;
	const u32 gone = KVM_IOEVENTFD_FLAG_DEASSIGN;

	case_begin("deassign");
	assign(pvm, &there);
	args = there;
	case_expect(try_ioeventfd(pvm, &args), EEXIST, "the error of the same once more");
	args.post_addr += 8;
	case_expect(try_ioeventfd(pvm, &args), EEXIST, "the error of the same, posting elsewhere");
	args.flags |= gone;
	case_expect(try_ioeventfd(pvm, &args), ENOENT, "the error for another slot");
	args = there;
	args.wake_addr += 4;
	args.flags |= gone;
	case_expect(try_ioeventfd(pvm, &args), ENOENT, "the error for another word");
	args = there;
	args.flags = (args.flags & ~KVM_IOEVENTFD_FLAG_WAKE) | gone;
	case_expect(try_ioeventfd(pvm, &args), ENOENT, "the error without WAKE");
	args.flags &= ~KVM_IOEVENTFD_FLAG_POST;
	case_expect(try_ioeventfd(pvm, &args), ENOENT, "the error without POST");
	args.flags |= KVM_IOEVENTFD_FLAG_POST;
	args.fd = -1;
	case_expect(try_ioeventfd(pvm, &args), ENOENT, "the error for nobody's");
	args = there;
	args.flags |= KVM_IOEVENTFD_FLAG_WAKE | gone;
	case_expect(try_ioeventfd(pvm, &args), 0, "the error for the one that's there");
	case_expect(try_ioeventfd(pvm, &args), ENOENT, "the error when it's gone");
	ksft_test_result(case_passed(), "deassign\n");
}

/* Without POST, KVM ignores the padding, as it always did. */
static void test_padding(struct post_vm *pvm)
{
	struct kvm_ioeventfd_post args = post_args(pvm, &ways[0], 4, false, SIGNAL);
	u64 rip = place(pvm, &ways[0], 2);
	int i;

	case_begin("padding");
	args.flags = 0;
	args.pad1 = ~0;
	memset(args.pad2, 0xff, sizeof(args.pad2));
	assign(pvm, &args);
	for (i = 0; i < NR_RUNS; i++) {
		mark(pvm, SIGNAL);
		run_access(pvm, &ways[0], 2, VALUE, rip, false);
		check_slot(pvm, 0, 0);
		case_expect(eventfd_take(pvm->cvm.bell_fds[0]), 1, "signals");
	}
	/* The field is padding here, so this is the same ioeventfd. */
	args.post_addr = 1;
	deassign(pvm, &args);
	ksft_test_result(case_passed(), "padding\n");
}

static void test_capability(struct post_vm *pvm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_IOEVENTFD_POST, .args = { 1 } };

	case_begin("capability");
	case_expect(kvm_check_cap(KVM_CAP_IOEVENTFD_POST), 1, "KVM_CHECK_EXTENSION on /dev/kvm");
	case_expect(vm_check_cap(pvm->cvm.vm, KVM_CAP_IOEVENTFD_POST), 1,
		    "KVM_CHECK_EXTENSION on a VM");
	if (__vm_ioctl(pvm->cvm.vm, KVM_ENABLE_CAP, &cap) != -1 || errno != EINVAL)
		case_fail("KVM_ENABLE_CAP must fail with EINVAL, its errno is %d", errno);
	case_expect(sizeof(struct kvm_ioeventfd_post), sizeof(struct kvm_ioeventfd), "the size");
	ksft_test_result(case_passed(), "capability\n");
}

/* At one address, one ioeventfd posts and one doesn't, each for its own value. */
static void test_neighbours(struct post_vm *pvm, const struct way *way)
{
	struct kvm_ioeventfd_post posts = post_args(pvm, way, 2, true, SIGNAL), plain = posts;
	u64 rip = place(pvm, way, 1);
	int i;

	case_begin("neighbours");
	turn(pvm, way);
	plain.flags &= ~KVM_IOEVENTFD_FLAG_POST;
	plain.datamatch = OTHER_VALUE & WIDTH_MASK(2);
	plain.fd = pvm->cvm.bell_fds[1];
	assign(pvm, &plain);
	assign(pvm, &posts);
	for (i = 0; i < 2 * NR_RUNS; i++) {
		mark(pvm, SIGNAL);
		run_access(pvm, way, 1, i % 2 ? OTHER_VALUE : VALUE, rip, false);
		check_slot(pvm, i % 2 ? 0 : 2, VALUE);
		case_expect(eventfd_take(pvm->cvm.bell_fds[0]), !(i % 2), "signals of who posts");
		case_expect(eventfd_take(pvm->cvm.bell_fds[1]), i % 2, "signals of who doesn't");
	}
	deassign(pvm, &posts);
	deassign(pvm, &plain);
	ksft_test_result(case_passed(), "neighbours, %s\n", way->name);
}

/*
 * With a memslot at the doorbell's address, the guest has RAM there: a store doesn't
 * even exit, and a hypercall is refused.
 */
static void expect_refused(struct post_vm *pvm, const struct way *way, u64 rip)
{
	struct access_case c = make_access(way, 2, VALUE);
	struct kvm_regs regs;

	set_registers(pvm, way, &c, rip);
	case_expect(vcpu_run_bounded(pvm->cvm.vcpu), 0, "the error of KVM_RUN");
	vcpu_regs_get(pvm->cvm.vcpu, &regs);
	case_expect(regs.rax, -KVM_EFAULT, "RAX");
	pvm->cvm.vcpu->run->immediate_exit = 1;
	__vcpu_run(pvm->cvm.vcpu);
	pvm->cvm.vcpu->run->immediate_exit = 0;
}

static void expect_ram(struct post_vm *pvm, const struct way *way, u64 rip)
{
	if (way->fast == FAST_CALL) {
		expect_refused(pvm, way, rip);
		return;
	}
	run_access(pvm, way, 2, VALUE, rip, false);
	case_expect(*(u32 *)addr_gpa2hva(pvm->cvm.vm, MMIO_GPA), (u32)VALUE, "RAM");
}

static void test_ram(struct post_vm *pvm, const struct way *way)
{
	struct kvm_ioeventfd_post args = post_args(pvm, way, 4, false, SIGNAL);
	u64 rip = place(pvm, way, 2);
	int i;

	case_begin("RAM");
	turn(pvm, way);
	assign(pvm, &args);
	run_posts(pvm, way, 2, false, SIGNAL);
	mark(pvm, SIGNAL);
	vm_userspace_mem_region_add(pvm->cvm.vm, VM_MEM_SRC_ANONYMOUS, MMIO_GPA, 3, 1, 0);
	for (i = 0; i < NR_RUNS; i++)
		expect_ram(pvm, way, rip);
	check_slot(pvm, 0, 0);
	case_expect(eventfd_take(pvm->cvm.bell_fds[0]), 0, "signals");
	vm_mem_region_delete(pvm->cvm.vm, 3);
	run_posts(pvm, way, 2, false, SIGNAL);
	deassign(pvm, &args);
	ksft_test_result(case_passed(), "RAM, %s\n", way->name);
}

/*
 * A consumer that sleeps: it sets the word, looks at the slot once more, and waits
 * for a signal only if nothing is new.  The guest writes 1, 2, 3 and so on.
 */
#define NR_WRITES	3000

struct consumer {
	struct post_vm *pvm;
	int fd;
	u64 last, nr_sleeps, nr_backwards;
	bool lost;
};

static u64 read_slot(struct consumer *c)
{
	u64 value = READ_ONCE(c->pvm->shared->slot);

	c->nr_backwards += value < c->last;
	c->last = value;
	return value;
}

static void sleep_until_signalled(struct consumer *c)
{
	struct pollfd poll_fd = { .fd = c->fd, .events = POLLIN };

	c->nr_sleeps++;
	if (poll(&poll_fd, 1, 60000) != 1)
		c->lost = true;
	eventfd_take(c->fd);
}

static void *consume(void *data)
{
	struct consumer *c = data;
	u64 seen;

	while (!c->lost && read_slot(c) < NR_WRITES) {
		seen = c->last;
		WRITE_ONCE(*c->pvm->word, 1);
		__sync_synchronize();
		if (read_slot(c) == seen)
			sleep_until_signalled(c);
		WRITE_ONCE(*c->pvm->word, 0);
	}
	return NULL;
}

static void test_wake(struct post_vm *pvm)
{
	struct kvm_ioeventfd_post args = post_args(pvm, &ways[0], 8, false, AWAKE);
	struct consumer consumer = { .pvm = pvm, .fd = args.fd };
	u64 rip = place(pvm, &ways[0], 3), i;
	pthread_t thread;

	case_begin("no wake-up is lost");
	turn(pvm, &ways[0]);
	pvm->shared->slot = 0;
	*pvm->word = 0;
	assign(pvm, &args);
	TEST_ASSERT(!pthread_create(&thread, NULL, consume, &consumer), "a thread must start");
	for (i = 1; i <= NR_WRITES && case_passed(); i++) {
		run_access(pvm, &ways[0], 3, i, rip, false);
		if (i % 7 == 0)
			sched_yield();
	}
	pthread_join(thread, NULL);
	case_expect(consumer.lost, false, "a lost wake-up");
	case_expect(consumer.last, NR_WRITES, "the last value");
	case_expect(consumer.nr_backwards, 0, "values that went back");
	case_expect(!consumer.nr_sleeps, false, "a consumer that never slept");
	deassign(pvm, &args);
	eventfd_take(args.fd);
	ksft_test_result(case_passed(), "no wake-up is lost\n");
}

/* Stores of an L2 to an address that L1 passes through. */
#define NR_L2_WRITES	8

static void l2_main(void)
{
	u64 i;

	for (i = 0; i < NR_L2_WRITES; i++) {
		guest_pv_store_4(L2_MMIO_GPA, VALUE + i);
		GUEST_SYNC(i);
	}
}

static void l1_main(void)
{
	struct l2_exit exit;

	l1_prepare(l2_main);
	exit = l1_run();
	GUEST_FAIL("L2 left to L1 with exit %lu", exit.raw_reason);
}

/* In the second half, the slot is inaccessible. */
static void run_l2(struct post_vm *pvm, struct kvm_vcpu *vcpu, int bell)
{
	struct ucall uc;
	bool is_gone;
	u64 i;

	for (i = 0; i < NR_L2_WRITES && case_passed(); i++) {
		is_gone = i >= NR_L2_WRITES / 2;
		mark(pvm, SIGNAL);
		if (is_gone)
			spoil(pvm, NO_ACCESS);
		case_expect(vcpu_run_bounded(vcpu), 0, "the error of KVM_RUN");
		if (is_gone) {
			expect_exit(vcpu->run, &ways[0], 4, VALUE + i);
			mend(pvm, NO_ACCESS);
			case_expect(vcpu_run_bounded(vcpu), 0, "the error of KVM_RUN");
		}
		case_expect(get_ucall(vcpu, &uc), UCALL_SYNC, "what L2 says");
		check_slot(pvm, is_gone ? 0 : 4, VALUE + i);
		case_expect(eventfd_take(bell), !is_gone, "signals");
	}
}

static void test_l2(struct post_vm *pvm)
{
	struct kvm_ioeventfd_post args = post_args(pvm, &ways[0], 4, false, SIGNAL);
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	if (l2_lacks()) {
		ksft_test_result_skip("L2: %s\n", l2_lacks());
		return;
	}
	case_begin("L2");
	vm = vm_create_with_one_vcpu(&vcpu, l1_main);
	l2_create(vm);
	virt_pg_map(vm, L2_MMIO_GPA, L2_MMIO_GPA);
	vm_ioctl(vm, KVM_IOEVENTFD, (struct kvm_ioeventfd *)&args);
	run_l2(pvm, vcpu, args.fd);
	kvm_vm_free(vm);
	ksft_test_result(case_passed(), "L2\n");
}

static void create(struct post_vm *pvm)
{
	int i;

	case_vm_create(&pvm->cvm, NULL);
	vm_enable_cap(pvm->cvm.vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	for (i = 0; i < ARRAY_SIZE(fast_names); i++)
		pvm->fast[i] = find_vcpu_stat(pvm->cvm.stats_fd, fast_names[i]);
	pvm->faults = find_vcpu_stat(pvm->cvm.stats_fd, "ioeventfd_post_faults");
	pvm->shared = map_at(NULL, PROT_READ | PROT_WRITE);
	pvm->word = map_at(NULL, PROT_READ | PROT_WRITE);
}

static unsigned int count_tests(void)
{
	unsigned int i, width, n = 0;

	for (i = 0; i < NR_WAYS; i++) {
		for (width = 0; width < NR_WIDTHS; width++)
			n += ways[i].fast == FAST_CALL || ways[i].insns[width].len;
	}
	return n + 9 + NR_WAYS + NR_PAGES + ARRAY_SIZE(memories);
}

int main(void)
{
	struct post_vm pvm = {};
	int i, width;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD_POST));
	ksft_set_plan(count_tests());

	create(&pvm);
	test_capability(&pvm);
	test_refusals(&pvm);
	test_deassign(&pvm);
	for (i = 0; i < NR_PAGES; i++)
		test_spoilt(&pvm, i);
	for (i = 0; i < ARRAY_SIZE(memories); i++)
		test_memory(&pvm, i);
	test_truncated(&pvm);
	for (i = 0; i < NR_WAYS; i++) {
		for (width = 0; width < NR_WIDTHS; width++) {
			if (ways[i].fast == FAST_CALL || ways[i].insns[width].len)
				test_way(&pvm, &ways[i], width);
		}
		test_neighbours(&pvm, &ways[i]);
	}
	test_padding(&pvm);
	test_ram(&pvm, &ways[0]);
	test_ram(&pvm, &ways[WAY_CALL]);
	test_wake(&pvm);
	test_l2(&pvm);
	case_vm_free(&pvm.cvm);
	ksft_finished();
}
