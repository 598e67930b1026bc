// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walking guests' page tables, see pv_mmio_walk.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "mmu.h"
#include "pv_mmio_walk.h"

/* The rights in an EPT entry; bit 0 is "present" in other tables. */
#define PTE_PRESENT	(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2))

/* Note the entry at @gpa.  If it has been noted before, it must be the same. */
static bool note_entry(struct kvm_pv_mmio_walk *walk, gpa_t gpa, int bytes,
		       u64 *value)
{
	struct kvm_pv_mmio_word *word = walk->words;
	struct kvm_pv_mmio_word *end = word + walk->nr_words;
	int shift = BITS_PER_BYTE * (gpa % sizeof(u64));
	u64 mask = GENMASK_ULL(BITS_PER_BYTE * bytes - 1, 0) & ~walk->ignored;
	u64 __user *where;
	u64 whole;

	where = kvm_pv_mmio_guest_pointer(walk->vcpu, gpa & ~7ull);
	if (!where || get_user(whole, where))
		return false;

	*value = (whole >> shift) & GENMASK_ULL(BITS_PER_BYTE * bytes - 1, 0);
	while (word < end && word->where != where)
		word++;
	if (word < end && word->mask == mask << shift)
		return !((word->value ^ whole) & word->mask);
	if (walk->nr_words == walk->max_words)
		return false;

	*end = (struct kvm_pv_mmio_word) { where, whole, mask << shift };
	walk->nr_words++;
	return true;
}

/* Whether the entry maps a large page. */
static bool maps_page(union kvm_cpu_role role, int level, u64 value)
{
	if (!(value & PT_PAGE_SIZE_MASK) || level > PG_LEVEL_1G)
		return false;

	return !role.base.has_4_byte_gpte || role.ext.cr4_pse;
}

gpa_t kvm_pv_mmio_walk_tables(struct kvm_pv_mmio_walk *walk,
			      union kvm_cpu_role role, u64 root, u64 addr)
{
	int bytes = role.base.has_4_byte_gpte ? sizeof(u32) : sizeof(u64);
	int index_bits = PAGE_SHIFT - ilog2(bytes);
	gpa_t table = root & KVM_PV_MMIO_PTE_ADDRESS;
	int level = role.base.level;
	u64 value, offset;

	/* The CPU has loaded the PDPTEs, so @root is one of them. */
	if (level == PT32E_ROOT_LEVEL)
		level--;

	for (; level; level--) {
		int shift = PAGE_SHIFT + (level - 1) * index_bits;
		gpa_t gpa = table + bytes * ((addr >> shift) &
					     (BIT(index_bits) - 1));

		if (walk->translate)
			gpa = walk->translate(walk, gpa);
		if (gpa == INVALID_GPA ||
		    !note_entry(walk, gpa, bytes, &value) ||
		    !(value & PTE_PRESENT))
			return INVALID_GPA;

		walk->rights &= value;
		walk->pte = value;
		table = value & KVM_PV_MMIO_PTE_ADDRESS;
		offset = BIT_ULL(shift) - 1;
		if (level == PG_LEVEL_4K || maps_page(role, level, value))
			return (table & ~offset) | (addr & offset);
	}
	return INVALID_GPA;
}

gpa_t kvm_pv_mmio_walk_guest(struct kvm_pv_mmio_walk *walk,
			     union kvm_cpu_role role, u64 root, u64 addr)
{
	walk->rights = ~0ull;
	if (role.base.direct)
		return addr;

	return kvm_pv_mmio_walk_tables(walk, role, root, addr);
}
