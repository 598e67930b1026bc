// SPDX-License-Identifier: GPL-2.0-only
/*
 * Learning where L2's stores are and where they go, see pv_mmio_nested.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "mmu.h"
#include "pv_mmio_nested.h"
#include "x86.h"

/* The rights in an entry of EPT; in other tables they imply the first. */
#define PTE_PRESENT	(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2))

/* Note what is there, once, and read it. */
static bool note_word(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_l2_site *site,
		      gpa_t gpa, u64 *value)
{
	struct kvm_pv_mmio_pte *word = site->words;
	struct kvm_pv_mmio_pte *end = word + site->nr_words;
	u64 __user *where = kvm_pv_mmio_guest_pointer(vcpu, gpa);

	if (!where || get_user(*value, where))
		return false;

	while (word < end && word->where != where)
		word++;
	if (word < end)
		return word->value == *value;
	if (site->nr_words == KVM_PV_MMIO_L2_WORDS)
		return false;

	*word = (struct kvm_pv_mmio_pte) { .where = where, .value = *value };
	site->nr_words++;
	return true;
}

struct walk {
	struct kvm_vcpu *vcpu;
	struct kvm_pv_mmio_l2_site *site;
	/* Set where each of L2's entries has the bit. */
	u64 rights;
};

static gpa_t walk_l1(struct walk *walk, gpa_t l2_gpa);

/* Long mode's tables, EPT and NPT are walked alike. */
static gpa_t walk_tables(struct walk *walk, gpa_t table, int level, u64 addr,
			 bool is_l2)
{
	u64 value, offset;
	gpa_t where;

	for (; level; level--) {
		int shift = PAGE_SHIFT + (level - 1) * KVM_PV_MMIO_INDEX_BITS;

		where = table + sizeof(value) * ((addr >> shift) &
						 (PTRS_PER_PTE - 1));
		if (is_l2)
			where = walk_l1(walk, where);
		if (where == INVALID_GPA ||
		    !note_word(walk->vcpu, walk->site, where, &value) ||
		    !(value & PTE_PRESENT))
			return INVALID_GPA;

		if (is_l2)
			walk->rights &= value;
		table = value & KVM_PV_MMIO_PTE_ADDRESS;
		offset = BIT_ULL(shift) - 1;
		if (level == PG_LEVEL_4K || value & PT_PAGE_SIZE_MASK)
			return (table & ~offset) | (addr & offset);
	}
	return INVALID_GPA;
}

static gpa_t walk_l1(struct walk *walk, gpa_t l2_gpa)
{
	struct kvm_mmu *mmu = walk->vcpu->arch.mmu;

	return walk_tables(walk, walk->site->key.root & KVM_PV_MMIO_PTE_ADDRESS,
			   mmu->cpu_role.base.level, l2_gpa, false);
}

static gpa_t walk_l2(struct walk *walk, unsigned long linear)
{
	struct kvm_mmu *mmu = walk->vcpu->arch.walk_mmu;
	gpa_t l2_gpa;

	walk->rights = ~0ull;
	l2_gpa = walk_tables(walk, walk->site->key.cr3 & KVM_PV_MMIO_PTE_ADDRESS,
			     mmu->cpu_role.base.level, linear, true);
	return l2_gpa == INVALID_GPA ? l2_gpa : walk_l1(walk, l2_gpa);
}

/*
 * KVM's own walk knows about permissions and reserved bits.  What depends on
 * more than the tables and the roles isn't remembered: a user page, by SMAP and
 * protection keys, and one that only CR0.WP makes writable.
 */
static bool learn_code(struct walk *walk)
{
	struct kvm_vcpu *vcpu = walk->vcpu;
	struct kvm_mmu *mmu = vcpu->arch.walk_mmu;
	unsigned long rip = walk->site->key.rip;
	struct x86_exception e;
	gpa_t gpa;

	gpa = walk_l2(walk, rip);
	return gpa != INVALID_GPA && !(walk->rights & PT_USER_MASK) &&
	       gpa == mmu->gva_to_gpa(vcpu, mmu, rip, PFERR_FETCH_MASK, &e) &&
	       kvm_pv_mmio_site_locate(vcpu, &walk->site->code, gpa);
}

static bool learn_target(struct walk *walk, unsigned long linear)
{
	gpa_t gpa = walk_l2(walk, linear);

	walk->site->page = gpa & PAGE_MASK;
	return gpa != INVALID_GPA && !(walk->rights & PT_USER_MASK) &&
	       (walk->rights & PT_WRITABLE_MASK) &&
	       gpa == kvm_mmu_gva_to_gpa_write(walk->vcpu, linear, NULL);
}

static struct kvm_pv_mmio_l2_sites *get_sites(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_vcpu *pv_mmio = &vcpu->arch.pv_mmio;

	if (!pv_mmio->l2_sites)
		pv_mmio->l2_sites = kvzalloc(sizeof(*pv_mmio->l2_sites),
					     GFP_KERNEL_ACCOUNT);
	return pv_mmio->l2_sites;
}

static void learn(struct kvm_vcpu *vcpu, const struct kvm_pv_mmio_l2_key *key,
		  unsigned long linear)
{
	struct kvm_pv_mmio_l2_sites *sites = get_sites(vcpu);
	struct walk walk = { .vcpu = vcpu };
	struct kvm_pv_mmio_l2_site *site;

	if (!sites)
		return;

	site = kvm_pv_mmio_l2_slot(sites, key);
	memset(site, 0, sizeof(*site));
	site->key = *key;
	site->code.insn = key->insn;
	walk.site = site;

	/* What changed between the two walks, KVM's may have missed. */
	if (!learn_code(&walk) || !learn_target(&walk, linear) ||
	    !kvm_pv_mmio_l2_unchanged(site))
		memset(site, 0, sizeof(*site));
}

int kvm_pv_mmio_l2_resolve(struct kvm_vcpu *vcpu, enum kvm_pv_mmio_insn insn,
			   unsigned long linear, gpa_t *gpa)
{
	struct kvm_pv_mmio_l2_key key =
		kvm_pv_mmio_l2_key(vcpu, kvm_rip_read(vcpu), kvm_read_cr3(vcpu),
				   linear, insn);
	struct kvm_pv_mmio_l2_site *site = kvm_pv_mmio_l2_recall(vcpu, &key);
	int len;

	if (site) {
		*gpa = site->page | offset_in_page(linear);
		return site->code.len;
	}

	/* As the emulator: L1 may have changed its tables without a flush. */
	*gpa = kvm_mmu_gva_to_gpa_write(vcpu, linear, NULL);
	len = *gpa == INVALID_GPA ? 0 : kvm_pv_mmio_site_read(vcpu, insn);
	if (len && offset_in_page(key.rip) + len <= PAGE_SIZE)
		learn(vcpu, &key, linear);
	return len;
}
