// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages and page tables of scenes, for the stores of an L1 and of an L2.
 */
#include "pv_mmio_scene.h"

/* What KVM learned from the store that is allowed must not allow the next one. */
void guest_store_smap(void)
{
	set_cr4(get_cr4() | X86_CR4_SMAP);
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	asm volatile("clac");
	guest_store_code(SCENE_USER_GVA, SCENE_VALUE, SCENE_CODE_GPA);
	asm volatile("stac");
	guest_store_code(SCENE_USER_GVA, SCENE_VALUE, SCENE_CODE_GPA);
	asm volatile("clac");
	guest_store_code(SCENE_USER_GVA, SCENE_VALUE, SCENE_CODE_GPA);
	GUEST_DONE();
}

void make_user_page(struct scene *s)
{
	int level;

	vm_install_exception_handler(s->vm, PF_VECTOR, guest_log_fault);
	virt_pg_map(s->vm, SCENE_USER_GVA, MMIO_GPA);
	for (level = PG_LEVEL_512G; level >= PG_LEVEL_4K; level--)
		*scene_pte(s, SCENE_USER_GVA, level) |= GPTE_USER;
}

const char *lacks_smap(void)
{
	return this_cpu_has(X86_FEATURE_SMAP) ? NULL : "the CPU has no SMAP";
}

void put_code_in_second_page(struct scene *s)
{
	scene_tell_values(s);
	SCENE_PUT_CODE(s, PAGE_SIZE, STORE_RBX_RET);
	virt_pg_map(s->vm, SCENE_CODE_GVA, SCENE_CODE_GPA);
}

u64 guest_other_cr3s[SCENE_OTHER_ROOTS];

void copy_other_root(struct scene *s)
{
	void *root = addr_gpa2hva(s->vm, guest_other_cr3s[0]);
	int i;

	for (i = 1; i < SCENE_OTHER_ROOTS; i++) {
		guest_other_cr3s[i] = vm_alloc_page_table(s->vm);
		memcpy(addr_gpa2hva(s->vm, guest_other_cr3s[i]), root, PAGE_SIZE);
	}
	sync_global_to_guest(s->vm, guest_other_cr3s);
}

void make_other_tables(struct scene *s)
{
	u64 *copy, table = 0, below = SCENE_CODE_GPA + PAGE_SIZE;
	int level;

	put_code_in_second_page(s);
	for (level = PG_LEVEL_4K; level <= PG_LEVEL_512G; level++) {
		u64 *entry = scene_pte(s, SCENE_CODE_GVA, level);
		u64 *page = (u64 *)((u64)entry & PAGE_MASK);

		table = vm_alloc_page_table(s->vm);
		copy = addr_gpa2hva(s->vm, table);
		memcpy(copy, page, PAGE_SIZE);
		copy += entry - page;
		*copy = (*copy & ~PHYSICAL_PAGE_MASK) | below;
		below = table;
	}
	guest_other_cr3s[0] = scene_root(s->vm, table);
	copy_other_root(s);
}

void guest_switch_cr3(void)
{
	u64 cr3 = get_cr3();
	int i;

	guest_learn(guest_store_code, SCENE_CODE_GVA);
	for (i = 0; i < SCENE_OTHER_ROOTS; i++) {
		guest_set_cr3(guest_other_cr3s[i]);
		guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GVA);
	}
	guest_set_cr3(cr3);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GVA));
	GUEST_DONE();
}

void vmm_moves_code(struct scene *s, u64 stage)
{
	void *other = s->code + 2 * PAGE_SIZE;

	SCENE_PUT_CODE(s, 2 * PAGE_SIZE, STORE_RBX_RET);
	vm_set_user_memory_region(s->vm, SCENE_CODE_SLOT, 0, SCENE_CODE_GPA, 0, s->code);
	vm_set_user_memory_region(s->vm, SCENE_CODE_SLOT, 0, SCENE_CODE_GPA, 2 * PAGE_SIZE, other);
}
