/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sites: places in the guest's code whose instruction KVM has decoded.
 *
 * A site is learned once, where KVM may sleep.  With nested paging KVM isn't
 * told when a guest rewrites or remaps its code, so each exit asks anew whether
 * the bytes and the page table entries that lead to them are still the same.
 * It asks the memory itself, at addresses that are remembered, with page faults
 * disabled: a word that isn't at hand counts as changed.  Where the CPU hands
 * over the bytes with the exit, they alone are compared.
 *
 * A place is known by its linear address.  Kernel code is mapped alike in all
 * address spaces: only the top-level page table lies elsewhere, and its entry
 * has the same value.  So the walk is verified from the root of this exit
 * downwards, whatever that is.
 */
#ifndef __KVM_X86_PV_MMIO_SITE_H
#define __KVM_X86_PV_MMIO_SITE_H

#include <linux/hash.h>
#include <linux/kvm_host.h>
#include <linux/unaligned.h>

#include "pv_mmio_budget.h"
#include "pv_mmio_insn.h"
#include "pv_mmio_memory.h"
#include "pv_mmio_state.h"

/* Sets are allocated one by one: most guests ring from a handful of places. */
#define KVM_PV_MMIO_SET_BITS	6
#define KVM_PV_MMIO_SITES	8

/* What says which instruction is at a place, beside the guest's memory. */
struct kvm_pv_mmio_place {
	unsigned long linear;
	/* Paging: levels, width of entries, long mode. */
	u64 role;
	/* Where the walk starts: CR3 without its flags, or a PDPTE. */
	u64 root;
	/*
	 * That of the code segment, and above it the CPL, which has rights of
	 * its own.
	 */
	u32 mode;
};

/*
 * The bytes at a place, as the CPU hands them over with an exit: an array of
 * KVM_PV_MMIO_INSN_MAX, of which @nr are the guest's.  NULL if it hands over
 * none.
 */
struct kvm_pv_mmio_code {
	const u8 *bytes;
	u8 nr;
};

#define KVM_PV_MMIO_NO_CODE	((struct kvm_pv_mmio_code){})

#define KVM_PV_MMIO_CPL_SHIFT	8
#define KVM_PV_MMIO_USER	(3 << KVM_PV_MMIO_CPL_SHIFT)

struct kvm_pv_mmio_site {
	struct kvm_pv_mmio_place place;
	struct kvm_pv_mmio_insn insn;
	/* How many stores it has served, and had when it last could have gone. */
	u32 uses;
	u32 uses_before;
	u8 nr_words;
	/* The entry in the top-level table, if there is one, comes first. */
	bool has_root;
	struct kvm_pv_mmio_word words[KVM_PV_MMIO_SITE_WORDS];
	/* The instruction's bytes, and all bits set for each of them. */
	u8 code[KVM_PV_MMIO_INSN_MAX];
	u8 code_mask[KVM_PV_MMIO_INSN_MAX];
};

struct kvm_pv_mmio_set {
	struct kvm_pv_mmio_budget budget;
	struct kvm_pv_mmio_site site[KVM_PV_MMIO_SITES];
};

#define KVM_PV_MMIO_KNOWN_BITS	9

struct kvm_pv_mmio_sites {
	/* By a hash of the linear address: whether there may be a site. */
	DECLARE_BITMAP(known, 1 << KVM_PV_MMIO_KNOWN_BITS);
	/* That of the memslots from which the addresses of all words come. */
	u64 generation;
	struct kvm_pv_mmio_set *set[1 << KVM_PV_MMIO_SET_BITS];
};

/* @root: CR3, or the PDPTE in the CPU's registers where it has these. */
static __always_inline struct kvm_pv_mmio_place
kvm_pv_mmio_place(struct kvm_vcpu *vcpu, unsigned long linear, u64 root,
		  struct kvm_pv_mmio_cpu cpu)
{
	return (struct kvm_pv_mmio_place) {
		.linear = linear,
		.role = kvm_pv_mmio_pagewalk(vcpu)->cpu_role.as_u64,
		.root = root & KVM_PV_MMIO_PTE_ADDRESS,
		.mode = cpu.mode | cpu.cpl << KVM_PV_MMIO_CPL_SHIFT,
	};
}

static inline enum kvm_pv_mmio_mode
kvm_pv_mmio_mode_of(const struct kvm_pv_mmio_place *place)
{
	return place->mode & (BIT(KVM_PV_MMIO_CPL_SHIFT) - 1);
}

static inline bool kvm_pv_mmio_is_user(const struct kvm_pv_mmio_place *place)
{
	return (place->mode & KVM_PV_MMIO_USER) == KVM_PV_MMIO_USER;
}

/* The rights with which the CPU fetches the code at @place. */
static inline u64
kvm_pv_mmio_fetch_access(const struct kvm_pv_mmio_place *place)
{
	return PFERR_FETCH_MASK |
	       (kvm_pv_mmio_is_user(place) ? PFERR_USER_MASK : 0);
}

static __always_inline bool
kvm_pv_mmio_same_place(const struct kvm_pv_mmio_place *a,
		       const struct kvm_pv_mmio_place *b)
{
	return a->linear == b->linear && a->role == b->role &&
	       a->mode == b->mode;
}

/*
 * Whether @site also holds by the page tables at @root, as the kernel's code
 * may.
 */
bool kvm_pv_mmio_site_move(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_site *site,
			   u64 root);

/*
 * The bits in which eight bytes of the site, from @first on, differ from
 * @bytes.
 */
