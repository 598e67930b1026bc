/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What pv_mmio keeps in a VM and in a vCPU.
 */
#ifndef _ASM_X86_KVM_PV_MMIO_H
#define _ASM_X86_KVM_PV_MMIO_H

#include <linux/types.h>

struct kvm_pv_mmio_l2_sites;
struct kvm_pv_mmio_sites;
struct kvm_pv_mmio_user_pages;

/* Bits: the VMM has turned them off; */
#define KVM_PV_MMIO_NO_STORES_VMM	0
/* the guest's memory is encrypted, so that KVM can't read its code. */
#define KVM_PV_MMIO_NO_STORES_SEV	1

/* All-zero is the state of a new VM: the store is on, the hypercall off. */
struct kvm_pv_mmio_vm {
	/* KVM_PV_MMIO_NO_STORES_*: why all stores go to the emulator. */
	unsigned long no_stores;
	bool hypercall_on;
};

struct kvm_pv_mmio_vcpu {
	/* NULL until a guest rings; only the vCPU's own thread looks. */
	struct kvm_pv_mmio_sites *sites;
	struct kvm_pv_mmio_l2_sites *l2_sites;
	struct kvm_pv_mmio_user_pages *user_pages;
	/* The hypercall that waits for the VMM, in case the VMM moves RIP. */
	unsigned long hypercall_rip;
};

#endif /* _ASM_X86_KVM_PV_MMIO_H */
