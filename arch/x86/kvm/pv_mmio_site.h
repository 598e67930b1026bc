/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sites: places in the guest's code that KVM has read, and that hold one of
 * the fixed instructions.
 *
 * A site is read once, where KVM may sleep.  With nested paging KVM isn't told
 * when a guest rewrites or remaps its code, so each exit asks anew whether the
 * bytes and the page table entries that lead to them are still the same.  It
 * asks the memory itself, at addresses that are remembered, with page faults
 * disabled: what isn't at hand just counts as changed.
 */
#ifndef __KVM_X86_PV_MMIO_SITE_H
#define __KVM_X86_PV_MMIO_SITE_H

#include <linux/hash.h>
#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include "mmu.h"

#define KVM_PV_MMIO_SITE_BITS	6

/*
 * What a site holds: a store, by its width in bytes, or the hypercall.  Or any
 * instruction that is no load; of that one the bytes aren't watched.
 */
enum kvm_pv_mmio_insn {
	KVM_PV_MMIO_STORE1 = 1,
	KVM_PV_MMIO_STORE2 = 2,
	KVM_PV_MMIO_STORE4 = 4,
	KVM_PV_MMIO_STORE8 = 8,
	KVM_PV_MMIO_HYPERCALL,
	KVM_PV_MMIO_ANY_STORE,
};

/* Fields of a page table entry in long mode. */
#define KVM_PV_MMIO_INDEX_BITS	9
#define KVM_PV_MMIO_PTE_ADDRESS	GENMASK_ULL(51, 12)

struct kvm_pv_mmio_pte {
	u64 __user *where;
	u64 value;
};

/* Accessed and dirty: the CPU sets them, and the translation stays. */
#define KVM_PV_MMIO_PTE_IGNORED	(PT_ACCESSED_MASK | PT_DIRTY_MASK)

struct kvm_pv_mmio_site {
	unsigned long rip;
	unsigned long cr3;
	enum kvm_pv_mmio_insn insn;
	int len;
	/* A word with the code in it, and which of its bits are code. */
	u32 __user *code;
	u32 code_value;
	u32 code_mask;
	int nr_ptes;
	struct kvm_pv_mmio_pte ptes[PT64_ROOT_MAX_LEVEL];
};

struct kvm_pv_mmio_sites {
	/* Memslots say where guest memory is, for as long as they hold. */
	u64 generation;
	struct kvm_pv_mmio_site site[1 << KVM_PV_MMIO_SITE_BITS];
};

/* Callers are not in SMM, so it's the one address space, and in kvm->srcu. */
static __always_inline u64 kvm_pv_mmio_generation(struct kvm_vcpu *vcpu)
{
	return kvm_memslots(vcpu->kvm)->generation;
}

/* The same code in two address spaces is two sites. */
static __always_inline struct kvm_pv_mmio_site *
kvm_pv_mmio_site_slot(struct kvm_pv_mmio_sites *sites, unsigned long rip,
		      unsigned long cr3)
{
	return &sites->site[hash_long(rip ^ (cr3 >> PAGE_SHIFT),
				      KVM_PV_MMIO_SITE_BITS)];
}

/* Whether code and page table entries are still what they were when read. */
static __always_inline bool
kvm_pv_mmio_unchanged(const struct kvm_pv_mmio_site *site,
		      const struct kvm_pv_mmio_pte *pte, int nr_ptes,
		      u64 ignored)
{
	const struct kvm_pv_mmio_pte *end = pte + nr_ptes;
	bool unchanged = false;
	u64 value;
	u32 code;

	pagefault_disable();
	if (!user_read_access_begin(site->code, sizeof(*site->code)))
		goto out;

	unsafe_get_user(code, site->code, changed);
	if ((code ^ site->code_value) & site->code_mask)
		goto changed;

	for (; pte < end; pte++) {
		unsafe_get_user(value, pte->where, changed);
		if ((value ^ pte->value) & ~ignored)
			goto changed;
	}
	unchanged = true;
changed:
	user_read_access_end();
out:
	pagefault_enable();
	return unchanged;
}

static __always_inline bool
kvm_pv_mmio_site_unchanged(const struct kvm_pv_mmio_site *site)
{
	return kvm_pv_mmio_unchanged(site, site->ptes, site->nr_ptes,
				     KVM_PV_MMIO_PTE_IGNORED);
}

/* The site as it was read, NULL if it wasn't.  @generation: of the memslots. */
static __always_inline struct kvm_pv_mmio_site *
kvm_pv_mmio_site_find(struct kvm_vcpu *vcpu, unsigned long rip,
		      unsigned long cr3, enum kvm_pv_mmio_insn insn,
		      u64 generation)
{
	struct kvm_pv_mmio_sites *sites = vcpu->arch.pv_mmio.sites;
	struct kvm_pv_mmio_site *site;

	if (!sites || sites->generation != generation)
		return NULL;

	site = kvm_pv_mmio_site_slot(sites, rip, cr3);
	if (site->rip != rip || site->cr3 != cr3 || site->insn != insn)
		return NULL;

	return site;
}

/*
 * The length in bytes of @insn at @rip, for the exit fast path; 0 where the
 * site was never read, or where its bytes or its translation are no longer what
 * they were then.
 */
static __always_inline int
kvm_pv_mmio_site_recall(struct kvm_vcpu *vcpu, unsigned long rip,
			unsigned long cr3, enum kvm_pv_mmio_insn insn,
			u64 generation)
{
	struct kvm_pv_mmio_site *site;

	site = kvm_pv_mmio_site_find(vcpu, rip, cr3, insn, generation);
	return site && kvm_pv_mmio_site_unchanged(site) ? site->len : 0;
}

/*
 * The same by reading the guest's code at RIP, where KVM may sleep; 0 if the
 * code is another one or can't be told.
 */
int kvm_pv_mmio_site_read(struct kvm_vcpu *vcpu, enum kvm_pv_mmio_insn insn);

/* Remember what the caller has read. */
void kvm_pv_mmio_site_note(struct kvm_vcpu *vcpu, unsigned long rip,
			   unsigned long cr3, enum kvm_pv_mmio_insn insn);

/* NULL if there's no guest memory. */
void __user *kvm_pv_mmio_guest_pointer(struct kvm_vcpu *vcpu, gpa_t gpa);

/* Note where the code is: at @gpa, in a word that doesn't cross its page. */
bool kvm_pv_mmio_site_locate(struct kvm_vcpu *vcpu,
			     struct kvm_pv_mmio_site *site, gpa_t gpa);

#endif /* __KVM_X86_PV_MMIO_SITE_H */