static __always_inline u64
kvm_pv_mmio_code_changes(const struct kvm_pv_mmio_site *site, const u8 *bytes,
			 int first)
{
	return (get_unaligned((const u64 *)(site->code + first)) ^
		get_unaligned((const u64 *)(bytes + first))) &
	       get_unaligned((const u64 *)(site->code_mask + first));
}

/* Compare all 15 bytes, by two words that share one. */
static __always_inline bool
kvm_pv_mmio_same_code(const struct kvm_pv_mmio_site *site, const u8 *bytes)
{
	return !(kvm_pv_mmio_code_changes(site, bytes, 0) |
		 kvm_pv_mmio_code_changes(site, bytes,
					  KVM_PV_MMIO_INSN_MAX - sizeof(u64)));
}

/*
 * What the CPU hands over needs no look at memory, nor at what leads there.  If
 * that's too few bytes, memory says.
 */
static __always_inline bool
kvm_pv_mmio_site_holds(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_site *site,
		       const struct kvm_pv_mmio_place *place,
		       struct kvm_pv_mmio_code code)
{
	if (!kvm_pv_mmio_same_place(&site->place, place))
		return false;

	if (code.bytes && code.nr >= site->insn.len)
		return kvm_pv_mmio_same_code(site, code.bytes);

	if (unlikely(site->place.root != place->root))
		return kvm_pv_mmio_site_move(vcpu, site, place->root);

	return kvm_pv_mmio_unchanged(site->words, site->nr_words,
				     site->words[0].where);
}

/*
 * Whether KVM may know the place at @linear; stores elsewhere are spared the
 * rest.  Only the vCPU's own thread uses its sites, so this needs no kvm->srcu.
 * The hashes are as long as the tables, so that no speculation with a guest's
 * address leaves them.
 */
static __always_inline bool kvm_pv_mmio_may_know(struct kvm_vcpu *vcpu,
						 unsigned long linear)
{
	const struct kvm_pv_mmio_sites *sites = vcpu->arch.pv_mmio.sites;

	return sites && test_bit(hash_long(linear, KVM_PV_MMIO_KNOWN_BITS),
				 sites->known);
}

/*
 * The instruction at @place as it is now, NULL if KVM doesn't know.  For the
 * exit fast path, too.  The caller is in kvm->srcu, @generation is that of the
 * memslots, and kvm_pv_mmio_may_know() is true, so that there's a set.
 */
static __always_inline const struct kvm_pv_mmio_insn *
kvm_pv_mmio_site_recall(struct kvm_vcpu *vcpu,
			const struct kvm_pv_mmio_place *place,
			struct kvm_pv_mmio_code code, u64 generation)
{
	struct kvm_pv_mmio_sites *sites = vcpu->arch.pv_mmio.sites;
	struct kvm_pv_mmio_site *site, *end;

	if (sites->generation != generation)
		return NULL;

	site = sites->set[hash_long(place->linear, KVM_PV_MMIO_SET_BITS)]->site;
	for (end = site + KVM_PV_MMIO_SITES; site < end; site++) {
		if (kvm_pv_mmio_site_holds(vcpu, site, place, code)) {
			site->uses++;
			return &site->insn;
		}
	}
	return NULL;
}

/* The same by memory, for callers that haven't asked kvm_pv_mmio_may_know(). */
static inline const struct kvm_pv_mmio_insn *
kvm_pv_mmio_site_know(struct kvm_vcpu *vcpu,
		      const struct kvm_pv_mmio_place *place)
{
	if (!kvm_pv_mmio_may_know(vcpu, place->linear))
		return NULL;

	return kvm_pv_mmio_site_recall(vcpu, place, KVM_PV_MMIO_NO_CODE,
				       kvm_pv_mmio_generation(vcpu));
}

/*
 * The first check of an exit has only RIP, from which a site's linear address
 * differs if the code segment has a base.  Make kvm_pv_mmio_may_know() true for
 * @rip, and allocate the set that this promises.
 */
void kvm_pv_mmio_site_note_rip(struct kvm_vcpu *vcpu, unsigned long rip);

/* Whether it's time to learn at @linear; to ask uses up the budget. */
bool kvm_pv_mmio_site_may_learn(struct kvm_vcpu *vcpu, unsigned long linear);

/* An attempt to learn at @linear came to nothing. */
void kvm_pv_mmio_site_in_vain(struct kvm_vcpu *vcpu, unsigned long linear);

/* Whether @place was learned, and hasn't been dropped since. */
bool kvm_pv_mmio_site_exists(struct kvm_vcpu *vcpu,
			     const struct kvm_pv_mmio_place *place);

/*
 * Whether the instruction known at @place is a store, though it may have
 * changed since.
 */
bool kvm_pv_mmio_site_is_store(struct kvm_vcpu *vcpu,
			       const struct kvm_pv_mmio_place *place);

/* The code at @place is no longer what it was. */
void kvm_pv_mmio_site_drop(struct kvm_vcpu *vcpu,
			   const struct kvm_pv_mmio_place *place);

/*
 * Remember the instruction at @place, of which @code are the bytes that KVM has
 * decoded.  False if it can't be.  May sleep.
 */
bool kvm_pv_mmio_site_learn(struct kvm_vcpu *vcpu,
			    const struct kvm_pv_mmio_place *place,
			    const struct kvm_pv_mmio_insn *insn,
			    const u8 *code);

/* Where this CPU is, where there is time to ask for it. */
struct kvm_pv_mmio_cpu kvm_pv_mmio_cpu(struct kvm_vcpu *vcpu);
struct kvm_pv_mmio_place kvm_pv_mmio_place_at(struct kvm_vcpu *vcpu,
					      unsigned long rip,
					      struct kvm_pv_mmio_cpu cpu);

#endif /* __KVM_X86_PV_MMIO_SITE_H */
