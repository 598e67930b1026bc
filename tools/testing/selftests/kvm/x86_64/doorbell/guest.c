// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest of doorbell_bench: all accesses of one case, and what it does in between.
 */
#include "doorbell.h"
#include "pv_mmio_l2.h"

/* The scale in a SIB byte; without an index, any scale means the same. */
#define SIB_SCALE	0x40

struct bench_guest bench_guest;
u64 guest_result;
u64 guest_nr_rewrites;
u32 guest_cycles[MAX_ACCESSES];
u64 guest_rang_at[MAX_ACCESSES];

/* What is done before each access, and isn't measured. */
static void guest_prepare(const struct bench_guest *g, u32 i, u64 place)
{
	u8 *byte = (u8 *)(place + g->rewrites_at);

	if (g->nr_spaces > 1)
		asm volatile("mov %0, %%cr3" : : "r"(g->cr3[i % g->nr_spaces]) : "memory");
	if (g->rewrites_at) {
		WRITE_ONCE(*byte, READ_ONCE(*byte) ^ SIB_SCALE);
		guest_nr_rewrites++;
	}
	WRITE_ONCE(guest_rang_at[i], rdtsc());
}

/* Runs what BUILD_ACCESS() made.  It jumps by a register, as copies may be far away. */
static u32 guest_access(const struct access_regs *r, u64 place)
{
	register u64 r10 asm("r10") = r->rax;
	register u64 r11 asm("r11") = r->rdx;
	u64 rax, rdx, rbx = r->rbx, rcx = r->rcx;

	asm volatile("lea 1f(%%rip), %%r12\n\t"
		     "jmp *%[place]\n"
		     "1:"
		     : "=&a" (rax), "=&d" (rdx), "+b" (rbx), "+c" (rcx)
		     : [place] "r" (place), "r" (r10), "r" (r11), "S" (r->rsi)
		     : "r8", "r9", "r12", "memory", "cc");
	guest_result = rdx;
	return rax;
}

void guest_ring(void)
{
	const struct bench_guest *g = &bench_guest;
	u64 place;
	u32 i;

	guest_nr_rewrites = 0;
	for (i = 0; i < g->nr_accesses; i++) {
		place = g->places[i % g->nr_places];
		guest_prepare(g, i, place);
		guest_cycles[i] = guest_access(&g->regs, place);
		if (g->stops_every && (i + 1) % g->stops_every == 0)
			GUEST_SYNC(i);
	}
	GUEST_DONE();
}

/* The same in L2, which must end by itself, without an exit to L1. */
void guest_ring_in_l2(void)
{
	struct l2_exit exit;

	l1_prepare(guest_ring);
	exit = l1_run();
	GUEST_FAIL("L2 left to L1 with exit %lu", exit.raw_reason);
}
