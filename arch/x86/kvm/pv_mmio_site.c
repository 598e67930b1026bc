// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading sites, see pv_mmio_site.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "mmu.h"
#include "pv_mmio_site.h"
#include "x86.h"

#define HYPERCALL_LEN	3

struct insn_bytes {
	u8 len;
	u8 byte[4];
};

static const struct insn_bytes store_bytes[] = {
	[KVM_PV_MMIO_STORE1] = { 2, { 0x88, 0x02 } },
	[KVM_PV_MMIO_STORE2] = { 3, { 0x66, 0x89, 0x02 } },
	[KVM_PV_MMIO_STORE4] = { 2, { 0x89, 0x02 } },
	[KVM_PV_MMIO_STORE8] = { 3, { 0x48, 0x89, 0x02 } },
};

static struct insn_bytes insn_bytes(struct kvm_vcpu *vcpu,
				    enum kvm_pv_mmio_insn insn)
{
	struct insn_bytes hypercall = { .len = HYPERCALL_LEN };

	if (insn != KVM_PV_MMIO_HYPERCALL)
		return store_bytes[insn];

	kvm_x86_call(patch_hypercall)(vcpu, hypercall.byte);
	return hypercall;
}

void __user *kvm_pv_mmio_guest_pointer(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	unsigned long hva = kvm_vcpu_gfn_to_hva(vcpu, gpa_to_gfn(gpa));

	if (kvm_is_error_hva(hva))
		return NULL;

	return (void __user *)(hva + offset_in_page(gpa));
}

/* Walk the guest's tables to RIP as the CPU does, and note the way. */
static gpa_t site_translate(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_site *site)
{
	int level = kvm_is_cr4_bit_set(vcpu, X86_CR4_LA57) ? PT64_ROOT_5LEVEL :
							     PT64_ROOT_4LEVEL;
	gpa_t table = site->cr3 & KVM_PV_MMIO_PTE_ADDRESS;
	struct kvm_pv_mmio_pte *pte = site->ptes;
	int shift;

	for (; level; level--, pte++) {
		shift = PAGE_SHIFT + (level - 1) * KVM_PV_MMIO_INDEX_BITS;
		pte->where = kvm_pv_mmio_guest_pointer(vcpu, table + 8 *
					   ((site->rip >> shift) &
					    (PTRS_PER_PTE - 1)));
		if (!pte->where || get_user(pte->value, pte->where) ||
		    !(pte->value & PT_PRESENT_MASK))
			return INVALID_GPA;

		table = pte->value & KVM_PV_MMIO_PTE_ADDRESS;
		site->nr_ptes++;
		if (level == PG_LEVEL_4K || pte->value & PT_PAGE_SIZE_MASK)
			return (table & ~(BIT_ULL(shift) - 1)) |
			       (site->rip & (BIT_ULL(shift) - 1));
	}
	return INVALID_GPA;
}

bool kvm_pv_mmio_site_locate(struct kvm_vcpu *vcpu,
			     struct kvm_pv_mmio_site *site, gpa_t gpa)
{
	struct insn_bytes bytes = insn_bytes(vcpu, site->insn);
	int shift = 0;

	if (offset_in_page(gpa) > PAGE_SIZE - sizeof(u32))
		shift = offset_in_page(gpa) - (PAGE_SIZE - sizeof(u32));

	site->code = kvm_pv_mmio_guest_pointer(vcpu, gpa - shift);
	if (!site->code)
		return false;

	memcpy((u8 *)&site->code_value + shift, bytes.byte, bytes.len);
	memset((u8 *)&site->code_mask + shift, 0xff, bytes.len);
	site->len = bytes.len;
	return true;
}

