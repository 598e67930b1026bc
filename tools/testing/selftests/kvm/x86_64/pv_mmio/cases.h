/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of pv_mmio_test: stores that KVM serves without decoding once it has
 * learned them, and similar accesses, which it decodes each time.  Unless a case
 * says otherwise, RAX is VALUE, RDX is MMIO_GPA, and the other registers are as
 * fill_registers() sets them.
 */
#ifndef SELFTEST_KVM_PV_MMIO_TEST_CASES_H
#define SELFTEST_KVM_PV_MMIO_TEST_CASES_H

#include "pv_mmio_case.h"

#define VALUE		0x1122334455667788ull
#define OTHER		0x99aabbccddeeff00ull
#define LOW(width)	(VALUE & WIDTH_MASK(width))
#define FAR_GPA		(MMIO_GPA + 0x1000)

/* The four instructions of the contract, and the loads that mirror them. */
#define STORE1		"\x88\x02"
#define STORE2		"\x66\x89\x02"
#define STORE4		"\x89\x02"
#define STORE8		"\x48\x89\x02"
#define LOAD1		"\x8a\x02"
#define LOAD2		"\x66\x8b\x02"
#define LOAD4		"\x8b\x02"
#define LOAD8		"\x48\x8b\x02"

#define WILDCARD(len, rings)		{ ANY_VALUE, len, rings, MMIO_GPA }
#define WILDCARD_AT(gpa, len)		{ ANY_VALUE, len, 1, gpa }
#define MATCH(len, rings, value)	{ DATAMATCH, len, rings, MMIO_GPA, value }
#define STORE(len, gpa, data)		{ STORE_EXIT, len, gpa, data }
#define LOAD(len)			{ LOAD_EXIT, len, MMIO_GPA }

struct pv_case {
	enum { AS_GIVEN, EACH_STORE, EACH_LOAD } code;
	struct access_case access;
	/* Without nested paging it's decoded, as KVM doesn't see that the fault is MMIO. */
	bool needs_tdp;
	/* The emulated Intel CPU drops the interrupt shadow when a page fault exits. */
	bool in_shadow;
};

/* An access of each width, a store that's served, an access that's decoded. */
#define EACH(kind, ...)		{ kind, { __VA_ARGS__ } }
#define EACH_SERVED(...)	\
	EACH(EACH_STORE, .decode = DECODE_NEVER, .is_served = true, __VA_ARGS__)
#define SERVED(bytes, ...)						\
	{ AS_GIVEN, { CODE(bytes), .decode = DECODE_NEVER, .is_served = true, __VA_ARGS__ } }
#define DECODED(bytes, ...)						\
	{ AS_GIVEN, { CODE(bytes), .decode = DECODE_ALWAYS, __VA_ARGS__ } }
/* The same for one that rings a doorbell at MMIO_GPA and does nothing else. */
#define RINGS(bytes, len, data, ...)					\
	SERVED(bytes, .bells = { MATCH(len, 1, data) }, __VA_ARGS__)
#define DECODED_RINGS(bytes, len, data, ...)				\
	DECODED(bytes, .bells = { MATCH(len, 1, data) }, __VA_ARGS__)

