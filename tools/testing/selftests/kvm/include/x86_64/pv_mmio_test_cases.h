/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of pv_mmio_test: first accesses that are no PV store, though RCX
 * or the code comes close, then those that are.  What a case doesn't say: RAX
 * is VALUE, RDX is MMIO_GPA.
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

/* RCX isn't signed; also tried after the code became known for @width. */
#define RCX(value, width)						\
	.regs.rcx = (value), .prime_rcx = PV_MMIO_RCX(width, MMIO_GPA),	\
	.decode = DECODE_ALWAYS

#define WILDCARD(len, rings)		{ ANY_VALUE, len, rings, MMIO_GPA }
#define MATCH(len, rings, value)	{ DATAMATCH, len, rings, MMIO_GPA, value }
#define STORE(len, gpa, data)		{ STORE_EXIT, len, gpa, data }
#define LOAD(len)			{ LOAD_EXIT, len, MMIO_GPA }

struct pv_case {
	enum { AS_GIVEN, EACH_STORE, EACH_LOAD } code;
	bool signs;		/* RCX has yet to be combined with RDX */
	struct access_case access;
};

/* An access of each width, a store of one width, other code. */
#define EACH(kind, ...)		{ kind, true, { __VA_ARGS__ } }
#define PV(bytes, width, ...)						\
	{ AS_GIVEN, true, { CODE(bytes),				\
	  .regs.rcx = KVM_PV_MMIO_SIGNATURE | (width), __VA_ARGS__ } }
#define NOT_PV(bytes, width, ...)					\
	PV(bytes, width, .decode = DECODE_ALWAYS, __VA_ARGS__)
#define NOT_SIGNED(bytes, ...)	{ AS_GIVEN, false, { CODE(bytes), __VA_ARGS__ } }

