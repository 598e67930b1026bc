/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that does one MMIO write after another, as it is told, and what
 * became of each; for tests of the index of ioeventfds.
 */
#ifndef SELFTEST_KVM_PV_MMIO_INDEX_H
#define SELFTEST_KVM_PV_MMIO_INDEX_H

#include "pv_mmio_case.h"

#define INDEX_GPA	0xd0000000ul
#define INDEX_MAX_TICKS	64

/*
 * By hypercall, which asks the index; by a plain store of 4 bytes, which does so, too,
 * once KVM knows it; or by a string store, which KVM emulates; or to a port.
 */
enum index_way { BY_INDEX, BY_STORE, BY_BUS, BY_PORT };

struct index_write {
	u64 gpa;
	u64 value;
	u32 len;
	u32 way;
	u32 times;
	u32 ticks[INDEX_MAX_TICKS];
};

struct index_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct index_write *write;	/* the guest's */
	int stats_fd;
	off_t fast_offset, fast_store_offset;
};

void index_vm_create(struct index_vm *ivm);
void index_vm_free(struct index_vm *ivm);

/* Lets the guest write @times times; returns how many reached the VMM. */
u64 index_vm_write(struct index_vm *ivm, enum index_way way, u64 gpa, u32 len, u64 value,
		   u32 times);
/* How many hypercalls and stores the exit fast path has served so far. */
u64 index_vm_fast(struct index_vm *ivm);
/* The median of what the last writes took, all but the first few. */
u32 index_vm_ticks(struct index_vm *ivm);

#endif /* SELFTEST_KVM_PV_MMIO_INDEX_H */
