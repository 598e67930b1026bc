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

/* Bits of no_stores.  The VMM has turned stores off: */
#define KVM_PV_MMIO_NO_STORES_VMM	0
/* The guest's memory is encrypted, so KVM can't read its code: */
#define KVM_PV_MMIO_NO_STORES_SEV	1

/* All zeros for a new VM: stores are on, the hypercall is off. */
struct kvm_pv_mmio_vm {
	/* KVM_PV_MMIO_NO_STORES_*: any bit leaves stores to the emulator. */
	unsigned long no_stores;
	bool hypercall_on;
};

struct kvm_pv_mmio_vcpu {
	/* NULL until a guest rings; only the vCPU's own thread uses them. */
	struct kvm_pv_mmio_sites *sites;
	struct kvm_pv_mmio_l2_sites *l2_sites;
	struct kvm_pv_mmio_user_pages *user_pages;
	/* RIP of a hypercall that waits for the VMM, which may change RIP. */
	unsigned long hypercall_rip;
};

#endif /* _ASM_X86_KVM_PV_MMIO_H */
