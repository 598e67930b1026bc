// SPDX-License-Identifier: GPL-2.0-only
/*
 * Learning where L2's stores are and where they go, see pv_mmio_nested.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "mmu.h"
#include "pv_mmio_budget.h"
#include "pv_mmio_memory.h"
#include "pv_mmio_nested.h"
#include "pv_mmio_walk.h"
#include "x86.h"

#define L2_SET_BITS	2
#define L2_SITES	4
/* Room for both walks, whose upper levels are the same entries. */
#define L2_WALK_WORDS	48

/* What identifies a store: its place, and where each of the walks starts. */
struct l2_key {
	struct kvm_pv_mmio_place place;
	unsigned long linear_page;
	/* L1's EPTP or nested CR3, which decides where L2's CR3 points to. */
	unsigned long l1_root;
	u64 l1_role;
};

struct l2_site {
	struct l2_key key;
	struct kvm_pv_mmio_insn insn;
	gpa_t page;
	u32 uses;
	u8 nr_words;
	struct kvm_pv_mmio_word words[L2_WALK_WORDS + KVM_PV_MMIO_CODE_WORDS];
};

struct l2_set {
	struct kvm_pv_mmio_budget budget;
	struct l2_site site[L2_SITES];
};

struct kvm_pv_mmio_l2_sites {
	/* The first member, see kvm_pv_mmio_room(). */
	u64 generation;
	/* By a hash of the linear address: whether there may be a site. */
	u64 known;
	struct l2_set set[1 << L2_SET_BITS];
};

static bool is_key(const struct l2_key *key, struct kvm_vcpu *vcpu,
		   const struct kvm_pv_mmio_place *place, unsigned long linear)
{
	return kvm_pv_mmio_same_place(&key->place, place) &&
	       key->place.root == place->root &&
	       key->linear_page == linear >> PAGE_SHIFT &&
	       key->l1_root == vcpu->arch.mmu->root.pgd &&
	       key->l1_role == kvm_pv_mmio_cpu_role(vcpu->arch.mmu).as_u64;
}

static struct l2_set *get_set(struct kvm_vcpu *vcpu,
			      const struct kvm_pv_mmio_place *place)
{
	struct kvm_pv_mmio_l2_sites *sites = vcpu->arch.pv_mmio.l2_sites;

	if (!sites || sites->generation != kvm_pv_mmio_generation(vcpu))
		return NULL;

	return &sites->set[hash_long(place->linear ^ place->root >> PAGE_SHIFT,
				     L2_SET_BITS)];
}

/* Which of the bits stands for a place at @linear. */
static u64 known_bit(unsigned long linear)
{
	return BIT_ULL(hash_long(linear, ilog2(BITS_PER_LONG_LONG)));
}

bool kvm_pv_mmio_l2_may_know(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_l2_sites *sites = vcpu->arch.pv_mmio.l2_sites;

	return sites && sites->known & known_bit(kvm_rip_read(vcpu));
}

bool kvm_pv_mmio_l2_knows(struct kvm_vcpu *vcpu,
			  const struct kvm_pv_mmio_place *place)
{
	struct l2_set *set = get_set(vcpu, place);
	struct l2_site *site;

	if (!set)
		return false;

	for (site = set->site; site < set->site + L2_SITES; site++) {
		if (kvm_pv_mmio_same_place(&site->key.place, place) &&
		    site->key.place.root == place->root)
			return true;
	}
	return false;
}

static bool site_unchanged(const struct l2_site *site)
{
	int i;

	for (i = 0; i < site->nr_words; i += KVM_PV_MMIO_SITE_WORDS) {
		if (!kvm_pv_mmio_unchanged(&site->words[i],
					   min(site->nr_words - i,
					       KVM_PV_MMIO_SITE_WORDS),
					   site->words[i].where))
			return false;
	}
	return site->nr_words;
}

const struct kvm_pv_mmio_insn *
kvm_pv_mmio_l2_recall(struct kvm_vcpu *vcpu,
		      const struct kvm_pv_mmio_place *place, gpa_t *gpa)
{
	struct l2_set *set = get_set(vcpu, place);
	struct l2_site *site;
	unsigned long linear;

	if (!set)
		return NULL;

	for (site = set->site; site < set->site + L2_SITES; site++) {
		if (site->key.place.linear != place->linear)
			continue;
		linear = kvm_pv_mmio_insn_address(&site->insn, vcpu->arch.regs,
						  place->linear) &
			 kvm_pv_mmio_address_mask(kvm_pv_mmio_mode_of(place));
		if (!is_key(&site->key, vcpu, place, linear) ||
		    !site_unchanged(site))
			continue;

		site->uses++;
		*gpa = site->page | offset_in_page(linear);
		return &site->insn;
	}
	return NULL;
}

/* L1's EPT or NPT has the format of long mode's page tables. */
static gpa_t walk_l1(struct kvm_pv_mmio_walk *walk, gpa_t l2_gpa)
{
	struct kvm_mmu *mmu = walk->vcpu->arch.mmu;
	gpa_t (*translate)(struct kvm_pv_mmio_walk *, gpa_t) = walk->translate;
	u64 rights = walk->rights;
	gpa_t gpa;

	if (kvm_pv_mmio_cpu_role(mmu).base.level < PT64_ROOT_4LEVEL)
		return INVALID_GPA;

	walk->translate = NULL;
	gpa = kvm_pv_mmio_walk_tables(walk, kvm_pv_mmio_cpu_role(mmu),
				      mmu->root.pgd,
				      l2_gpa);
	walk->translate = translate;
	walk->rights = rights;
	return gpa;
}

