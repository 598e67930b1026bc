/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests of the index of ioeventfds: a guest that does the MMIO writes it is
 * told to do, and counts of where they went.
 */
#ifndef SELFTEST_KVM_PV_MMIO_INDEX_H
#define SELFTEST_KVM_PV_MMIO_INDEX_H

#include "pv_mmio_case.h"

#define INDEX_GPA	0xd0000000ul
#define INDEX_MAX_TICKS	64

/*
 * How the guest writes: by hypercall, which looks in the index; by a plain 4-byte
 * store, which does so once KVM knows its place; by a string store, which KVM
 * always emulates and looks up on the bus; or to a port.
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

/* Lets the guest write @times times; returns how many of these exited to the VMM. */
u64 index_vm_write(struct index_vm *ivm, enum index_way way, u64 gpa, u32 len, u64 value,
		   u32 times);
/* How many hypercalls and stores the exit fast path has served so far. */
u64 index_vm_fast(struct index_vm *ivm);
/* The median time of the last writes, without the first few. */
u32 index_vm_ticks(struct index_vm *ivm);

#endif /* SELFTEST_KVM_PV_MMIO_INDEX_H */
