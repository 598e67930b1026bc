/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A walk of a guest's page tables that notes each entry it reads: as long as
 * none of them has changed, the walk would lead to the same address.
 */
#ifndef __KVM_X86_PV_MMIO_WALK_H
#define __KVM_X86_PV_MMIO_WALK_H

#include "pv_mmio_memory.h"

struct kvm_pv_mmio_walk {
	struct kvm_vcpu *vcpu;
	struct kvm_pv_mmio_word *words;
	int nr_words;
	int max_words;
	/* Bits of an entry that may change without changing the translation. */
	u64 ignored;
	/* The bits that all entries of the guest's own tables have set. */
	u64 rights;
	/* The entry that maps the page. */
	u64 pte;
	/* For tables at L2's physical addresses: translates such an address. */
	gpa_t (*translate)(struct kvm_pv_mmio_walk *walk, gpa_t gpa);
};

/*
 * Translate @addr by the tables at @root.  Returns INVALID_GPA if it isn't
 * mapped, or if there's no room for all words.  This doesn't check rights and
 * reserved bits, so KVM's own walk must agree.  May sleep.
 */
gpa_t kvm_pv_mmio_walk_tables(struct kvm_pv_mmio_walk *walk,
			      union kvm_cpu_role role, u64 root, u64 addr);

/* The same by the tables of the guest that runs; also sets walk->rights. */
gpa_t kvm_pv_mmio_walk_guest(struct kvm_pv_mmio_walk *walk,
			     union kvm_cpu_role role, u64 root, u64 addr);

#endif /* __KVM_X86_PV_MMIO_WALK_H */
