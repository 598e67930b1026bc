// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM that guest accesses run in: its pages and code.
 */
#include "pv_mmio_case.h"

/* All pages but those in which each case has its code slot. */
static const struct {
	u64 gva, gpa;
} case_pages[] = {
	{ CODE_GPA, CODE_GPA },
	{ CODE_GPA + PAGE_SIZE, CODE_GPA + PAGE_SIZE },
	{ RAM_GPA, RAM_GPA },
	{ ROM_GPA, ROM_GPA },
	{ MMIO_GPA, MMIO_GPA },
	{ MMIO_GPA + PAGE_SIZE, MMIO_GPA + PAGE_SIZE },
	{ MMIO_HIGH_GVA, MMIO_GPA },
	{ MMIO_TOP_GVA, MMIO_GPA },
	{ IOAPIC_GPA, IOAPIC_GPA },
};

#define NR_CASE_PAGES	(ARRAY_SIZE(case_pages) + CODE_SLOT_PAGES)

static u64 case_page_gva(int i)
{
	if (i < ARRAY_SIZE(case_pages))
		return case_pages[i].gva;

	return CODE_SLOTS_GPA + (i - ARRAY_SIZE(case_pages)) * PAGE_SIZE;
}

static u64 case_page_gpa(int i)
{
	if (i < ARRAY_SIZE(case_pages))
		return case_pages[i].gpa;

	return case_page_gva(i);
}

static void case_vm_map(struct kvm_vm *vm, u64 gva, u64 gpa)
{
	int level;

	virt_pg_map(vm, gva, gpa);
	for (level = vm_levels(vm); level >= PG_LEVEL_4K; level--)
		*vm_pte(vm, gva, level) |= GPTE_USER;
}

static void case_vm_map_all(struct kvm_vm *vm)
{
	int i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, CODE_GPA, 1, 3 + CODE_SLOT_PAGES, 0);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, ROM_GPA, 2, 1, KVM_MEM_READONLY);
	for (i = 0; i < NR_CASE_PAGES; i++)
		case_vm_map(vm, case_page_gva(i), case_page_gpa(i));
}

u64 *case_pte(struct case_vm *cvm, u64 gva)
{
	return vm_pte(cvm->vm, gva, PG_LEVEL_4K);
}

void case_flush_tlb(struct case_vm *cvm)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(cvm->vcpu, &sregs);
	sregs.cr4 ^= X86_CR4_PGE;
	vcpu_sregs_set(cvm->vcpu, &sregs);
	sregs.cr4 ^= X86_CR4_PGE;
	vcpu_sregs_set(cvm->vcpu, &sregs);
}

void case_make_supervisor(struct case_vm *cvm, u64 cr4)
{
	int i;

	for (i = 0; i < NR_CASE_PAGES; i++)
		*case_pte(cvm, case_page_gva(i)) &= ~GPTE_USER;
	case_flush_tlb(cvm);
	cvm->sregs.cr4 |= cr4;
}

static void hide_feature(struct kvm_vcpu *vcpu, struct kvm_x86_cpu_feature feature)
{
	vcpu_enable_cap(vcpu, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1);
	vcpu_clear_cpuid_feature(vcpu, feature);
}

void case_vm_init(struct case_vm *cvm, const struct kvm_x86_cpu_feature *hidden)
{
	int i;

	cvm->vm = vm_create_with_one_vcpu(&cvm->vcpu, NULL);
	case_vm_map_all(cvm->vm);
	if (hidden)
		hide_feature(cvm->vcpu, *hidden);
	vcpu_regs_get(cvm->vcpu, &cvm->regs);
	vcpu_sregs_get(cvm->vcpu, &cvm->sregs);
	cvm->stats_fd = vcpu_get_stats_fd(cvm->vcpu);
	cvm->decodes_offset = find_vcpu_stat(cvm->stats_fd, "insn_emulation");
	cvm->fast_offset = find_vcpu_stat(cvm->stats_fd, "pv_mmio_fast");
	cvm->slow_offset = find_vcpu_stat(cvm->stats_fd, "pv_mmio_slow");
	cvm->nr_slots = 0;
	for (i = 0; i < MAX_BELLS; i++)
		cvm->bell_fds[i] = eventfd_create();
}

void case_vm_free(struct case_vm *cvm)
{
	int i;

	for (i = 0; i < MAX_BELLS; i++)
		close(cvm->bell_fds[i]);
	close(cvm->stats_fd);
	kvm_vm_free(cvm->vm);
}

/* Unless told where, a case gets a new address, so that KVM can't know its code. */
static u64 choose_place(struct case_vm *cvm, const struct access_case *c)
{
	if (c->code_gpa)
		return c->code_gpa;

	TEST_ASSERT(c->code_len + DONE_INSN_LEN <= CODE_SLOT_SIZE, "code must fit into its slot");
	TEST_ASSERT(cvm->nr_slots < CODE_SLOT_PAGES * PAGE_SIZE / CODE_SLOT_SIZE,
		    "all cases must have a slot");
	return CODE_SLOTS_GPA + cvm->nr_slots++ * CODE_SLOT_SIZE;
}

u64 case_place_code(struct case_vm *cvm, const struct access_case *c)
{
	u64 gpa = choose_place(cvm, c);
	char *hva = addr_gpa2hva(cvm->vm, gpa);
	s32 disp = MMIO_GPA - (gpa + c->code_len);

	if (c->is_placed)
		return gpa;

	memcpy(hva, c->code, c->code_len);
	if (c->rip_relative)
		memcpy(hva + c->rip_relative, &disp, sizeof(disp));
	memcpy(hva + c->code_len, DONE_INSN, DONE_INSN_LEN);
	return gpa;
}
