// SPDX-License-Identifier: GPL-2.0-only
/*
 * Learning sites, see pv_mmio_site.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "mmu.h"
#include "pv_mmio_site.h"
#include "pv_mmio_walk.h"
#include "x86.h"

/* The CPU sets accessed and dirty bits, which changes no translation. */
#define PTE_IGNORED	(PT_ACCESSED_MASK | PT_DIRTY_MASK)

/* Each address space has its own code of user space, so no such site moves. */
bool kvm_pv_mmio_site_move(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_site *site,
			   u64 root)
{
	u64 __user *where = site->words[0].where;

	if (kvm_pv_mmio_is_user(&site->place))
		return false;

	if (site->has_root)
		where = kvm_pv_mmio_guest_pointer(vcpu, root +
						  offset_in_page(where));
	if (!where ||
	    !kvm_pv_mmio_unchanged(site->words, site->nr_words, where))
		return false;

	site->words[0].where = where;
	site->place.root = root;
	return true;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_pv_mmio_site_move);

struct kvm_pv_mmio_cpu kvm_pv_mmio_cpu(struct kvm_vcpu *vcpu)
{
	int db, l;

	kvm_x86_call(get_cs_db_l_bits)(vcpu, &db, &l);
	return (struct kvm_pv_mmio_cpu) {
		.rflags = kvm_x86_call(get_rflags)(vcpu),
		.interrupt_shadow = kvm_x86_call(get_interrupt_shadow)(vcpu),
		.cpl = kvm_x86_call(get_cpl)(vcpu),
		.mode = kvm_pv_mmio_mode(vcpu, l, db),
	};
}

struct kvm_pv_mmio_place kvm_pv_mmio_place_at(struct kvm_vcpu *vcpu,
					      unsigned long rip,
					      struct kvm_pv_mmio_cpu cpu)
{
	union kvm_cpu_role role = kvm_pv_mmio_pagewalk(vcpu)->cpu_role;
	unsigned long linear = rip;
	u64 root = 0;

	if (cpu.mode != KVM_PV_MMIO_MODE_64) {
		linear += kvm_x86_call(get_segment_base)(vcpu, VCPU_SREG_CS);
		linear = (u32)linear;
	}
	if (role.base.level == PT32E_ROOT_LEVEL)
		root = kvm_pdptr_read(vcpu, (linear >> 30) & 3);
	else if (!role.base.direct)
		root = kvm_read_cr3(vcpu);

	return kvm_pv_mmio_place(vcpu, linear, root, cpu);
}

static bool read_site(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_site *site,
		      const u8 *code)
{
	union kvm_cpu_role role = { .as_u64 = site->place.role };
	u64 access = kvm_pv_mmio_fetch_access(&site->place);
	struct kvm_pagewalk *pw = kvm_pv_mmio_pagewalk(vcpu);
	struct kvm_pv_mmio_walk walk = {
		.vcpu = vcpu,
		.words = site->words,
		.max_words = PT64_ROOT_MAX_LEVEL,
		.ignored = PTE_IGNORED,
	};
	struct x86_exception e;
	int nr_code;
	gpa_t gpa;

	gpa = kvm_pv_mmio_walk_guest(&walk, role, site->place.root,
				     site->place.linear);
	/* KVM's own walk knows about permissions and reserved bits. */
	if (gpa == INVALID_GPA ||
	    gpa != pw->gva_to_gpa(vcpu, pw, site->place.linear, access, &e))
		return false;

	nr_code = kvm_pv_mmio_note_code(vcpu, site->words + walk.nr_words, gpa,
					code, site->insn.len);
	site->has_root = walk.nr_words;
	site->nr_words = walk.nr_words + nr_code;
	return nr_code && kvm_pv_mmio_unchanged(site->words, site->nr_words,
						site->words[0].where);
}

static struct kvm_pv_mmio_sites *get_sites(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_sites *sites = vcpu->arch.pv_mmio.sites;
	u64 generation = kvm_pv_mmio_generation(vcpu);
	struct kvm_pv_mmio_set *set;
	int i;

	if (!sites) {
		sites = kzalloc(sizeof(*sites), GFP_KERNEL_ACCOUNT);
		vcpu->arch.pv_mmio.sites = sites;
	} else if (sites->generation != generation) {
		for (i = 0; i < ARRAY_SIZE(sites->set); i++) {
			set = sites->set[i];
			if (set)
				memset(set, 0, sizeof(*set));
		}
		bitmap_zero(sites->known, 1 << KVM_PV_MMIO_KNOWN_BITS);
	}
	if (sites)
		sites->generation = generation;
	return sites;
}

/* Returns NULL if there's no memory: then the emulator does the stores. */
static struct kvm_pv_mmio_set *get_set(struct kvm_vcpu *vcpu,
				       unsigned long linear)
{
	struct kvm_pv_mmio_sites *sites = get_sites(vcpu);
	struct kvm_pv_mmio_set **set;

	if (!sites)
		return NULL;

	set = &sites->set[hash_long(linear, KVM_PV_MMIO_SET_BITS)];
	if (!*set)
		*set = kzalloc(sizeof(**set), GFP_KERNEL_ACCOUNT);
	return *set;
}

