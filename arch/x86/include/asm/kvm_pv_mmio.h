/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What pv_mmio keeps in a VM and in a vCPU.
 */
#ifndef _ASM_X86_KVM_PV_MMIO_H
#define _ASM_X86_KVM_PV_MMIO_H

#include <linux/types.h>

struct kvm_pv_mmio_l2_sites;
struct kvm_pv_mmio_sites;

/* All-zero is the state of a new VM: the store is on, the hypercall off. */
struct kvm_pv_mmio_vm {
	bool store_off;
	bool hypercall_on;
};

struct kvm_pv_mmio_vcpu {
	/* NULL until a guest rings; only the vCPU's own thread looks. */
	struct kvm_pv_mmio_sites *sites;
	struct kvm_pv_mmio_l2_sites *l2_sites;
	/* The hypercall that waits for the VMM, in case the VMM moves RIP. */
	unsigned long hypercall_rip;
};

#endif /* _ASM_X86_KVM_PV_MMIO_H */
