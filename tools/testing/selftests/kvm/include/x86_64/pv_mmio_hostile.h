/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs by the hundred, and the memory that they leave behind.
 */
#ifndef SELFTEST_KVM_PV_MMIO_HOSTILE_H
#define SELFTEST_KVM_PV_MMIO_HOSTILE_H

#include "pv_mmio.h"

/* With fewer, a leak can't be told from what else happens. */
#define MIN_VMS		100
#define MAX_CACHES	64

/* What the kernel has in use, in all and by size of allocation. */
struct memory {
	long used_kib;
	int nr_caches;
	struct slab_cache {
		char name[32];
		long objects;
	} caches[MAX_CACHES];
};

void hostile_make_vms(u32 vms);
void hostile_read_memory(struct memory *memory);
bool hostile_memory_is_back(const struct memory *before, struct memory *after, u32 vms);
bool hostile_killed_vmm_is_gone(void);

#endif /* SELFTEST_KVM_PV_MMIO_HOSTILE_H */