/* What is known of @place, whether it still holds or not. */
static struct kvm_pv_mmio_site *
find_site(struct kvm_pv_mmio_set *set, const struct kvm_pv_mmio_place *place,
	  bool any_root)
{
	struct kvm_pv_mmio_site *site;

	for (site = set->site; site < set->site + KVM_PV_MMIO_SITES; site++) {
		if (kvm_pv_mmio_same_place(&site->place, place) &&
		    (any_root || site->place.root == place->root))
			return site;
	}
	return NULL;
}

/*
 * Returns which site to give up, if none is empty.  Sites take turns.  One that
 * was used since its last turn gets another chance, and nothing is learned this
 * time.  So places don't drive one another out if there isn't room for all.
 */
static struct kvm_pv_mmio_site *choose_victim(struct kvm_pv_mmio_set *set)
{
	struct kvm_pv_mmio_site *site;

	for (site = set->site; site < set->site + KVM_PV_MMIO_SITES; site++) {
		if (!site->nr_words)
			return site;
	}

	site = &set->site[kvm_pv_mmio_budget_next(&set->budget,
						  KVM_PV_MMIO_SITES)];
	if (site->uses != site->uses_before) {
		site->uses_before = site->uses;
		return NULL;
	}
	return site;
}

bool kvm_pv_mmio_site_may_learn(struct kvm_vcpu *vcpu, unsigned long linear)
{
	struct kvm_pv_mmio_set *set = get_set(vcpu, linear);

	return set && kvm_pv_mmio_budget_allows(&set->budget);
}

/* The caller has made sure that there's a set for @linear. */
static void note_known(struct kvm_vcpu *vcpu, unsigned long linear)
{
	__set_bit(hash_long(linear, KVM_PV_MMIO_KNOWN_BITS),
		  vcpu->arch.pv_mmio.sites->known);
}

void kvm_pv_mmio_site_note_rip(struct kvm_vcpu *vcpu, unsigned long rip)
{
	if (get_set(vcpu, rip))
		note_known(vcpu, rip);
}

void kvm_pv_mmio_site_in_vain(struct kvm_vcpu *vcpu, unsigned long linear)
{
	struct kvm_pv_mmio_set *set = get_set(vcpu, linear);

	if (set)
		kvm_pv_mmio_budget_note(&set->budget, true);
}

bool kvm_pv_mmio_site_exists(struct kvm_vcpu *vcpu,
			     const struct kvm_pv_mmio_place *place)
{
	struct kvm_pv_mmio_set *set = get_set(vcpu, place->linear);

	if (!set || !find_site(set, place, false))
		return false;

	/* Another place of the same hash may have been dropped. */
	note_known(vcpu, place->linear);
	return true;
}

bool kvm_pv_mmio_site_is_store(struct kvm_vcpu *vcpu,
			       const struct kvm_pv_mmio_place *place)
{
	struct kvm_pv_mmio_set *set = get_set(vcpu, place->linear);
	struct kvm_pv_mmio_site *site = NULL;

	if (set)
		site = find_site(set, place, !kvm_pv_mmio_is_user(place));
	return site && site->insn.kind == KVM_PV_MMIO_INSN_STORE;
}

/*
 * If the site wasn't worth learning, the next one may not be worth it, either.
 */
static void give_up(struct kvm_pv_mmio_set *set, struct kvm_pv_mmio_site *site)
{
	if (site->nr_words)
		kvm_pv_mmio_budget_note(&set->budget,
					site->uses < KVM_PV_MMIO_WORTH_IT);
	memset(site, 0, sizeof(*site));
}

void kvm_pv_mmio_site_drop(struct kvm_vcpu *vcpu,
			   const struct kvm_pv_mmio_place *place)
{
	struct kvm_pv_mmio_set *set = get_set(vcpu, place->linear);
	struct kvm_pv_mmio_site *site = set ? find_site(set, place, false) : NULL;

	if (!site)
		return;

	give_up(set, site);
	__clear_bit(hash_long(place->linear, KVM_PV_MMIO_KNOWN_BITS),
		    vcpu->arch.pv_mmio.sites->known);
}

bool kvm_pv_mmio_site_learn(struct kvm_vcpu *vcpu,
			    const struct kvm_pv_mmio_place *place,
			    const struct kvm_pv_mmio_insn *insn, const u8 *code)
{
	struct kvm_pv_mmio_site *victim, site = {
		.place = *place,
		.insn = *insn,
	};
	struct kvm_pv_mmio_set *set = get_set(vcpu, place->linear);

	if (!set || offset_in_page(place->linear) + insn->len > PAGE_SIZE)
		return false;

	memcpy(site.code, code, insn->len);
	memset(site.code_mask, 0xff, insn->len);
	victim = choose_victim(set);
	if (!victim || !read_site(vcpu, &site, code))
		return false;

	give_up(set, victim);
	*victim = site;
	/* Let it be used before it may be given up. */
	victim->uses = 1;
	note_known(vcpu, place->linear);
	return true;
}

void kvm_pv_mmio_forget(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_sites *sites = vcpu->arch.pv_mmio.sites;
	int i;

	for (i = 0; sites && i < ARRAY_SIZE(sites->set); i++)
		kfree(sites->set[i]);
	kfree(sites);
	vcpu->arch.pv_mmio.sites = NULL;
	kvfree(vcpu->arch.pv_mmio.l2_sites);
	vcpu->arch.pv_mmio.l2_sites = NULL;
	kvfree(vcpu->arch.pv_mmio.user_pages);
	vcpu->arch.pv_mmio.user_pages = NULL;
}
