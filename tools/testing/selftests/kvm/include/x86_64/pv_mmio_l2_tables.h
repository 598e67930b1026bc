/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host prepares for L1.
 */
#ifndef SELFTEST_KVM_PV_MMIO_L2_TABLES_H
#define SELFTEST_KVM_PV_MMIO_L2_TABLES_H

#include "svm_util.h"
#include "vmx.h"

/*
 * L1's EPT or NPT: the root, then one table for each part, then a root on top
 * of the root.  There are two sets of these.
 */
enum { ROOT, PDPT, PD_LOW, PD_HIGH, PT_CODE, PT_MMIO, FIFTH_LEVEL, NR_TABLES };

#define NR_PTES		512

struct l2_tables {
	bool is_svm;
	void *cpu;	/* struct vmx_pages or struct svm_test_data */
	u64 *table;
	u64 root_gpa;	/* 0: none */
};

extern struct l2_tables l2_tables;

#endif /* SELFTEST_KVM_PV_MMIO_L2_TABLES_H */
