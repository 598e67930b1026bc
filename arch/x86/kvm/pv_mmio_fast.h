/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fast paths of stores and hypercalls share.  Inline: on kernels that
 * are hardened against speculation, calls cost more than what they'd do here.
 */
#ifndef __KVM_X86_PV_MMIO_FAST_H
#define __KVM_X86_PV_MMIO_FAST_H

#include <linux/kvm_host.h>

#include "../../../virt/kvm/ioeventfd_index.h"
#include "lapic.h"
#include "pmu.h"
#include "x86.h"

static __always_inline u64 kvm_pv_mmio_truncated(u64 val, int len)
{
	return val & GENMASK_ULL(8 * len - 1, 0);
}

static __always_inline bool kvm_pv_mmio_is_lapic(struct kvm_vcpu *vcpu,
						 gpa_t gpa)
{
	return lapic_in_kernel(vcpu) &&
	       (gpa & PAGE_MASK) == vcpu->arch.apic->base_address;
}

/* Memslots are rarely changed: remember the answer for their generation. */
static __always_inline bool
kvm_pv_mmio_entry_is_mmio(struct kvm_vcpu *vcpu, gpa_t gpa,
			  struct kvm_ioeventfd_entry *entry)
{
	/* Not in SMM, so it's the one address space. */
	u64 generation = kvm_memslots(vcpu->kvm)->generation;

	if (likely(READ_ONCE(entry->mmio_generation) == generation))
		return true;

	if (kvm_pv_mmio_gpa_is_ram(vcpu, gpa))
		return false;

	WRITE_ONCE(entry->mmio_generation, generation);
	return true;
}

/*
 * The ioeventfd that a write to @gpa signals, if the fast path may do that.
 * The caller is in kvm->srcu.
 */
static __always_inline struct kvm_ioeventfd_entry *
kvm_pv_mmio_find(struct kvm_vcpu *vcpu, gpa_t gpa, int len, u64 val)
{
	struct kvm_ioeventfd_entry *entry;

	entry = kvm_ioeventfd_find(vcpu->kvm, KVM_MMIO_BUS, gpa, len,
				   kvm_pv_mmio_truncated(val, len));
	if (!entry || kvm_pv_mmio_is_lapic(vcpu, gpa) ||
	    !kvm_pv_mmio_entry_is_mmio(vcpu, gpa, entry))
		return NULL;

	return entry;
}

/* Go on behind the instruction, and count it where the guest counts. */
static __always_inline void kvm_pv_mmio_retire(struct kvm_vcpu *vcpu,
					       unsigned long next_rip)
{
	kvm_rip_write(vcpu, next_rip);
	if (!bitmap_empty(vcpu_to_pmu(vcpu)->all_valid_pmc_idx,
			  X86_PMC_IDX_MAX))
		kvm_pmu_trigger_event(vcpu,
				      kvm_pmu_eventsel.INSTRUCTIONS_RETIRED);
}

#endif /* __KVM_X86_PV_MMIO_FAST_H */
