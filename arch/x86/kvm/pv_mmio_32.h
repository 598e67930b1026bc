/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stores of 32-bit code: of firmware, of 32-bit kernels, and of 32-bit programs
 * on any kernel.  Its segments may have bases and limits, so KVM serves it only
 * if they don't.  64-bit code, which has none, isn't asked for them, and its exit
 * fast path isn't in here.
 */
#ifndef __KVM_X86_PV_MMIO_32_H
#define __KVM_X86_PV_MMIO_32_H

#include <linux/kvm_host.h>

#include "pv_mmio_fast.h"

/* Whether the vCPU runs 32-bit code whose stores go where the registers say. */
bool kvm_pv_mmio_is_flat(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_cpu cpu);

/* Whether KVM may serve a store of this code. */
static inline bool kvm_pv_mmio_is_served(struct kvm_vcpu *vcpu,
					 struct kvm_pv_mmio_cpu cpu)
{
	return cpu.mode == KVM_PV_MMIO_MODE_64 ||
	       kvm_pv_mmio_is_flat(vcpu, cpu);
}

/* kvm_pv_mmio_fastpath() for such code, which is rare, so this isn't inline. */
fastpath_t kvm_pv_mmio_fastpath_32(struct kvm_vcpu *vcpu,
				   const struct kvm_pv_mmio_exit *exit,
				   struct kvm_pv_mmio_code code);

#endif /* __KVM_X86_PV_MMIO_32_H */
