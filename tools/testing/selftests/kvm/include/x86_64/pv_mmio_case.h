/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A case is one guest access, given as machine code and registers, and all
 * that may come of it: signals, exits, registers, memory.  The host places
 * the code where nothing ran before, sets every register, and runs it a few
 * times, because KVM treats code that it has seen differently from new code.
 */
#ifndef SELFTEST_KVM_PV_MMIO_CASE_H
#define SELFTEST_KVM_PV_MMIO_CASE_H

#include "pv_mmio.h"

#define CODE_GPA	0xc0000000ul	/* two pages */
#define RAM_GPA		0xc0002000ul	/* one page */
#define CODE_SLOTS_GPA	0xc0003000ul	/* CODE_SLOT_PAGES */
#define ROM_GPA		0xc0100000ul	/* one page, a read-only memslot */
#define MMIO_GPA	0xd0000000ul	/* two pages, no memslot */
#define ALIAS_4M	0xd0400000ul	/* that, by 32-bit tables */
#define IOAPIC_GPA	0xfec00000ul	/* KVM's own I/O APIC */
/* All is mapped one to one.  MMIO is mapped again where kernels have it, */
#define MMIO_HIGH_GVA	0xffff8880d0000000ul
/* and once more where a sign-extended 32-bit address reaches it. */
#define MMIO_TOP_GVA	0xffffffffd0000000ul

/* For code of which @nr bytes are on one page, and the others on the next. */
#define CODE_PAGE_END(nr)	(CODE_GPA + PAGE_SIZE - (nr))
#define CODE_SLOT_PAGES	8
#define CODE_SLOT_SIZE	16
#define NR_RUNS		4
#define MAX_BELLS	3
#define MAX_EXITS	2

#define RFLAGS_STATUS	0x8d5ul
#define RFLAGS_IF	BIT(9)
#define RFLAGS_IOPL	(BIT(12) | BIT(13))
#define RFLAGS_RF	BIT(16)
/* RFLAGS of every access: bit 1 and all status flags. */
#define CASE_RFLAGS	0x8d7ul
/* What the VMM answers to a load, in every byte. */
#define LOADED_BYTE	0xa5

#define WIDTH_MASK(width)	(~0ull >> (64 - 8 * (width)))

/* A length that case_set_width() replaces. */
#define OWN_WIDTH	0xff

/*
 * From CPL0_PROTECTED on, the CPU isn't in long mode: 32-bit code without
 * paging, with PAE, with 32-bit page tables; and 16-bit code without paging.
 */
enum cpu_mode {
	CPL0_64BIT, CPL3_64BIT, CPL0_32BIT, CPL3_32BIT,
	CPL0_PROTECTED, CPL0_PAE, CPL0_NOT_PAE, CPL3_NOT_PAE, CPL0_16BIT,
};

/* Was the guest's code decoded, as vCPU statistic insn_emulation tells it? */
enum decode { DECODE_EITHER, DECODE_NEVER, DECODE_ALWAYS };

struct bell {
	enum { NO_BELL, ANY_VALUE, DATAMATCH } kind;
	u32 len;
	u32 rings;	/* signals that one run must cause */
	u64 gpa;
	u64 value;
};

struct mmio_exit {
	enum { NO_EXIT, LOAD_EXIT, STORE_EXIT } kind;
	u32 len;
	u64 gpa;
	u64 data;
};

struct access_case {
	const char *name;
	const char *code;
	size_t code_len;
	u64 code_gpa;		/* 0: a new place for each case */
	bool is_placed;		/* the code is there already */
	/* If not 0: offset of a RIP-relative displacement, to be filled in for MMIO_GPA. */
	u8 rip_relative;
	enum cpu_mode mode;
	/* Changes what the mode sets, or NULL; and what it sets the base of CS to. */
	void (*adjust)(struct kvm_sregs *sregs);
	u64 cs_base;
	enum decode decode;	/* after the first run */
	/* After the first run, KVM must count this among the stores that it served. */
	bool is_served;
	struct kvm_regs regs;	/* but RSP, which is the library's */
	bool changes_rax;
	u64 rax_after;
	bool changes_flags;	/* the status flags may change in any way */
	u64 rflags_after;	/* on top of CASE_RFLAGS */
	u64 ram_after;		/* at RAM_GPA; it holds 0 before each run */
	struct bell bells[MAX_BELLS];
	struct mmio_exit exits[MAX_EXITS];
};

/* The guest's code ends with an exit that KVM never handles by itself. */
#define DONE_PORT	0xf4
#define DONE_INSN	"\xe6\xf4"	/* out %al,$0xf4 */
#define DONE_INSN_LEN	2

static inline bool is_user_mode(enum cpu_mode mode)
{
	return mode == CPL3_64BIT || mode == CPL3_32BIT || mode == CPL3_NOT_PAE;
}

#define CODE(bytes)	.code = (bytes), .code_len = sizeof(bytes) - 1

struct case_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	int stats_fd;
	off_t decodes_offset, fast_offset, slow_offset;
	int bell_fds[MAX_BELLS];
	unsigned int nr_slots;
};

/* @hidden: a feature that the vCPU's CPUID is to lack, so KVM must not offer it. */
void case_vm_create(struct case_vm *cvm, const struct kvm_x86_cpu_feature *hidden);
/* The same, before KVM knows that there is no RAM at the MMIO addresses. */
void case_vm_init(struct case_vm *cvm, const struct kvm_x86_cpu_feature *hidden);
void case_vm_free(struct case_vm *cvm);
/* Makes KVM forget all of the guest's code, by changing a memslot and back. */
void case_vm_forget(struct case_vm *cvm);

/* Is a store to an ioeventfd served in the exit fast path, with code in @mode? */
bool store_has_fast_path(enum cpu_mode mode);
/* The same, leaving PREEMPT_RT aside. */
bool machine_has_fast_stores(enum cpu_mode mode);

u64 count_decodes(struct case_vm *cvm);

void case_set_width(struct access_case *c, u32 width);
void case_set_mode(struct case_vm *cvm, enum cpu_mode mode);
void case_adjust_mode(struct case_vm *cvm, void (*adjust)(struct kvm_sregs *sregs));
/* The guest's PTE for @gva.  After a change, call case_flush_tlb(). */
u64 *case_pte(struct case_vm *cvm, u64 gva);
void case_flush_tlb(struct case_vm *cvm);
/* Makes all pages supervisor pages, and sets the bits @cr4 in CR4. */
void case_make_supervisor(struct case_vm *cvm, u64 cr4);
u64 case_place_code(struct case_vm *cvm, const struct access_case *c);
void case_set_regs(struct case_vm *cvm, const struct access_case *c, u64 rip);
bool run_case(struct case_vm *cvm, const struct access_case *c);
/* Runs it once.  The caller has placed its code, set its mode and its ioeventfds. */
void run_case_once(struct case_vm *cvm, const struct access_case *c, u64 rip);

#endif /* SELFTEST_KVM_PV_MMIO_CASE_H */
