// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory by memslots, see pv_mmio_memory.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <asm/vmx.h>

#include "pv_mmio_memory.h"

/*
 * Stores to a read-only memslot are MMIO.  The page at the LAPIC's address
 * isn't RAM either: with APICv, it's in an internal memslot of KVM.
 */
bool kvm_pv_mmio_gpa_is_ram(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	struct kvm_memory_slot *slot;

	slot = kvm_vcpu_gfn_to_memslot(vcpu, gpa_to_gfn(gpa));
	return slot && slot->id != APIC_ACCESS_PAGE_PRIVATE_MEMSLOT &&
	       !(slot->flags & KVM_MEM_READONLY);
}

void __user *kvm_pv_mmio_guest_pointer(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memory_slot *slot = kvm_vcpu_gfn_to_memslot(vcpu, gfn);

	if (!slot || slot->flags & KVM_MEMSLOT_INVALID)
		return NULL;

	return (void __user *)(__gfn_to_hva_memslot(slot, gfn) +
			       offset_in_page(gpa));
}

int kvm_pv_mmio_note_code(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_word *word,
			  gpa_t gpa, const u8 *code, int len)
{
	int done, n, shift, nr = 0;

	for (done = 0; done < len; done += n, word++, nr++) {
		n = min_t(int, len - done, sizeof(u64));
		shift = max_t(int, offset_in_page(gpa + done) + sizeof(u64) -
			      PAGE_SIZE, 0);
		word->where = kvm_pv_mmio_guest_pointer(vcpu,
							gpa + done - shift);
		if (!word->where)
			return 0;

		word->value = 0;
		word->mask = 0;
		memcpy((u8 *)&word->value + shift, code + done, n);
		memset((u8 *)&word->mask + shift, 0xff, n);
	}
	return nr;
}
