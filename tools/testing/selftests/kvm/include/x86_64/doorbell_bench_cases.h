/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What doorbell_bench measures: the accesses, and its table of cases.
 */
#ifndef SELFTEST_KVM_DOORBELL_BENCH_CASES_H
#define SELFTEST_KVM_DOORBELL_BENCH_CASES_H

#include "doorbell_bench.h"

#define UNKNOWN_HC	0x70766dff

/*
 * One shape for all, run by guest_access() where it is or as a copy elsewhere:
 * registers are loaded before the first rdtsc, but for the two that rdtsc
 * overwrites, RAX and RDX: these come in R10 and R11.  R12 is where to go on.
 * No fences: an exit serialises.
 */
#define BUILD_ACCESS_REWRITTEN(name, insn, rewritten)			\
static void __attribute__((naked)) access_code_##name(void)		\
{									\
	asm volatile("rdtsc\n\t"					\
		     "mov %%eax, %%r9d\n\t"				\
		     "mov %%r10, %%rax\n\t"				\
		     "mov %%r11, %%rdx\n\t"				\
		     insn "\n\t"					\
		     "mov %%rax, %%r8\n\t"				\
		     "rdtsc\n\t"					\
		     "sub %%r9d, %%eax\n\t"				\
		     "mov %%r8, %%rdx\n\t"				\
		     "jmp *%%r12\n"					\
		     "access_end_" #name ":"				\
		     : : [signature] "i" (KVM_PV_MMIO_SIGNATURE | 2));	\
}									\
									\
extern const char access_end_##name[];					\
static const struct bench_access access_##name = {			\
	(const char *)access_code_##name, access_end_##name, rewritten	\
}

#define BUILD_ACCESS(name, insn)	BUILD_ACCESS_REWRITTEN(name, insn, NULL)

BUILD_ACCESS(outw, "outw %%ax, %%dx");
BUILD_ACCESS(movw, "movw %%ax, (%%rdx)");
/* All that the contract asks of a driver: sign, store, clear. */
BUILD_ACCESS(movw_fast, "movabs %[signature], %%rcx\n\t"
			"xor %%rdx, %%rcx\n\t"
			"movw %%ax, (%%rdx)\n\t"
			"xor %%ecx, %%ecx");
BUILD_ACCESS(vmcall, "vmcall");
BUILD_ACCESS(vmmcall, "vmmcall");
BUILD_ACCESS(cpuid, "cpuid");

#define STORE(name, access, bus, ...) \
	{ name, access, bus, .regs = { VALUE }, .addr_in = ADDR_RDX, __VA_ARGS__ }

static const struct bench_case cases[] = {
	STORE("outw", &access_outw, PORT),
	STORE("movw", &access_movw, MMIO),
	STORE("movw_wildcard", &access_movw, MMIO_ANY_LENGTH),
	{ "vmcall", NULL, .regs = { UNKNOWN_HC }, .checks_result = true, .result = -KVM_ENOSYS },
	{ "hc_mmio_write", NULL, MMIO, .regs = { KVM_HC_MMIO_WRITE, 0, VALUE, 2 },
	  .addr_in = ADDR_RBX, .needs_hc_mmio_write = true, .checks_result = true },
	STORE("movw_fast", &access_movw_fast, MMIO),
	{ "exit_floor", NULL, .regs = { KVM_HC_MMIO_WRITE, 0, VALUE, 3 },
	  .addr_in = ADDR_RBX, .needs_hc_mmio_write = true, .checks_result = true,
	  .result = -KVM_EINVAL },
	STORE("movw_userspace", &access_movw, NO_DOORBELL, .exits = EXITS_FOR_STORE),
	STORE("movw_fast_userspace", &access_movw_fast, NO_DOORBELL, .exits = EXITS_FOR_STORE),
	{ "cpuid", &access_cpuid },
	STORE("l2_movw", &access_movw, MMIO, .in_l2 = true),
	STORE("l2_movw_fast", &access_movw_fast, MMIO, .in_l2 = true),
};

#endif /* SELFTEST_KVM_DOORBELL_BENCH_CASES_H */