static bool site_learn(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_site *site)
{
	struct kvm_mmu *mmu = vcpu->arch.walk_mmu;
	struct x86_exception e;
	gpa_t gpa;

	/* KVM's own walk knows about permissions and reserved bits. */
	gpa = site_translate(vcpu, site);
	if (gpa == INVALID_GPA ||
	    gpa != mmu->gva_to_gpa(vcpu, mmu, site->rip, PFERR_FETCH_MASK, &e))
		return false;

	return kvm_pv_mmio_site_locate(vcpu, site, gpa) &&
	       kvm_pv_mmio_site_unchanged(site);
}

/*
 * Code in two pages is rare, and that of L2 lies behind L1's tables:
 * it's read each time, and not remembered here.
 */
static bool code_is(struct kvm_vcpu *vcpu, unsigned long rip,
		    const struct insn_bytes *bytes)
{
	struct kvm_mmu *mmu = vcpu->arch.walk_mmu;
	struct x86_exception e;
	u8 code[sizeof(bytes->byte)];
	gpa_t gpa;
	int i;

	for (i = 0; i < bytes->len; i++, gpa++) {
		if (!i || !offset_in_page(rip + i))
			gpa = mmu->gva_to_gpa(vcpu, mmu, rip + i,
					      PFERR_FETCH_MASK, &e);
		if (gpa == INVALID_GPA ||
		    kvm_vcpu_read_guest_page(vcpu, gpa_to_gfn(gpa), &code[i],
					     offset_in_page(gpa), 1))
			return false;
	}
	return !memcmp(code, bytes->byte, bytes->len);
}

static struct kvm_pv_mmio_sites *get_sites(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_sites *sites = vcpu->arch.pv_mmio.sites;
	u64 generation = kvm_pv_mmio_generation(vcpu);

	if (!sites) {
		sites = kzalloc(sizeof(*sites), GFP_KERNEL_ACCOUNT);
		vcpu->arch.pv_mmio.sites = sites;
	} else if (sites->generation != generation) {
		memset(sites, 0, sizeof(*sites));
	}
	if (sites)
		sites->generation = generation;
	return sites;
}

/* No memory to remember it is no reason not to look. */
static void site_remember(struct kvm_vcpu *vcpu,
			  const struct kvm_pv_mmio_site *site)
{
	struct kvm_pv_mmio_sites *sites = get_sites(vcpu);

	if (sites)
		*kvm_pv_mmio_site_slot(sites, site->rip, site->cr3) = *site;
}

void kvm_pv_mmio_site_note(struct kvm_vcpu *vcpu, unsigned long rip,
			   unsigned long cr3, enum kvm_pv_mmio_insn insn)
{
	struct kvm_pv_mmio_site site = { .rip = rip, .cr3 = cr3, .insn = insn };

	site_remember(vcpu, &site);
}

int kvm_pv_mmio_site_read(struct kvm_vcpu *vcpu, enum kvm_pv_mmio_insn insn)
{
	struct kvm_pv_mmio_site site = {
		.rip = kvm_rip_read(vcpu),
		.cr3 = kvm_read_cr3(vcpu),
		.insn = insn,
	};
	struct insn_bytes bytes = insn_bytes(vcpu, insn);
	int len;

	if (is_guest_mode(vcpu) ||
	    offset_in_page(site.rip) + bytes.len > PAGE_SIZE)
		return code_is(vcpu, site.rip, &bytes) ? bytes.len : 0;

	len = kvm_pv_mmio_site_recall(vcpu, site.rip, site.cr3, insn,
				      kvm_pv_mmio_generation(vcpu));
	if (len)
		return len;

	if (!site_learn(vcpu, &site))
		return 0;

	site_remember(vcpu, &site);
	return site.len;
}

void kvm_pv_mmio_forget(struct kvm_vcpu *vcpu)
{
	kfree(vcpu->arch.pv_mmio.sites);
	vcpu->arch.pv_mmio.sites = NULL;
	kvfree(vcpu->arch.pv_mmio.l2_sites);
	vcpu->arch.pv_mmio.l2_sites = NULL;
}
