// SPDX-License-Identifier: GPL-2.0-only
/*
 * The modes of the CPU that guest accesses run in.
 */
#include "pv_mmio_case.h"

static void allow_user(struct kvm_vm *vm, u64 table_gpa, int level)
{
	u64 *table = addr_gpa2hva(vm, table_gpa);
	int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*table); i++) {
		if (!(table[i] & GPTE_PRESENT))
			continue;
		table[i] |= GPTE_USER;
		if (level > PG_LEVEL_4K)
			allow_user(vm, PTE_GET_PA(table[i]), level - 1);
	}
}

u64 *vm_pte(struct kvm_vm *vm, u64 gva, int level)
{
	u64 *pte, table = vm_root(vm);
	int at = vm_levels(vm);

	for (;; at--) {
		pte = addr_gpa2hva(vm, table);
		pte += (gva >> PG_LEVEL_SHIFT(at)) % (PAGE_SIZE / sizeof(*pte));
		if (at == level)
			return pte;
		TEST_ASSERT((*pte & GPTE_PRESENT) && !(*pte & GPTE_LARGE),
			    "Address 0x%llx has no table of level %d", (unsigned long long)gva,
			    level);
		table = PTE_GET_PA(*pte);
	}
}

void vm_allow_user(struct kvm_vm *vm)
{
	allow_user(vm, vm_root(vm), vm_levels(vm));
}

void sregs_set_user_mode(struct kvm_sregs *sregs)
{
	/* The library doesn't set SS, which is still as after reset. */
	sregs->ss = sregs->ds;
	sregs->cs.dpl = 3;
	sregs->cs.selector |= 3;
	sregs->ss.dpl = 3;
	sregs->ss.selector |= 3;
}

/* PAE's four top-level entries needn't fill a page, only be aligned to 32 bytes. */
#define PAE_CR3		(CODE_GPA + PAGE_SIZE - 4 * sizeof(u64))
#define PAE_TABLE	(CODE_GPA + PAGE_SIZE)

static void make_pae_tables(struct case_vm *cvm)
{
	const u64 flags = GPTE_LARGE | GPTE_WRITABLE | GPTE_PRESENT;
	u64 *pdpte = addr_gpa2hva(cvm->vm, PAE_CR3);
	u64 *pde = addr_gpa2hva(cvm->vm, PAE_TABLE);

	pdpte[CODE_GPA >> 30] = PAE_TABLE | GPTE_PRESENT;
	memset(pde, 0, PAGE_SIZE);
	pde[CODE_GPA >> 21 & 511] = CODE_GPA | flags;
	pde[MMIO_GPA >> 21 & 511] = MMIO_GPA | flags;
	/* Who takes CR3 for the address of that table finds the same entry for code. */
	pde = addr_gpa2hva(cvm->vm, PAE_CR3 & PAGE_MASK);
	pde[CODE_GPA >> 21 & 511] = CODE_GPA | flags;
}

/* Pages of 4 MiB.  The doorbell is also behind the next, odd entry. */
static void make_32bit_tables(struct case_vm *cvm)
{
	const u32 flags = GPTE_LARGE | GPTE_WRITABLE | GPTE_PRESENT | GPTE_USER;
	u32 *pde = addr_gpa2hva(cvm->vm, PAE_TABLE);

	memset(pde, 0, PAGE_SIZE);
	pde[CODE_GPA >> 22] = CODE_GPA | flags;
	pde[MMIO_GPA >> 22] = MMIO_GPA | flags;
	pde[ALIAS_4M >> 22] = MMIO_GPA | flags;
}

static void make_paging(struct case_vm *cvm, struct kvm_sregs *sregs, bool pae)
{
	sregs->cr0 |= X86_CR0_PG;
	if (pae) {
		make_pae_tables(cvm);
		sregs->cr3 = PAE_CR3;
	} else {
		make_32bit_tables(cvm);
		sregs->cr3 = PAE_TABLE;
		sregs->cr4 &= ~X86_CR4_PAE;
		sregs->cr4 |= X86_CR4_PSE;
	}
}

static void make_protected_mode(struct case_vm *cvm, struct kvm_sregs *sregs, enum cpu_mode mode)
{
	sregs->cs.l = 0;
	sregs->cs.db = 1;
	sregs->efer = 0;
	sregs->cr0 &= ~X86_CR0_PG;
	if (mode == CPL0_PAE || mode == CPL0_NOT_PAE || mode == CPL3_NOT_PAE) {
		make_paging(cvm, sregs, mode == CPL0_PAE);
	} else if (mode == CPL0_16BIT) {
		sregs->cs.db = 0;
		sregs->cs.g = 0;
		sregs->cs.limit = 0xffff;
		sregs->cs.base = CODE_GPA;
	}
}

void case_set_mode(struct case_vm *cvm, enum cpu_mode mode)
{
	struct kvm_sregs sregs = cvm->sregs;

	/* The library doesn't set SS, which is still as after reset. */
	sregs.ss = sregs.ds;
	if (is_user_mode(mode))
		sregs_set_user_mode(&sregs);
	if (mode == CPL0_32BIT || mode == CPL3_32BIT) {
		sregs.cs.l = 0;
		sregs.cs.db = 1;
	} else if (mode >= CPL0_PROTECTED) {
		make_protected_mode(cvm, &sregs, mode);
	}
	vcpu_sregs_set(cvm->vcpu, &sregs);
}

void case_adjust_mode(struct case_vm *cvm, void (*adjust)(struct kvm_sregs *sregs))
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(cvm->vcpu, &sregs);
	adjust(&sregs);
	vcpu_sregs_set(cvm->vcpu, &sregs);
}

/*
 * AMD's exits don't have the PDPTEs of PAE, where the translation of code starts.
 * Without nested paging, the exit doesn't tell the guest-physical address.
 */
bool machine_has_fast_stores(enum cpu_mode mode)
{
	if (mode == CPL0_16BIT || (mode == CPL0_PAE && host_cpu_is_amd))
		return false;
	return host_cpu_is_intel ? has_ept_misconfig() : kvm_is_tdp_enabled();
}

bool store_has_fast_path(enum cpu_mode mode)
{
	return kernel_has_fast_path() && machine_has_fast_stores(mode);
}
