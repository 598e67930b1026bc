// SPDX-License-Identifier: GPL-2.0-only
/*
 * Learning where user space may store, see pv_mmio_user.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitfield.h>
#include <linux/hash.h>
#include <linux/kvm_host.h>

#include "mmu.h"
#include "pv_mmio_budget.h"
#include "pv_mmio_compat.h"
#include "pv_mmio_memory.h"
#include "pv_mmio_user.h"
#include "pv_mmio_walk.h"
#include "x86.h"

/* Room for 32 pages.  A process that rings has a few pages of doorbells. */
#define SET_BITS	3
#define SET_PAGES	4

#define PTE_PKEY	GENMASK_ULL(62, 59)
#define PKRU_BITS	2

/* A page that user space may write to. */
struct user_page {
	unsigned long linear;
	/* The same as in struct kvm_pv_mmio_place. */
	u64 root;
	u64 role;
	u64 gfn;
	u32 uses;
	/* The bits of PKRU that forbid the store. */
	u32 pkru_mask;
	u8 nr_words;
	struct kvm_pv_mmio_word words[PT64_ROOT_MAX_LEVEL];
};

struct kvm_pv_mmio_user_pages {
	/* The first member, see kvm_pv_mmio_room(). */
	u64 generation;
	struct kvm_pv_mmio_budget budget;
	struct user_page page[1 << SET_BITS][SET_PAGES];
};

static struct user_page *get_set(struct kvm_pv_mmio_user_pages *pages,
				 unsigned long linear, u64 root)
{
	return pages->page[hash_long(linear ^ root >> PAGE_SHIFT, SET_BITS)];
}

static bool is_page(const struct user_page *page, struct kvm_vcpu *vcpu,
		    unsigned long linear, u64 root)
{
	return page->linear == linear && page->root == root &&
	       page->role == kvm_pv_mmio_pagewalk(vcpu)->cpu_role.as_u64;
}

static struct user_page *find_page(struct kvm_vcpu *vcpu,
				   struct kvm_pv_mmio_user_pages *pages,
				   unsigned long linear, u64 root)
{
	struct user_page *page = get_set(pages, linear, root), *end;

	for (end = page + SET_PAGES; page < end; page++) {
		if (is_page(page, vcpu, linear, root))
			return page;
	}
	return NULL;
}

bool kvm_pv_mmio_user_may_write(struct kvm_vcpu *vcpu, unsigned long linear,
				gpa_t gpa, u64 root, u64 generation)
{
	struct kvm_pv_mmio_user_pages *pages = vcpu->arch.pv_mmio.user_pages;
	struct user_page *page;
	bool allowed;

	if (!pages || pages->generation != generation)
		return false;

	page = find_page(vcpu, pages, linear >> PAGE_SHIFT,
			 root & KVM_PV_MMIO_PTE_ADDRESS);
	if (!page)
		return false;

	allowed = page->gfn == gpa_to_gfn(gpa) &&
		  !(vcpu->arch.pkru & page->pkru_mask) &&
		  kvm_pv_mmio_unchanged(page->words, page->nr_words,
					page->words[0].where);
	page->uses += allowed;
	return allowed;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_pv_mmio_user_may_write);

/* If enabled, protection keys apply to user pages, and this is one. */
static u32 pkru_mask(union kvm_cpu_role role, u64 pte)
{
	if (!role.ext.cr4_pke)
		return 0;

	return (PKRU_AD_BIT | PKRU_WD_BIT) <<
	       PKRU_BITS * FIELD_GET(PTE_PKEY, pte);
}

/*
 * Accessed and dirty bits must be set and stay so, as the CPU would set those
 * that are clear.  The caller has done KVM's own walk, which has set them and
 * has checked reserved bits.  If the address has a tag (LAM), this learns
 * nothing.
 */
static bool read_page(struct kvm_vcpu *vcpu, struct user_page *page, gpa_t gpa)
{
	union kvm_cpu_role role = { .as_u64 = page->role };
	struct kvm_pv_mmio_walk walk = {
		.vcpu = vcpu,
		.words = page->words,
		.max_words = PT64_ROOT_MAX_LEVEL,
		.rights = ~0ull,
	};
	u64 linear = page->linear << PAGE_SHIFT;

	if (is_noncanonical_address(linear, vcpu, 0) ||
	    kvm_pv_mmio_walk_tables(&walk, role, page->root, linear) !=
		    (gpa & PAGE_MASK) ||
	    !(walk.rights & PT_USER_MASK) || !(walk.rights & PT_WRITABLE_MASK))
		return false;

	page->gfn = gpa_to_gfn(gpa);
	page->pkru_mask = pkru_mask(role, walk.pte);
	page->nr_words = walk.nr_words;
	/* The guest may have changed entries since KVM's own walk: redo it. */
	return walk.pte & PT_DIRTY_MASK &&
	       gpa == kvm_mmu_gva_to_gpa_write(vcpu, linear |
					       offset_in_page(gpa), NULL) &&
	       kvm_pv_mmio_unchanged(page->words, page->nr_words,
				     page->words[0].where);
}

static struct kvm_pv_mmio_user_pages *get_pages(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_vcpu *pv_mmio = &vcpu->arch.pv_mmio;

	pv_mmio->user_pages =
		kvm_pv_mmio_room(vcpu, pv_mmio->user_pages,
				 sizeof(*pv_mmio->user_pages));
	return pv_mmio->user_pages;
}

void kvm_pv_mmio_user_learn(struct kvm_vcpu *vcpu, unsigned long linear,
			    gpa_t gpa)
{
	struct kvm_pv_mmio_user_pages *pages = get_pages(vcpu);
	u64 root = kvm_read_cr3(vcpu) & KVM_PV_MMIO_PTE_ADDRESS;
	struct user_page *victim, page = {
		.linear = linear >> PAGE_SHIFT,
		.root = root,
		.role = kvm_pv_mmio_pagewalk(vcpu)->cpu_role.as_u64,
		.uses = 1,
	};
	bool in_vain;

	if (!pages || kvm_pv_mmio_user_may_write(vcpu, linear, gpa, root,
						 pages->generation) ||
	    !kvm_pv_mmio_budget_allows(&pages->budget))
		return;

	victim = find_page(vcpu, pages, page.linear, root);
	if (!victim)
		victim = get_set(pages, page.linear, root) +
			 kvm_pv_mmio_budget_next(&pages->budget, SET_PAGES);
	in_vain = victim->nr_words && victim->uses < KVM_PV_MMIO_WORTH_IT;
	if (read_page(vcpu, &page, gpa))
		*victim = page;
	else
		in_vain = true;
	kvm_pv_mmio_budget_note(&pages->budget, in_vain);
}
