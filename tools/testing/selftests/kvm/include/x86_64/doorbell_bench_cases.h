/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's side of doorbell_bench, and its table of cases.
 */
#ifndef SELFTEST_KVM_DOORBELL_BENCH_CASES_H
#define SELFTEST_KVM_DOORBELL_BENCH_CASES_H

#include "bench.h"
#include "pv_mmio_l2.h"

#define NR_WARMUP	16
#define UNKNOWN_HC	0x70766dff

struct access_regs {
	u64 rax, rbx, rcx, rdx, rsi;
};

static struct access_regs guest_regs;
static u64 guest_nr_accesses;
static u64 guest_result;
static u32 guest_cycles[NR_WARMUP + MAX_SAMPLES];
static bool guest_listener;
static u64 guest_rang_at[NR_WARMUP + MAX_SAMPLES];

/*
 * One shape for all: registers are loaded before the first rdtsc, but for the
 * two that rdtsc overwrites.  No fences: an exit serialises.
 */
#define BUILD_GUEST(name, insn)						\
static void guest_##name(void)						\
{									\
	struct access_regs r = guest_regs;				\
	u64 rax, rdx = 0, rbx, rcx;					\
	u32 i, start;							\
									\
	for (i = 0; i < guest_nr_accesses; i++) {			\
		rbx = r.rbx;						\
		rcx = r.rcx;						\
		if (guest_listener)					\
			WRITE_ONCE(guest_rang_at[i], rdtsc());		\
		asm volatile("rdtsc\n\t"				\
			     "mov %%eax, %[start]\n\t"			\
			     "mov %[rax], %%rax\n\t"			\
			     "mov %[rdx], %%rdx\n\t"			\
			     insn "\n\t"				\
			     "mov %%rax, %%r8\n\t"			\
			     "rdtsc\n\t"				\
			     "sub %[start], %%eax\n\t"			\
			     "mov %%r8, %%rdx"				\
			     : [start] "=&r" (start), "=&a" (rax), "=&d" (rdx), \
			       "+b" (rbx), "+c" (rcx)			\
			     : [rax] "r" (r.rax), [rdx] "r" (r.rdx), "S" (r.rsi), \
			       [signature] "i" (KVM_PV_MMIO_SIGNATURE | 2) \
			     : "r8", "memory", "cc");			\
		guest_cycles[i] = rax;					\
		if (guest_listener)					\
			GUEST_SYNC(i);					\
	}								\
	guest_result = rdx;						\
	GUEST_DONE();							\
}

BUILD_GUEST(outw, "outw %%ax, %%dx")
BUILD_GUEST(movw, "movw %%ax, (%%rdx)")
/* All that the contract asks of a driver: sign, store, clear. */
BUILD_GUEST(movw_fast, "movabs %[signature], %%rcx\n\t"
		       "xor %%rdx, %%rcx\n\t"
		       "movw %%ax, (%%rdx)\n\t"
		       "xor %%ecx, %%ecx")
BUILD_GUEST(vmcall, "vmcall")
BUILD_GUEST(vmmcall, "vmmcall")
BUILD_GUEST(cpuid, "cpuid")

/* The same in L2, which comes to its end by itself. */
#define BUILD_GUEST_L2(name)				\
static void guest_l2_##name(void)			\
{							\
	struct l2_exit exit;				\
							\
	l1_prepare(guest_##name);			\
	exit = l1_run();				\
	GUEST_FAIL("L2 left to L1 with exit %lu", exit.raw_reason); \
}

BUILD_GUEST_L2(movw)
BUILD_GUEST_L2(movw_fast)

struct bench_case {
	const char *name;
	void (*guest)(void);	/* NULL: this host's hypercall instruction */
	enum bus bus;		/* what the access rings */
	bool to_userspace;
	bool in_l2;
	bool needs_hc_mmio_write;
	bool checks_result;
	s64 result;
	struct access_regs regs;	/* RBX and RDX: the address is added */
	enum { ADDR_NONE, ADDR_RBX, ADDR_RDX } addr_in;
};

static const struct bench_case cases[] = {
	{ "outw", guest_outw, PORT, .regs = { VALUE }, .addr_in = ADDR_RDX },
	{ "movw", guest_movw, MMIO, .regs = { VALUE }, .addr_in = ADDR_RDX },
	{ "movw_wildcard", guest_movw, MMIO_ANY_LENGTH, .regs = { VALUE }, .addr_in = ADDR_RDX },
	{ "vmcall", NULL, .regs = { UNKNOWN_HC }, .checks_result = true, .result = -KVM_ENOSYS },
	{ "hc_mmio_write", NULL, MMIO, .regs = { KVM_HC_MMIO_WRITE, 0, VALUE, 2 },
	  .addr_in = ADDR_RBX, .needs_hc_mmio_write = true, .checks_result = true },
	{ "movw_fast", guest_movw_fast, MMIO, .regs = { VALUE }, .addr_in = ADDR_RDX },
	{ "exit_floor", NULL, .regs = { KVM_HC_MMIO_WRITE, 0, VALUE, 3 },
	  .addr_in = ADDR_RBX, .needs_hc_mmio_write = true, .checks_result = true,
	  .result = -KVM_EINVAL },
	{ "movw_userspace", guest_movw, .to_userspace = true, .regs = { VALUE },
	  .addr_in = ADDR_RDX },
	{ "movw_fast_userspace", guest_movw_fast, .to_userspace = true, .regs = { VALUE },
	  .addr_in = ADDR_RDX },
	{ "cpuid", guest_cpuid },
	{ "l2_movw", guest_l2_movw, MMIO, .in_l2 = true, .regs = { VALUE }, .addr_in = ADDR_RDX },
	{ "l2_movw_fast", guest_l2_movw_fast, MMIO, .in_l2 = true, .regs = { VALUE },
	  .addr_in = ADDR_RDX },
};

#endif /* SELFTEST_KVM_DOORBELL_BENCH_CASES_H */
