/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A walk of a guest's page tables that notes each entry it comes by: as long as
 * none of them has changed, the walk would end in the same place.
 */
#ifndef __KVM_X86_PV_MMIO_WALK_H
#define __KVM_X86_PV_MMIO_WALK_H

#include "pv_mmio_site.h"

struct kvm_pv_mmio_walk {
	struct kvm_vcpu *vcpu;
	struct kvm_pv_mmio_word *words;
	int nr_words;
	int max_words;
	/* Bits of an entry that may change and leave the translation alone. */
	u64 ignored;
	/* Set where each entry of the guest's own tables has the bit. */
	u64 rights;
	/* Where the guest's tables are, if in another guest's memory. */
	gpa_t (*translate)(struct kvm_pv_mmio_walk *walk, gpa_t gpa);
};

/*
 * Where @addr is by the tables at @root, INVALID_GPA if nowhere or if there's
 * no room for all words.  Knows nothing of rights and reserved bits: KVM's own
 * walk must agree.  May sleep.
 */
gpa_t kvm_pv_mmio_walk_tables(struct kvm_pv_mmio_walk *walk,
			      union kvm_cpu_role role, u64 root, u64 addr);

/* The same by the tables of the guest that runs; its rights are noted. */
gpa_t kvm_pv_mmio_walk_guest(struct kvm_pv_mmio_walk *walk,
			     const struct kvm_pv_mmio_place *place, u64 addr);

#endif /* __KVM_X86_PV_MMIO_WALK_H */
