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
		if (!(table[i] & PTE_PRESENT_MASK))
			continue;
		table[i] |= PTE_USER_MASK;
		if (level > PG_LEVEL_4K)
			allow_user(vm, PTE_GET_PA(table[i]), level - 1);
	}
}

void vm_allow_user(struct kvm_vm *vm)
{
	allow_user(vm, vm->pgd, PG_LEVEL_512G);
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
	const u64 flags = PTE_LARGE_MASK | PTE_WRITABLE_MASK | PTE_PRESENT_MASK;
	u64 *pdpte = addr_gpa2hva(cvm->vm, PAE_CR3);
	u64 *pde = addr_gpa2hva(cvm->vm, PAE_TABLE);

	pdpte[CODE_GPA >> 30] = PAE_TABLE | PTE_PRESENT_MASK;
	memset(pde, 0, PAGE_SIZE);
	pde[CODE_GPA >> 21 & 511] = CODE_GPA | flags;
	pde[MMIO_GPA >> 21 & 511] = MMIO_GPA | flags;
}

/* Pages of 4 MiB. */
static void make_32bit_tables(struct case_vm *cvm)
{
	const u32 flags = PTE_LARGE_MASK | PTE_WRITABLE_MASK | PTE_PRESENT_MASK;
	u32 *pde = addr_gpa2hva(cvm->vm, PAE_TABLE);

	memset(pde, 0, PAGE_SIZE);
	pde[CODE_GPA >> 22] = CODE_GPA | flags;
	pde[MMIO_GPA >> 22] = MMIO_GPA | flags;
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
	if (mode == CPL0_PAE || mode == CPL0_NOT_PAE) {
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
	if (mode == CPL3_64BIT) {
		sregs_set_user_mode(&sregs);
	} else if (mode == CPL0_32BIT) {
		sregs.cs.l = 0;
		sregs.cs.db = 1;
	} else if (mode >= CPL0_PROTECTED) {
		make_protected_mode(cvm, &sregs, mode);
	}
	vcpu_sregs_set(cvm->vcpu, &sregs);
}

/* Without nested paging, the exit doesn't tell the guest-physical address. */
bool machine_has_fast_stores(enum cpu_mode mode)
{
	if (mode != CPL0_64BIT && mode != CPL3_64BIT)
		return false;
	return host_cpu_is_intel ? has_ept_misconfig() : kvm_is_tdp_enabled();
}

bool store_has_fast_path(enum cpu_mode mode)
{
	return kernel_has_fast_path() && machine_has_fast_stores(mode);
}
