/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PV stores of L2 behind L1's EPT or NPT.
 *
 * Where the code is, and where the store goes, takes two walks through L2's
 * tables, and one through L1's for each step of these.  What they read is
 * remembered: as long as none of it has changed, the walks would end up in the
 * same place, with the same rights.
 */
#ifndef __KVM_X86_PV_MMIO_NESTED_H
#define __KVM_X86_PV_MMIO_NESTED_H

#include <linux/hash.h>
#include <linux/kvm_host.h>

#include "pv_mmio_site.h"

#define KVM_PV_MMIO_L2_BITS	4
/* Both walks have the upper levels in common. */
#define KVM_PV_MMIO_L2_WORDS	48

/* What the walks start from, and what else tells one store from another. */
struct kvm_pv_mmio_l2_key {
	unsigned long rip;
	unsigned long linear_page;
	unsigned long cr3;
	/* L1's EPTP or nested CR3: behind another, CR3 is another one too. */
	unsigned long root;
	u64 l2_role;
	u64 l1_role;
	u64 generation;
	u64 insn;
};

struct kvm_pv_mmio_l2_site {
	struct kvm_pv_mmio_l2_key key;
	/* The code; its page table entries are among the words. */
	struct kvm_pv_mmio_site code;
	gpa_t page;
	int nr_words;
	struct kvm_pv_mmio_pte words[KVM_PV_MMIO_L2_WORDS];
};

struct kvm_pv_mmio_l2_sites {
	struct kvm_pv_mmio_l2_site site[1 << KVM_PV_MMIO_L2_BITS];
};

static __always_inline struct kvm_pv_mmio_l2_key
kvm_pv_mmio_l2_key(struct kvm_vcpu *vcpu, unsigned long rip, unsigned long cr3,
		   unsigned long linear, enum kvm_pv_mmio_insn insn)
{
	return (struct kvm_pv_mmio_l2_key) {
		.rip = rip,
		.linear_page = linear >> PAGE_SHIFT,
		.cr3 = cr3,
		.root = vcpu->arch.mmu->root.pgd,
		.l2_role = vcpu->arch.walk_mmu->cpu_role.as_u64,
		.l1_role = vcpu->arch.mmu->cpu_role.as_u64,
		.generation = kvm_pv_mmio_generation(vcpu),
		.insn = insn,
	};
}

static __always_inline struct kvm_pv_mmio_l2_site *
kvm_pv_mmio_l2_slot(struct kvm_pv_mmio_l2_sites *sites,
		    const struct kvm_pv_mmio_l2_key *key)
{
	unsigned long hash = key->rip ^ key->linear_page ^
			     (key->cr3 >> PAGE_SHIFT) ^
			     (key->root >> PAGE_SHIFT);

	return &sites->site[hash_long(hash, KVM_PV_MMIO_L2_BITS)];
}

/*
 * Accessed and dirty bits count here: the emulator sets them in L1's tables,
 * where the CPU doesn't.
 */
static __always_inline bool
kvm_pv_mmio_l2_unchanged(const struct kvm_pv_mmio_l2_site *site)
{
	return kvm_pv_mmio_unchanged(&site->code, site->words, site->nr_words,
				     0);
}

/*
 * The site if @key is known and nothing has changed since, else NULL.  Neither
 * sleeps nor faults.  The caller is in kvm->srcu.
 */
static __always_inline struct kvm_pv_mmio_l2_site *
kvm_pv_mmio_l2_recall(struct kvm_vcpu *vcpu,
		      const struct kvm_pv_mmio_l2_key *key)
{
	struct kvm_pv_mmio_l2_sites *sites = vcpu->arch.pv_mmio.l2_sites;
	struct kvm_pv_mmio_l2_site *site;

	if (!sites)
		return NULL;

	site = kvm_pv_mmio_l2_slot(sites, key);
	if (memcmp(&site->key, key, sizeof(*key)) ||
	    !kvm_pv_mmio_l2_unchanged(site))
		return NULL;

	return site;
}

/*
 * The length in bytes of @insn at L2's RIP, and at @gpa where its store to
 * @linear goes; 0 if either can't be told.  May sleep.
 */
int kvm_pv_mmio_l2_resolve(struct kvm_vcpu *vcpu, enum kvm_pv_mmio_insn insn,
			   unsigned long linear, gpa_t *gpa);

#endif /* __KVM_X86_PV_MMIO_NESTED_H */
