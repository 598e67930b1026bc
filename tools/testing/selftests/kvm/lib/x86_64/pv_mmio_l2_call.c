// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2's side: it calls L1.
 */
#include "pv_mmio_l2.h"
#include "pv_mmio_l2_tables.h"

const char *l2_call_insn(void)
{
	return l2_tables.is_svm ? "\x0f\x01\xd9" : "\x0f\x01\xc1";
}

void l2_call(u64 rax, u64 rbx, u64 rcx, u64 rdx, u64 rsi)
{
	if (l2_tables.is_svm)
		asm volatile("push %%rbp\n\tvmmcall\n\tpop %%rbp"
			     : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+S"(rsi)
			     : : "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
			     "memory", "cc");
	else
		asm volatile("push %%rbp\n\tvmcall\n\tpop %%rbp"
			     : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+S"(rsi)
			     : : "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
			     "memory", "cc");
}