/*
 * Also returns INVALID_GPA for a user page: there SMAP and protection keys
 * decide, which a site doesn't remember, and not the tables and roles alone.
 */
static gpa_t walk_l2(struct kvm_pv_mmio_walk *walk,
		     const struct kvm_pv_mmio_place *place, u64 linear)
{
	union kvm_cpu_role role = { .as_u64 = place->role };
	gpa_t l2_gpa;

	l2_gpa = kvm_pv_mmio_walk_guest(walk, role, place->root, linear);
	if (l2_gpa == INVALID_GPA || walk->rights & PT_USER_MASK)
		return INVALID_GPA;

	return walk_l1(walk, l2_gpa);
}

/* This walk ignores permissions and reserved bits, so KVM's own must agree. */
static gpa_t learn_code(struct kvm_pv_mmio_walk *walk,
			const struct kvm_pv_mmio_place *place)
{
	struct kvm_vcpu *vcpu = walk->vcpu;
	struct kvm_pagewalk *pw = kvm_pv_mmio_pagewalk(vcpu);
	struct x86_exception e;
	gpa_t gpa = walk_l2(walk, place, place->linear);

	if (gpa == INVALID_GPA ||
	    gpa != pw->gva_to_gpa(vcpu, pw, place->linear, PFERR_FETCH_MASK,
				   &e))
		return INVALID_GPA;

	return gpa;
}

/* A site doesn't remember CR0.WP, so a page that it makes writable won't do. */
static gpa_t learn_target(struct kvm_pv_mmio_walk *walk,
			  const struct kvm_pv_mmio_place *place,
			  unsigned long linear)
{
	gpa_t gpa = walk_l2(walk, place, linear);

	if (gpa == INVALID_GPA || !(walk->rights & PT_WRITABLE_MASK) ||
	    gpa != kvm_mmu_gva_to_gpa_write(walk->vcpu, linear, NULL))
		return INVALID_GPA;

	return gpa;
}

/*
 * Accessed and dirty bits are compared here, too: a store that is emulated sets
 * them in L1's tables, which the CPU doesn't.
 */
static bool read_site(struct kvm_vcpu *vcpu, struct l2_site *site,
		      const u8 *code, unsigned long linear)
{
	struct kvm_pv_mmio_walk walk = {
		.vcpu = vcpu,
		.words = site->words,
		.max_words = L2_WALK_WORDS,
		.translate = walk_l1,
	};
	gpa_t code_gpa, target;
	int nr_code;

	code_gpa = learn_code(&walk, &site->key.place);
	if (code_gpa == INVALID_GPA)
		return false;

	target = learn_target(&walk, &site->key.place, linear);
	if (target == INVALID_GPA || kvm_pv_mmio_gpa_is_ram(vcpu, target))
		return false;

	site->page = target & PAGE_MASK;
	nr_code = kvm_pv_mmio_note_code(vcpu, site->words + walk.nr_words,
					code_gpa, code, site->insn.len);
	site->nr_words = walk.nr_words + nr_code;
	/* The guest may have changed entries between the walks: look again. */
	return nr_code && site_unchanged(site);
}

static bool get_sites(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_vcpu *pv_mmio = &vcpu->arch.pv_mmio;

	pv_mmio->l2_sites = kvm_pv_mmio_room(vcpu, pv_mmio->l2_sites,
					     sizeof(*pv_mmio->l2_sites));
	return pv_mmio->l2_sites;
}

static struct l2_site *
find_site(struct kvm_vcpu *vcpu, struct l2_set *set,
	  const struct kvm_pv_mmio_place *place, unsigned long linear)
{
	struct l2_site *site;

	for (site = set->site; site < set->site + L2_SITES; site++) {
		if (is_key(&site->key, vcpu, place, linear))
			return site;
	}
	return NULL;
}

/* Bits of sites that are gone must not stay, or in time all would be set. */
static void note_known(struct kvm_pv_mmio_l2_sites *sites)
{
	struct l2_site *site;
	struct l2_set *set;

	sites->known = 0;
	for (set = sites->set; set < sites->set + ARRAY_SIZE(sites->set);
	     set++) {
		for (site = set->site; site < set->site + L2_SITES; site++) {
			if (site->nr_words)
				sites->known |=
					known_bit(site->key.place.linear);
		}
	}
}

void kvm_pv_mmio_l2_learn(struct kvm_vcpu *vcpu,
			  const struct kvm_pv_mmio_place *place,
			  const struct kvm_pv_mmio_insn *insn, const u8 *code,
			  unsigned long linear)
{
	struct l2_site *site;
	struct l2_set *set;
	bool in_vain;

	set = get_sites(vcpu) ? get_set(vcpu, place) : NULL;
	if (!set || !kvm_pv_mmio_budget_allows(&set->budget))
		return;

	site = find_site(vcpu, set, place, linear);
	if (!site)
		site = set->site + kvm_pv_mmio_budget_next(&set->budget,
							   L2_SITES);
	in_vain = site->nr_words && site->uses < KVM_PV_MMIO_WORTH_IT;
	/* A site is too large for the stack, so prepare it in place. */
	memset(site, 0, sizeof(*site));
	site->key = (struct l2_key) {
		.place = *place,
		.linear_page = linear >> PAGE_SHIFT,
		.l1_root = vcpu->arch.mmu->root.pgd,
		.l1_role = kvm_pv_mmio_cpu_role(vcpu->arch.mmu).as_u64,
	};
	site->insn = *insn;
	if (!read_site(vcpu, site, code, linear)) {
		memset(site, 0, sizeof(*site));
		in_vain = true;
	}
	note_known(vcpu->arch.pv_mmio.l2_sites);
	kvm_pv_mmio_budget_note(&set->budget, in_vain);
}
