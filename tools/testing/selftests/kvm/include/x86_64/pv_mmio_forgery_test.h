/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pv_mmio_forgery_test: accesses, and a VM that notes all that comes of one.
 */
#ifndef SELFTEST_KVM_PV_MMIO_FORGERY_TEST_H
#define SELFTEST_KVM_PV_MMIO_FORGERY_TEST_H

#include "pv_mmio_case.h"

#define READ_ONLY_GPA	MMIO_GPA
#define WRITE_ONLY_GPA	(MMIO_GPA + PAGE_SIZE)
#define DOORBELL_VALUE	0x0102030405060708ull
#define NR_BELLS	12
#define NR_EXITS	16

/* An access; a store of the contract is one, too, so that there is a true one. */
struct forgery {
	const char *name;
	const char *code;
	u8 code_len;
	u8 width;		/* that its RCX announces, mostly */
	u8 nr_entries;		/* where else than at its start it is entered */
	u8 entries[4];
	bool is_store, is_string, is_repeated;
};

#define NR_FORGERIES	36
/* Of each, so that any place that KVM may keep for a store holds a true one. */
#define NR_COPIES	6

extern const struct forgery forgeries[NR_FORGERIES];

/* What came of one access. */
struct forgery_trace {
	u64 bells[NR_BELLS];
	u32 nr_exits;
	u32 last_exit;
	struct {
		u64 gpa, data;
		u32 len, is_write;
	} exits[NR_EXITS];
	struct kvm_regs regs;
	u8 ram[PAGE_SIZE];
};

struct forgery_vm {
	struct case_vm cvm;
	int bells[NR_BELLS];
	u64 decodes_saved;	/* accesses that KVM didn't decode */
	struct forgery_trace trace;
};

void forgery_vm_create(struct forgery_vm *fvm, bool feature_on);
void forgery_vm_free(struct forgery_vm *fvm);
u64 forgery_rip(int nr, int copy);
/* Fills fvm->trace. */
void forgery_run(struct forgery_vm *fvm, const struct kvm_regs *regs);
void forgery_compare(const struct forgery_vm *on, const struct forgery_vm *off);

#endif /* SELFTEST_KVM_PV_MMIO_FORGERY_TEST_H */
