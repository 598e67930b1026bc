// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM of a minimal L1: its VMCS or VMCB, its nested page tables.
 */
#include "pv_mmio_l2.h"
#include "pv_mmio_l2_tables.h"

#define X86_FEATURE_NPT	KVM_X86_CPU_FEATURE(0x8000000A, 0, EDX, 0)

/* All but the page's size and address. */
#define PTE_RWX		0x7ull
#define PTE_LARGE	BIT(7)
#define EPT_WRITE_BACK	(6ull << 3)
#define NR_SETS		2

struct l2_tables l2_tables;

const char *l2_lacks_cpu(void)
{
	if (host_cpu_is_amd)
		return kvm_cpu_has(X86_FEATURE_SVM) ? NULL : "KVM offers no SVM to guests";

	return kvm_cpu_has(X86_FEATURE_VMX) ? NULL : "KVM offers no VMX to guests";
}

const char *l2_lacks(void)
{
	if (l2_lacks_cpu())
		return l2_lacks_cpu();
	if (host_cpu_is_amd)
		return kvm_cpu_has(X86_FEATURE_NPT) ? NULL : "KVM offers no NPT to guests";

	return kvm_cpu_has_ept() ? NULL : "KVM offers no EPT to guests";
}

static void map_pages(u64 *table, u64 base, u64 size, u64 flags)
{
	int i;

	for (i = 0; i < NR_PTES; i++)
		table[i] = (base + i * size) | flags;
}

static void make_tables(u64 *table, u64 gpa)
{
	u64 leaf = PTE_RWX | (host_cpu_is_amd ? 0 : EPT_WRITE_BACK);
	u64 *pdpt = table + PDPT * NR_PTES, *high = table + PD_HIGH * NR_PTES;

	table[FIFTH_LEVEL * NR_PTES] = gpa | PTE_RWX;
	table[0] = (gpa + PDPT * PAGE_SIZE) | PTE_RWX;
	pdpt[0] = (gpa + PD_LOW * PAGE_SIZE) | PTE_RWX;
	pdpt[L2_CODE_GPA >> 30] = (gpa + PD_HIGH * PAGE_SIZE) | PTE_RWX;
	high[L2_CODE_GPA >> 21 & 511] = (gpa + PT_CODE * PAGE_SIZE) | PTE_RWX;
	high[L2_MMIO_GPA >> 21 & 511] = (gpa + PT_MMIO * PAGE_SIZE) | PTE_RWX;
	map_pages(table + PD_LOW * NR_PTES, 0, NR_PTES * PAGE_SIZE, leaf | PTE_LARGE);
	map_pages(table + PT_CODE * NR_PTES, L2_CODE_GPA, PAGE_SIZE, leaf);
	map_pages(table + PT_MMIO * NR_PTES, L2_MMIO_GPA, PAGE_SIZE, leaf);
}

void l2_create(struct kvm_vm *vm)
{
	const size_t size = NR_TABLES * PAGE_SIZE;
	gva_t gva = vm_alloc(vm, NR_SETS * size, PAGE_SIZE), cpu;
	int i;

	l2_tables.table = (u64 *)gva;
	/* L1 does without nested paging where KVM doesn't offer it. */
	l2_tables.root_gpa = l2_lacks() ? 0 : addr_gva2gpa(vm, gva);
	l2_tables.is_svm = host_cpu_is_amd;
	for (i = 0; i < NR_SETS; i++)
		make_tables(addr_gva2hva(vm, gva + i * size), addr_gva2gpa(vm, gva + i * size));
	if (host_cpu_is_amd)
		vcpu_alloc_svm(vm, &cpu);
	else
		vcpu_alloc_vmx(vm, &cpu);
	l2_tables.cpu = (void *)cpu;
	sync_global_to_guest(vm, l2_tables);
}