static const struct pv_case pv_cases[] = {
	EACH(EACH_LOAD, .name = "load, wildcard", .decode = DECODE_ALWAYS,
	     .bells = { WILDCARD(OWN_WIDTH, 0) }, .exits = { LOAD(OWN_WIDTH) }),
	EACH(EACH_LOAD, .name = "load, DATAMATCH", .decode = DECODE_ALWAYS,
	     .bells = { MATCH(OWN_WIDTH, 0, VALUE) }, .exits = { LOAD(OWN_WIDTH) }),

	NOT_SIGNED(STORE2, .name = "RCX is 0", RCX(0, 2), .bells = { WILDCARD(2, 1) }),
	NOT_SIGNED(STORE2, .name = "RCX is signed for another RDX",
		   RCX(PV_MMIO_RCX(2, MMIO_GPA + 8), 2), .bells = { WILDCARD(2, 1) }),
	NOT_SIGNED(STORE2, .name = "RCX is not combined with RDX",
		   RCX(KVM_PV_MMIO_SIGNATURE | 2, 2), .bells = { WILDCARD(2, 1) }),
	NOT_SIGNED(STORE4, .name = "RCX has its top bit flipped",
		   RCX(PV_MMIO_RCX(4, MMIO_GPA) ^ (1ull << 63), 4), .bells = { WILDCARD(4, 1) }),
	NOT_SIGNED(STORE4, .name = "RCX has bit 4 flipped",
		   RCX(PV_MMIO_RCX(4, MMIO_GPA) ^ 0x10, 4), .bells = { WILDCARD(4, 1) }),
	NOT_SIGNED(STORE4, .name = "RCX has only 32 bits",
		   RCX((u32)PV_MMIO_RCX(4, MMIO_GPA), 4), .bells = { WILDCARD(4, 1) }),
	NOT_SIGNED(STORE2, .name = "RCX says 0 bytes, code stores 2",
		   RCX(PV_MMIO_RCX(0, MMIO_GPA), 2), .bells = { WILDCARD(2, 1) }),
	NOT_SIGNED(STORE2, .name = "RCX says 3 bytes, code stores 2",
		   RCX(PV_MMIO_RCX(3, MMIO_GPA), 2), .bells = { WILDCARD(2, 1) }),
	NOT_SIGNED(STORE2, .name = "RCX says 4 bytes, code stores 2",
		   RCX(PV_MMIO_RCX(4, MMIO_GPA), 2), .bells = { WILDCARD(2, 1), WILDCARD(4, 0) }),
	NOT_SIGNED(STORE1, .name = "RCX says 2 bytes, code stores 1",
		   RCX(PV_MMIO_RCX(2, MMIO_GPA), 1), .bells = { WILDCARD(1, 1), WILDCARD(2, 0) }),
	NOT_SIGNED(STORE8, .name = "RCX says 4 bytes, code stores 8",
		   RCX(PV_MMIO_RCX(4, MMIO_GPA), 8), .bells = { WILDCARD(8, 1), WILDCARD(4, 0) }),
	NOT_SIGNED(STORE4, .name = "RCX says 8 bytes, code stores 4",
		   RCX(PV_MMIO_RCX(8, MMIO_GPA), 4), .bells = { WILDCARD(4, 1), WILDCARD(8, 0) }),

	NOT_PV("\x48\x89\x1a", 8, .name = "store of another register",
	       .bells = { MATCH(8, 1, OTHER), MATCH(8, 0, VALUE) }),
	NOT_PV("\xc6\x02\x01", 1, .name = "store of an immediate",
	       .bells = { MATCH(1, 1, 1), MATCH(1, 0, LOW(1)) }),
	NOT_PV("\x3e\x88\x02", 1, .name = "store with a segment prefix",
	       .bells = { WILDCARD(1, 1) }),
	NOT_PV("\x40\x88\x02", 1, .name = "store with an empty REX prefix",
	       .bells = { WILDCARD(1, 1) }),
	NOT_PV("\x66\x66\x89\x02", 2, .name = "store with a prefix twice",
	       .bells = { WILDCARD(2, 1) }),
	NOT_PV("\x66\x48\x89\x02", 2, .name = "8-byte store with the 2-byte store's prefix",
	       .bells = { WILDCARD(8, 1), WILDCARD(2, 0) }),
	NOT_PV("\x89\x42\x00", 4, .name = "store with a displacement",
	       .bells = { WILDCARD(4, 1) }),
	NOT_PV("\xf0\x87\x02", 4, .name = "locked exchange", .bells = { WILDCARD(4, 1) },
	       .exits = { LOAD(4) }, .changes_rax = true, .rax_after = 0xa5a5a5a5),
	NOT_PV("\x89\x06", 4, .name = "store through RSI, RDX signed for the same offset",
	       .regs.rdx = FAR_GPA,
	       .bells = { WILDCARD(4, 1), { ANY_VALUE, 4, 0, FAR_GPA } }),
	NOT_SIGNED(STORE2, .name = "user mode", .mode = CPL3_64BIT,
		   RCX(PV_MMIO_RCX(2, MMIO_GPA), 2), .bells = { WILDCARD(2, 1) }),
	NOT_SIGNED(STORE4, .name = "32-bit code", .mode = CPL0_32BIT,
		   RCX(PV_MMIO_RCX(4, MMIO_GPA), 4), .bells = { WILDCARD(4, 1) }),
	NOT_SIGNED(STORE4, .name = "protected mode", .mode = CPL0_PROTECTED,
		   RCX(PV_MMIO_RCX(4, MMIO_GPA), 4), .bells = { WILDCARD(4, 1) }),
	PV(STORE4, 4, .name = "store across a page", .regs.rdx = FAR_GPA - 3,
	   .bells = { { ANY_VALUE, 4, 0, FAR_GPA - 3 } },
	   .exits = { STORE(3, FAR_GPA - 3, LOW(4) & 0xffffff), STORE(1, FAR_GPA, LOW(4) >> 24) }),
	PV(STORE4, 4, .name = "store to a read-only memslot", .regs.rdx = ROM_GPA,
	   .exits = { STORE(4, ROM_GPA, LOW(4)) }),

	EACH(EACH_STORE, .name = "PV store, RAM", .regs.rdx = RAM_GPA, .ram_after = VALUE),
	EACH(EACH_STORE, .name = "PV store, no device",
	     .exits = { STORE(OWN_WIDTH, MMIO_GPA, VALUE) }),
	EACH(EACH_STORE, .name = "PV store, DATAMATCH misses",
	     .bells = { MATCH(OWN_WIDTH, 0, VALUE ^ 1) },
	     .exits = { STORE(OWN_WIDTH, MMIO_GPA, VALUE) }),
	PV(STORE2, 2, .name = "PV store, ioeventfd is longer", .bells = { WILDCARD(4, 0) },
	   .exits = { STORE(2, MMIO_GPA, LOW(2)) }),
	PV(STORE4, 4, .name = "PV store, ioeventfd is shorter", .bells = { WILDCARD(2, 0) },
	   .exits = { STORE(4, MMIO_GPA, LOW(4)) }),
	PV(STORE2, 2, .name = "PV store, DATAMATCH has bits beyond its length",
	   .bells = { MATCH(2, 0, LOW(2) | 0x10000) }, .exits = { STORE(2, MMIO_GPA, LOW(2)) }),
	PV(STORE2, 2, .name = "PV store, inside an ioeventfd", .regs.rdx = MMIO_GPA + 2,
	   .bells = { WILDCARD(4, 0) }, .exits = { STORE(2, MMIO_GPA + 2, LOW(2)) }),
	PV(STORE2, 2, .name = "PV store, none of three DATAMATCH values",
	   .bells = { MATCH(2, 0, 0), MATCH(2, 0, LOW(2) - 1), MATCH(2, 0, LOW(1)) },
	   .exits = { STORE(2, MMIO_GPA, LOW(2)) }),
	PV(STORE2, 2, .name = "PV store, one of three DATAMATCH values", .decode = DECODE_NEVER,
	   .bells = { MATCH(2, 0, 0), MATCH(2, 1, LOW(2)), MATCH(2, 0, LOW(1)) }),
	PV(STORE4, 4, .name = "PV store, ioeventfds of three lengths", .decode = DECODE_NEVER,
	   .bells = { WILDCARD(2, 0), WILDCARD(4, 1), WILDCARD(8, 0) }),
	EACH(EACH_STORE, .name = "PV store, DATAMATCH hits", .decode = DECODE_NEVER,
	     .bells = { MATCH(OWN_WIDTH, 1, VALUE) }),
	EACH(EACH_STORE, .name = "PV store, wildcard", .decode = DECODE_NEVER,
	     .bells = { WILDCARD(OWN_WIDTH, 1) }),
	EACH(EACH_STORE, .name = "PV store, length 0", .decode = DECODE_NEVER,
	     .bells = { WILDCARD(0, 1) }),
	PV(STORE2, 2, .name = "PV store, address in the upper half", .regs.rdx = MMIO_HIGH_GVA,
	   .decode = DECODE_NEVER, .bells = { WILDCARD(2, 1) }),
	PV(STORE2, 2, .name = "PV store, code across a page", .code_crosses_page = true,
	   .bells = { WILDCARD(2, 1) }),
	PV("\xfb" STORE2, 2, .name = "PV store, in the shadow of sti",
	   .bells = { WILDCARD(2, 1) }, .rflags_after = RFLAGS_IF),
	PV(STORE2, 2, .name = "PV store, clears RFLAGS.RF", .regs.rflags = RFLAGS_RF,
	   .bells = { WILDCARD(2, 1) }),
};

#endif /* SELFTEST_KVM_PV_MMIO_TEST_CASES_H */
