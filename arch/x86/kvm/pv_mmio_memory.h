/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: where there is any, and words of it that KVM remembers.
 */
#ifndef __KVM_X86_PV_MMIO_MEMORY_H
#define __KVM_X86_PV_MMIO_MEMORY_H

#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include "mmu.h"

/*
 * An instruction that KVM knows lies in one page, and so does each word of it.
 */
#define KVM_PV_MMIO_CODE_WORDS	2
#define KVM_PV_MMIO_SITE_WORDS	(PT64_ROOT_MAX_LEVEL + KVM_PV_MMIO_CODE_WORDS)

/* The address of a page table, in CR3 or in the entry that leads to it. */
#define KVM_PV_MMIO_PTE_ADDRESS	GENMASK_ULL(51, 12)

/* A word of guest memory, and which of its bits must stay as they are. */
struct kvm_pv_mmio_word {
	u64 __user *where;
	u64 value;
	u64 mask;
};

/*
 * The caller is in kvm->srcu.  The vCPU isn't in SMM, so it uses address space
 * 0.
 */
static __always_inline u64 kvm_pv_mmio_generation(struct kvm_vcpu *vcpu)
{
	return srcu_dereference(vcpu->kvm->memslots[0],
				&vcpu->kvm->srcu)->generation;
}

/* The caller is in kvm->srcu. */
bool kvm_pv_mmio_gpa_is_ram(struct kvm_vcpu *vcpu, gpa_t gpa);

/* NULL if there's no guest memory.  What is only read may be read-only. */
void __user *kvm_pv_mmio_guest_pointer(struct kvm_vcpu *vcpu, gpa_t gpa);

/*
 * Whether the @word has changed, or isn't at hand at @where.  Its value is needed
 * for this comparison only, so unsafe_get_user() isn't used: that one hands over
 * value and error, which takes about twice as many instructions.
 */
static __always_inline bool
kvm_pv_mmio_word_changed(const struct kvm_pv_mmio_word *word,
			 u64 __user *where)
{
	asm goto("1:	mov %[now], %%rax\n"
		 "	xor %[value], %%rax\n"
		 "	test %[mask], %%rax\n"
		 "	jnz %l[changed]\n"
		 _ASM_EXTABLE_UA(1b, %l[changed])
		 : : [now] "m" (*(u64 __force *)where),
		     [value] "m" (word->value), [mask] "m" (word->mask)
		 : "rax", "cc" : changed);
	return false;
changed:
	return true;
}

/*
 * Whether all words, KVM_PV_MMIO_SITE_WORDS at most, are still what they were.
 * The first one is at @first, and may have been elsewhere.  This neither sleeps
 * nor faults.  The words are few, so it has no loop.
 */
static __always_inline bool
kvm_pv_mmio_unchanged(const struct kvm_pv_mmio_word *words, int nr_words,
		      u64 __user *first)
{
	bool unchanged = false;

	pagefault_disable();
	/*
	 * No access_ok() and no fence: KVM has put these pointers together from
	 * memslots, and no guest has a say in which of them is taken.
	 */
	__uaccess_begin();

	switch (nr_words) {
	case 7:
		if (kvm_pv_mmio_word_changed(&words[6], words[6].where))
			goto changed;
		fallthrough;
	case 6:
		if (kvm_pv_mmio_word_changed(&words[5], words[5].where))
			goto changed;
		fallthrough;
	case 5:
		if (kvm_pv_mmio_word_changed(&words[4], words[4].where))
			goto changed;
		fallthrough;
	case 4:
		if (kvm_pv_mmio_word_changed(&words[3], words[3].where))
			goto changed;
		fallthrough;
	case 3:
		if (kvm_pv_mmio_word_changed(&words[2], words[2].where))
			goto changed;
		fallthrough;
	case 2:
		if (kvm_pv_mmio_word_changed(&words[1], words[1].where))
			goto changed;
		fallthrough;
	default:
		if (kvm_pv_mmio_word_changed(&words[0], first))
			goto changed;
	}
	unchanged = true;
changed:
	__uaccess_end();
	pagefault_enable();
	return unchanged;
}

/*
 * Note the @code at @gpa in up to KVM_PV_MMIO_CODE_WORDS words.  Returns how
 * many, or 0 if there's no memory at @gpa.
 */
int kvm_pv_mmio_note_code(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_word *word,
			  gpa_t gpa, const u8 *code, int len);

#endif /* __KVM_X86_PV_MMIO_MEMORY_H */
