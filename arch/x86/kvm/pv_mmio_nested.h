/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stores of L2, whose L1 has an EPT or NPT.
 *
 * To find the code, and where the store goes, takes two walks of L2's tables,
 * and a walk of L1's for each step of these.  KVM remembers all entries that
 * they read: as long as none of them has changed, the walks would lead to the
 * same addresses, with the same rights.
 */
#ifndef __KVM_X86_PV_MMIO_NESTED_H
#define __KVM_X86_PV_MMIO_NESTED_H

#include "pv_mmio_site.h"

/* Whether a store of L2's may be known where it is: spares others the rest. */
bool kvm_pv_mmio_l2_may_know(struct kvm_vcpu *vcpu);

/* Whether a store is known at L2's @place, though it may have changed since. */
bool kvm_pv_mmio_l2_knows(struct kvm_vcpu *vcpu,
			  const struct kvm_pv_mmio_place *place);

/*
 * Returns the instruction at L2's @place if KVM knows it and it hasn't changed,
 * and in @gpa where its store goes; else NULL.  The caller holds kvm->srcu.
 */
const struct kvm_pv_mmio_insn *
kvm_pv_mmio_l2_recall(struct kvm_vcpu *vcpu,
		      const struct kvm_pv_mmio_place *place, gpa_t *gpa);

/*
 * Remember the instruction at L2's @place, of which @code are the bytes, and
 * where its store to @linear goes.  May sleep.
 */
void kvm_pv_mmio_l2_learn(struct kvm_vcpu *vcpu,
			  const struct kvm_pv_mmio_place *place,
			  const struct kvm_pv_mmio_insn *insn, const u8 *code,
			  unsigned long linear);

#endif /* __KVM_X86_PV_MMIO_NESTED_H */
