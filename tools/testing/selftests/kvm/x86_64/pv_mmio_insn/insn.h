/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stores in all their encodings: what each one consists of, and its effects.
 */
#ifndef SELFTEST_KVM_PV_MMIO_INSN_TEST_H
#define SELFTEST_KVM_PV_MMIO_INSN_TEST_H

#include "pv_mmio_case.h"

/* Below 2 GiB, so that a displacement alone can reach it; mapped one to one. */
#define INSN_CODE_GPA	0x50000000ul	/* one page */
#define INSN_MMIO_GPA	0x60000000ul	/* one page, no memslot */
#define INSN_FS_BASE	0x10000ul
#define INSN_GS_BASE	0x20000ul
#define INSN_MAX_LEN	15

/* Encodings that have much in common: all prefixes with all opcodes. */
struct insn_group {
	const char *name;
	const char *opcodes;
	const char *prefixes[6];
};

struct insn_case {
	u8 code[INSN_MAX_LEN];
	unsigned int len;
	u32 width;
	u64 gpa, value;
	bool faults;	/* #UD: it isn't an instruction */
	bool loads;	/* xchg: the VMM's answer is in @regs_after */
	bool served;	/* KVM serves it without decoding once it knows the place */
	struct kvm_regs regs, regs_after;
};

/* How many encodings there are. */
u64 insn_group_size(const struct insn_group *group);

/*
 * Makes encoding @index for @rip, and registers with which it stores to the MMIO
 * page; the caller has set RSP to a stack.  Its @twin is the same store of another
 * register or immediate.  Returns false if there is no such case.
 */
bool insn_case_make(const struct insn_group *group, u64 index, u64 rip, bool twin,
		    struct insn_case *c);

#endif /* SELFTEST_KVM_PV_MMIO_INSN_TEST_H */
