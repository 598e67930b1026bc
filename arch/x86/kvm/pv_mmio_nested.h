/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stores of L2 by L1's EPT or NPT.
 *
 * Where the code is, and where the store goes, takes two walks of L2's tables,
 * and one of L1's for each step of these.  What they read is remembered: as
 * long as none of it has changed, the walks would end up in the same place,
 * with the same rights.
 */
#ifndef __KVM_X86_PV_MMIO_NESTED_H
#define __KVM_X86_PV_MMIO_NESTED_H

#include "pv_mmio_site.h"

/*
 * The instruction at L2's @place as it is now, and at @gpa where its store
 * goes; NULL if KVM doesn't know.  The caller is in kvm->srcu.
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
