/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A minimal L1 hypervisor, on VMX or SVM, and its L2.  They share the VM's page
 * tables, code and data.  L1's EPT or NPT maps the VM's low memory and the pages
 * at L2_CODE_GPA and L2_MMIO_GPA one to one, until L1 changes it.
 */
#ifndef SELFTEST_KVM_PV_MMIO_L2_H
#define SELFTEST_KVM_PV_MMIO_L2_H

#include "pv_mmio.h"

#define L2_CODE_GPA	0xc0000000ul	/* 2 MiB each, in pages of 4 KiB */
#define L2_MMIO_GPA	0xd0000000ul

/* EPT and NPT agree on these. */
#define L2_PTE_WRITABLE	BIT(1)
#define L2_PTE_RIGHTS	0x7ull

enum l2_exit_reason { L2_CALLED = 1, L2_TDP_FAULT, L2_OUT, L2_EXCEPTION, L2_STEPPED, L2_OTHER };

/* What L1 sees of L2's exit; @gpa and @info belong to an L2_TDP_FAULT. */
struct l2_exit {
	enum l2_exit_reason reason;
	u64 raw_reason;
	u64 gpa;
	u64 info;	/* exit qualification or EXITINFO1 */
};

struct l2_gprs {
	u64 rax, rbx, rcx, rdx, rsi, rdi, rbp;
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
};

/*
 * The host's side.  Returns why there can be no L2 here, or NULL; l2_lacks_cpu()
 * does so for an L2 that needs no nested paging.
 */
const char *l2_lacks(void);
const char *l2_lacks_cpu(void);
void l2_create(struct kvm_vm *vm);

/* L1's side. */
extern struct l2_gprs l2_gprs;

/* To be called before l1_prepare(): whether L1 uses nested paging. */
void l1_use_tdp(bool on);
/* @code never returns. */
void l1_prepare(void (*code)(void));
/* Runs L2 up to the next exit that L1 gets. */
struct l2_exit l1_run(void);
void l1_skip(u64 len);
u64 l1_get_l2_rip(void);
void l1_set_l2_rip(u64 rip);
/* The entry in L1's EPT or NPT for a page at L2_CODE_GPA or L2_MMIO_GPA. */
u64 *l1_pte(u64 l2_gpa);
/* Switches to a second, separate set of tables, which still maps one to one. */
void l1_use_other_tables(void);
/* Flushes L2's TLB as an L1 does: INVEPT or TLB_CONTROL. */
void l1_flush(void);
void l1_inject(u8 vector);
void l1_intercept_out(void);
void l1_intercept_db(void);
void l1_intercept_call(bool on);	/* SVM only: VMX always does */
void l1_intercept_steps(bool on);	/* VMX only: the monitor trap flag */
void l1_set_l2_rflags(u64 rflags);
void l1_set_l2_user(void);

/* vmcall or vmmcall, HYPERCALL_INSN_LEN bytes. */
const char *l2_call_insn(void);

/* L2's side: vmcall or vmmcall, which may change all registers but RSP. */
void l2_call(u64 rax, u64 rbx, u64 rcx, u64 rdx, u64 rsi);

#endif /* SELFTEST_KVM_PV_MMIO_L2_H */