static const struct pv_case pv_cases[] = {
	EACH(EACH_LOAD, .name = "load, wildcard", .decode = DECODE_ALWAYS,
	     .bells = { WILDCARD(OWN_WIDTH, 0) }, .exits = { LOAD(OWN_WIDTH) }),
	EACH(EACH_LOAD, .name = "load, DATAMATCH", .decode = DECODE_ALWAYS,
	     .bells = { MATCH(OWN_WIDTH, 0, VALUE) }, .exits = { LOAD(OWN_WIDTH) }),

	/* Values: each register but RSP and the high bytes; immediates. */
	RINGS("\x48\x89\x1a", 8, OTHER, .name = "store of RBX"),
	RINGS("\x89\x32", 4, (u32)MMIO_GPA, .name = "store of ESI"),
	RINGS("\x4c\x89\x02", 8, VALUE + 8, .name = "store of R8"),
	RINGS("\x44\x89\x3a", 4, LOW(4) + 15, .name = "store of R15D"),
	RINGS("\x44\x88\x22", 1, LOW(1) + 12, .name = "store of R12B"),
	RINGS("\x40\x88\x3a", 1, (u8)(OTHER + 7), .name = "store of DIL"),
	DECODED_RINGS("\x88\x22", 1, 0x77, .name = "store of AH"),
	/* With a REX prefix, this would be DIL. */
	DECODED_RINGS("\x88\x3a", 1, 0xff, .name = "store of BH", .regs.rdi = 0xff),
	DECODED("\x48\x89\x22", .name = "store of RSP", .bells = { WILDCARD(8, 1) }),
	DECODED("\x40\x88\x22", .name = "store of SPL", .bells = { WILDCARD(1, 1) }),
	RINGS("\xc6\x02\x81", 1, 0x81, .name = "store of an immediate byte"),
	RINGS("\x66\xc7\x02\x34\x92", 2, 0x9234, .name = "store of 2 immediate bytes"),
	RINGS("\xc7\x02\x78\x56\x34\x92", 4, 0x92345678, .name = "store of 4 immediate bytes"),
	RINGS("\x48\xc7\x02\x78\x56\x34\x92", 8, 0xffffffff92345678,
	      .name = "store of an immediate, sign-extended"),
	RINGS("\xc6\x42\x08\x55", 1, 0x55, .name = "store of an immediate after a displacement",
	      .regs.rdx = MMIO_GPA - 8),

	/* The address. */
	RINGS("\x89\x06", 4, LOW(4), .name = "store through RSI", .regs.rdx = RAM_GPA),
	RINGS("\x89\x42\x08", 4, LOW(4), .name = "store with a displacement of 8 bits",
	      .regs.rdx = MMIO_GPA - 8),
	RINGS("\x89\x42\xf8", 4, LOW(4), .name = "store with a negative displacement",
	      .regs.rdx = MMIO_GPA + 8),
	RINGS("\x89\x82\x00\x00\x00\xd0", 4, LOW(4), .name = "store with a long displacement",
	      .regs.rdx = MMIO_GPA + 0x30000000),
	RINGS("\x89\x04\x1a", 4, LOW(4), .name = "store with an index",
	      .regs = { .rdx = MMIO_GPA - 0x100, .rbx = 0x100 }),
	RINGS("\x89\x44\xda\x10", 4, LOW(4), .name = "store with a scaled index and displacement",
	      .regs = { .rdx = MMIO_GPA - 0x810, .rbx = 0x100 }),
	RINGS("\x89\x04\xdd\x00\x00\x00\xd0", 4, LOW(4), .name = "store with an index and no base",
	      .regs.rbx = 0x20000000),
	RINGS("\x89\x04\x25\x00\x00\x00\xd0", 4, LOW(4), .name = "store with no base and no index"),
	RINGS("\x42\x89\x04\x22", 4, LOW(4), .name = "store with R12 as index",
	      .regs = { .rdx = MMIO_GPA - 0x40, .r12 = 0x40 }),
	RINGS("\x41\x89\x00", 4, LOW(4), .name = "store through R8", .regs.r8 = MMIO_GPA),
	RINGS("\x41\x89\x04\x24", 4, LOW(4), .name = "store through R12", .regs.r12 = MMIO_GPA),
	RINGS("\x41\x89\x45\x00", 4, LOW(4), .name = "store through R13", .regs.r13 = MMIO_GPA),
	RINGS("\x43\x89\x04\x88", 4, LOW(4), .name = "store through R8 and R9",
	      .regs = { .r8 = MMIO_GPA - 0x400, .r9 = 0x100 }),
	RINGS("\x89\x02", 4, LOW(4), .name = "store to the upper half", .regs.rdx = MMIO_HIGH_GVA),
	RINGS("\x89\x05----", 4, LOW(4), .rip_relative = 2, .name = "store relative to RIP"),
	RINGS("\x48\xc7\x05----\x78\x56\x34\x12", 8, 0x12345678, .rip_relative = 3,
	      .name = "store of an immediate, relative to RIP"),
	RINGS("\xa2\x00\x00\x00\xd0\x00\x00\x00\x00", 1, LOW(1), .name = "movabs, 1 byte"),
	RINGS("\x66\xa3\x00\x00\x00\xd0\x00\x00\x00\x00", 2, LOW(2), .name = "movabs, 2 bytes"),
	RINGS("\x48\xa3\x00\x00\x00\xd0\x80\x88\xff\xff", 8, VALUE, .name = "movabs, 8 bytes"),
	DECODED_RINGS("\x89\x04\x24", 4, LOW(4), .name = "store through RSP", .regs.rsp = MMIO_GPA),
	DECODED_RINGS("\x89\x44\x24\x08", 4, LOW(4), .name = "store through RSP, displaced",
		      .regs.rsp = MMIO_GPA - 8),

	/* Prefixes. */
	RINGS("\x40\x89\x02", 4, LOW(4), .name = "store with an empty REX prefix"),
	RINGS("\x66\x66\x89\x02", 2, LOW(2), .name = "store with a prefix twice"),
	RINGS("\x66\x48\x89\x02", 8, VALUE, .name = "8-byte store with the 2-byte store's prefix"),
	DECODED_RINGS("\x48\x66\x89\x02", 2, LOW(2), .name = "store with REX before a prefix"),
	DECODED_RINGS("\x48\x40\x89\x02", 4, LOW(4), .name = "store with two REX prefixes"),
	DECODED_RINGS("\x3e\x89\x02", 4, LOW(4), .name = "store with a prefix for DS"),
	DECODED_RINGS("\x65\x89\x02", 4, LOW(4), .name = "store with a prefix for GS"),
	DECODED_RINGS("\x66\x2e\x89\x02", 2, LOW(2), .name = "store with a prefix for CS"),
	DECODED_RINGS("\x67\x89\x02", 4, LOW(4), .name = "store with an address of 32 bits"),
	DECODED_RINGS("\xf3\x89\x02", 4, LOW(4), .name = "store with a repeat prefix"),

	/* Other instructions that store. */
	DECODED_RINGS("\x0f\xc3\x02", 4, LOW(4), .name = "movnti"),
	DECODED("\x8c\x1a", .name = "store of a segment", .bells = { WILDCARD(2, 1) }),
	DECODED_RINGS("\x0f\x94\x02", 1, 1, .name = "sete"),
	DECODED("\x87\x02", .name = "exchange", .bells = { WILDCARD(4, 1) },
		.exits = { LOAD(4) }, .changes_rax = true, .rax_after = 0xa5a5a5a5),
	DECODED("\xf0\x87\x02", .name = "locked exchange", .bells = { WILDCARD(4, 1) },
		.exits = { LOAD(4) }, .changes_rax = true, .rax_after = 0xa5a5a5a5),
	DECODED("\xf7\x12", .name = "not", .bells = { MATCH(4, 1, 0x5a5a5a5a) },
		.exits = { LOAD(4) }),

	/* Modes. */
	EACH_SERVED(.name = "store in user mode", .mode = CPL3_64BIT,
		    .bells = { MATCH(OWN_WIDTH, 1, VALUE) }),
	EACH_SERVED(.name = "store in user mode, no device", .mode = CPL3_64BIT,
		    .exits = { STORE(OWN_WIDTH, MMIO_GPA, VALUE) }),
	EACH(EACH_LOAD, .name = "load in user mode", .decode = DECODE_ALWAYS, .mode = CPL3_64BIT,
	     .bells = { WILDCARD(OWN_WIDTH, 0) }, .exits = { LOAD(OWN_WIDTH) }),
	RINGS("\x48\xc7\x05----\x78\x56\x34\x12", 8, 0x12345678, .rip_relative = 3,
	      .mode = CPL3_64BIT, .name = "store in user mode, relative to RIP"),
	DECODED_RINGS("\x3e\x89\x02", 4, LOW(4), .name = "store in user mode with a prefix for DS",
		      .mode = CPL3_64BIT),
	RINGS(STORE4, 4, LOW(4), .name = "32-bit code", .mode = CPL0_32BIT),
	RINGS(STORE4, 4, LOW(4), .name = "protected mode", .mode = CPL0_PROTECTED),

	/* What is at the address, and how wide it is. */
	DECODED(STORE4, .name = "store across a page", .regs.rdx = FAR_GPA - 3,
		.bells = { { ANY_VALUE, 4, 0, FAR_GPA - 3 } },
		.exits = { STORE(3, FAR_GPA - 3, LOW(4) & 0xffffff),
			   STORE(1, FAR_GPA, LOW(4) >> 24) }),
	SERVED(STORE8, .name = "store at a page's end", .regs.rdx = FAR_GPA - 8,
	       .bells = { WILDCARD_AT(FAR_GPA - 8, 8) }),
	{ AS_GIVEN, { CODE(STORE4), .name = "store to a read-only memslot",
	  .decode = DECODE_NEVER, .is_served = true, .regs.rdx = ROM_GPA,
	  .exits = { STORE(4, ROM_GPA, LOW(4)) } }, .needs_tdp = true },
	EACH(EACH_STORE, .name = "store, RAM", .regs.rdx = RAM_GPA, .ram_after = VALUE),
	EACH_SERVED(.name = "store, no device", .exits = { STORE(OWN_WIDTH, MMIO_GPA, VALUE) }),
	EACH_SERVED(.name = "store, DATAMATCH misses", .bells = { MATCH(OWN_WIDTH, 0, VALUE ^ 1) },
		    .exits = { STORE(OWN_WIDTH, MMIO_GPA, VALUE) }),
	SERVED(STORE2, .name = "store, ioeventfd is longer", .bells = { WILDCARD(4, 0) },
	       .exits = { STORE(2, MMIO_GPA, LOW(2)) }),
	SERVED(STORE4, .name = "store, ioeventfd is shorter", .bells = { WILDCARD(2, 0) },
	       .exits = { STORE(4, MMIO_GPA, LOW(4)) }),
	SERVED(STORE2, .name = "store, DATAMATCH has bits beyond its length",
	       .bells = { MATCH(2, 0, LOW(2) | 0x10000) }, .exits = { STORE(2, MMIO_GPA, LOW(2)) }),
	SERVED(STORE2, .name = "store, inside an ioeventfd", .regs.rdx = MMIO_GPA + 2,
	       .bells = { WILDCARD(4, 0) }, .exits = { STORE(2, MMIO_GPA + 2, LOW(2)) }),
	SERVED(STORE2, .name = "store, none of three DATAMATCH values",
	       .bells = { MATCH(2, 0, 0), MATCH(2, 0, LOW(2) - 1), MATCH(2, 0, LOW(1)) },
	       .exits = { STORE(2, MMIO_GPA, LOW(2)) }),
	SERVED(STORE2, .name = "store, one of three DATAMATCH values",
	       .bells = { MATCH(2, 0, 0), MATCH(2, 1, LOW(2)), MATCH(2, 0, LOW(1)) }),
	SERVED(STORE4, .name = "store, ioeventfds of three lengths",
	       .bells = { WILDCARD(2, 0), WILDCARD(4, 1), WILDCARD(8, 0) }),
	EACH_SERVED(.name = "store, DATAMATCH hits", .bells = { MATCH(OWN_WIDTH, 1, VALUE) }),
	EACH_SERVED(.name = "store, wildcard", .bells = { WILDCARD(OWN_WIDTH, 1) }),
	/* pv_mmio_stats_test checks which statistic counts these. */
	EACH(EACH_STORE, .name = "store, length 0", .decode = DECODE_NEVER,
	     .bells = { WILDCARD(0, 1) }),

	/* The CPU's state.  KVM tries in vain to learn some of these, so they come last. */
	RINGS("\xfb\x90" STORE2, 2, LOW(2), .name = "store after the shadow of sti",
	      .rflags_after = RFLAGS_IF),
	RINGS(STORE2, 2, LOW(2), .name = "store clears RFLAGS.RF", .regs.rflags = RFLAGS_RF),
	RINGS(STORE2, 2, LOW(2), .name = "code at a page's end", .code_gpa = CODE_PAGE_END(3)),
	DECODED_RINGS(STORE2, 2, LOW(2), .name = "code across a page",
		      .code_gpa = CODE_PAGE_END(2)),
	DECODED_RINGS(STORE2, 2, LOW(2), .name = "code across a page, but for a byte",
		      .code_gpa = CODE_PAGE_END(1)),
	{ AS_GIVEN, { CODE("\xfb" STORE2), .name = "store in the shadow of sti",
	  .decode = DECODE_ALWAYS, .bells = { MATCH(2, 1, LOW(2)) },
	  .rflags_after = RFLAGS_IF }, .in_shadow = true },
};

#endif /* SELFTEST_KVM_PV_MMIO_TEST_CASES_H */
