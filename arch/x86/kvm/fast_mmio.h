/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Length-0 ioeventfds in the slow context, where KVM looks for them before it
 * looks at anything else.
 */
#ifndef __KVM_X86_FAST_MMIO_H
#define __KVM_X86_FAST_MMIO_H

#include <linux/kvm_host.h>

#include "x86.h"

#ifdef CONFIG_KVM_PV_MMIO

#include "pv_mmio_state.h"
#include "../../../virt/kvm/ioeventfd_index.h"

/* Whether the code says that this access is a load.  If it can't be read, no. */
bool kvm_fast_mmio_is_load(struct kvm_vcpu *vcpu);

/*
 * Only few exits are for ioeventfds of length 0, so the index spares the others
 * a walk of the bus.  Without an index, the bus has no ioeventfd, unless there
 * was no memory for one.  If @is_fault, @error_code tells loads from stores.
 */
static __always_inline bool
__kvm_fast_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, bool is_fault,
		      u64 error_code)
{
	if (READ_ONCE(vcpu->kvm->ioeventfd_index)) {
		if (!kvm_ioeventfd_may_find_wildcard(vcpu->kvm,
						     KVM_FAST_MMIO_BUS, gpa))
			return false;
		if (kvm_pv_mmio_store_enabled(vcpu) &&
		    (is_fault ? !kvm_pv_mmio_is_store(error_code) :
				kvm_fast_mmio_is_load(vcpu)))
			return false;
	}
	return !kvm_io_bus_write(vcpu, KVM_FAST_MMIO_BUS, gpa, 0, NULL);
}

/*
 * Signal the ioeventfd of length 0 at @gpa.  Returns false if there's none, or
 * if the access is a load, which is no doorbell.
 */
bool kvm_fast_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa);

/* The same for a fault, by its error code; the caller has ruled out L2's. */
static inline bool kvm_fast_mmio_write_fault(struct kvm_vcpu *vcpu, gpa_t gpa,
					     u64 error_code)
{
	return __kvm_fast_mmio_write(vcpu, gpa, true, error_code);
}

#else

static inline bool kvm_fast_mmio_write_fault(struct kvm_vcpu *vcpu, gpa_t gpa,
					     u64 error_code)
{
	return !kvm_io_bus_write(vcpu, KVM_FAST_MMIO_BUS, gpa, 0, NULL);
}

static inline bool kvm_fast_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return !is_guest_mode(vcpu) &&
	       !kvm_io_bus_write(vcpu, KVM_FAST_MMIO_BUS, gpa, 0, NULL);
}

#endif

#endif /* __KVM_X86_FAST_MMIO_H */
