/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a write to an address in the guest to the ioeventfd there.  This is for
 * the exit fast path, and for code that may sleep.
 */
#ifndef __KVM_X86_PV_MMIO_FIND_H
#define __KVM_X86_PV_MMIO_FIND_H

#include <linux/kvm_host.h>

#include "../../../virt/kvm/ioeventfd_index.h"
#include "lapic.h"

static __always_inline u64 kvm_pv_mmio_truncated(u64 val, int len)
{
	return val & GENMASK_ULL(8 * len - 1, 0);
}

static __always_inline bool kvm_pv_mmio_crosses_page(gpa_t addr, int len)
{
	return offset_in_page(addr) + len > PAGE_SIZE;
}

static __always_inline bool kvm_pv_mmio_is_lapic(struct kvm_vcpu *vcpu,
						 gpa_t gpa)
{
	const struct kvm_lapic *apic = vcpu->arch.apic;

	return apic && (gpa & PAGE_MASK) == apic->base_address;
}

/*
 * Find the ioeventfd for a write to @gpa.  The caller has to make sure that
 * @gpa isn't RAM, and holds kvm->srcu.  @val has no bits beyond @len.
 */
static __always_inline struct kvm_ioeventfd_entry *
kvm_pv_mmio_find(struct kvm_vcpu *vcpu, gpa_t gpa, int len, u64 val)
{
	struct kvm_ioeventfd_entry *entry;

	entry = kvm_ioeventfd_find(vcpu->kvm, KVM_MMIO_BUS, gpa, len, val);
	if (!entry || kvm_pv_mmio_is_lapic(vcpu, gpa))
		return NULL;

	return entry;
}

#endif /* __KVM_X86_PV_MMIO_FIND_H */
