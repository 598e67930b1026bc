// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables of the guest that change the effect of the store.
 */
#include "pv_mmio_scene.h"

#define ALIAS_GVA	SCENE_USER_GVA
#define CROSS_GVA	0xd1200000ul	/* maps a page of RAM, then MMIO_GPA */
/* The offset in this page is also that of the page's PTE in its table. */
#define WALK_GVA	(0xd1400000ul + 0x10 * PAGE_SIZE + 0x10 * sizeof(u64))
#define WALK_OFFSET	(WALK_GVA % PAGE_SIZE)
#define FAR_CODE_GVA	(BIT(39) | SCENE_CODE_GVA)	/* mapped by another top-level entry */
#define CR0_WP		BIT(16)

static void load_cr0(u64 cr0)
{
	asm volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
}

static void guest_store_and_done(u64 gva)
{
	guest_store_popf(gva, SCENE_VALUE, X86_EFLAGS_FIXED);
	GUEST_DONE();
}

static void guest_learn_popf(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
}

static void guest_store_read_only(void)
{
	load_cr0(get_cr0() | CR0_WP);
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	guest_store_code(ALIAS_GVA, SCENE_VALUE, SCENE_CODE_GPA);
	GUEST_DONE();
}

static void make_read_only(struct scene *s)
{
	vm_install_exception_handler(s->vm, PF_VECTOR, guest_log_fault);
	virt_pg_map(s->vm, ALIAS_GVA, MMIO_GPA);
	*scene_pte(s, ALIAS_GVA, PG_LEVEL_4K) &= ~GPTE_WRITABLE;
}

/* The first page is RAM, so the fault is at the second page, at another offset. */
static void guest_store_across(void)
{
	guest_learn_popf();
	guest_store_and_done(CROSS_GVA + PAGE_SIZE - 2);
}

static void map_across(struct scene *s)
{
	virt_pg_map(s->vm, CROSS_GVA, SCENE_CODE_GPA + PAGE_SIZE);
	virt_pg_map(s->vm, CROSS_GVA + PAGE_SIZE, MMIO_GPA);
}

static void log_ram(struct scene *s)
{
	scene_log(&s->result.host, *(u16 *)(s->code + 2 * PAGE_SIZE - 2));
}

/*
 * The CPU reads the PTE from a doorbell at the same offset as the store's.  Stock
 * KVM takes the address of the fault for that of the store, and rings.
 */
static void guest_walk_mmio(void)
{
	guest_learn_popf();
	/* The first store may only make KVM notice that the page is MMIO. */
	guest_store_popf(WALK_GVA, SCENE_VALUE, X86_EFLAGS_FIXED);
	guest_store_and_done(WALK_GVA);
}

/* Without nested paging, the guest gets a page fault, whether served or emulated. */
static const char *lacks_tdp(void)
{
	return kvm_is_tdp_enabled() ? NULL : "KVM shadows no page table that is a device's";
}

static void put_page_table_in_mmio(struct scene *s)
{
	u64 *pde;

	virt_pg_map(s->vm, WALK_GVA & PAGE_MASK, FAR_GPA);
	pde = scene_pte(s, WALK_GVA, PG_LEVEL_2M);
	*pde = (*pde & ~PHYSICAL_PAGE_MASK) | FAR_GPA;
	scene_set_bell(s, 1, FAR_GPA + WALK_OFFSET, 4, 0);
}

/* Where the guest finds the PTE of SCENE_CODE_GVA. */
static u64 guest_pte_gva;

/* Lets the guest change the page table's entry for @gva. */
static void map_pte(struct scene *s, u64 gva)
{
	u64 *pte = scene_pte(s, gva, PG_LEVEL_4K);

	guest_pte_gva = ALIAS_GVA + (u64)pte % PAGE_SIZE;
	virt_pg_map(s->vm, ALIAS_GVA, addr_hva2gpa(s->vm, pte) & PAGE_MASK);
	sync_global_to_guest(s->vm, guest_pte_gva);
}

static void map_ptes(struct scene *s)
{
	put_code_in_second_page(s);
	map_pte(s, SCENE_CODE_GVA);
}

static void map_bell_pte(struct scene *s)
{
	put_code_in_second_page(s);
	map_pte(s, MMIO_GPA);
}

/* The emulator sets both bits; so must the CPU, or KVM must not serve the store. */
static void guest_clean_bell_page(void)
{
	u64 *pte = (u64 *)guest_pte_gva;

	guest_learn(guest_store_code, SCENE_CODE_GVA);
	WRITE_ONCE(*pte, *pte & ~(GPTE_ACCESSED | GPTE_DIRTY));
	asm volatile("invlpg (%0)" : : "r"(MMIO_GPA) : "memory");
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GVA));
	guest_log(READ_ONCE(*pte) & (GPTE_ACCESSED | GPTE_DIRTY));
	GUEST_DONE();
}

static void guest_remap_code(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GVA);
	WRITE_ONCE(*(u64 *)guest_pte_gva, *(u64 *)guest_pte_gva + PAGE_SIZE);
	asm volatile("invlpg (%0)" : : "r"(SCENE_CODE_GVA) : "memory");
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GVA));
	GUEST_DONE();
}

/* The CPU sets the dirty bit in the page's PTE, but the code doesn't change. */
static void guest_make_dirty(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GVA);
	WRITE_ONCE(*(u64 *)(SCENE_CODE_GVA + PAGE_SIZE / 2), 1);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GVA));
	GUEST_DONE();
}

/* Like another process's table: the kernel's code is mapped by the same entry. */
static u64 make_copied_root(struct scene *s)
{
	u64 root = vm_alloc_page_table(s->vm);
	struct kvm_sregs sregs;

	vcpu_sregs_get(s->vcpu, &sregs);
	memcpy(addr_gpa2hva(s->vm, root), addr_gpa2hva(s->vm, sregs.cr3 & PHYSICAL_PAGE_MASK),
	       PAGE_SIZE);
	return root;
}

static void copy_root(struct scene *s)
{
	put_code_in_second_page(s);
	guest_other_cr3s[0] = make_copied_root(s);
	copy_other_root(s);
}

/* The first entry of the copied table, which maps the first 512 GiB, or 256 TiB. */
static u64 guest_other_entry;

static void copy_root_to_change(struct scene *s)
{
	u64 root;

	make_other_tables(s);
	guest_other_entry = *(u64 *)addr_gpa2hva(s->vm, guest_other_cr3s[0]);
	/* The copied tables were made before, and have neither of these. */
	root = make_copied_root(s);
	virt_pg_map(s->vm, ALIAS_GVA, root);
	guest_other_cr3s[0] = root;
	sync_global_to_guest(s->vm, guest_other_cr3s);
	sync_global_to_guest(s->vm, guest_other_entry);
}

static void guest_change_copied_root(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GVA);
	guest_set_cr3(guest_other_cr3s[0]);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GVA));
	WRITE_ONCE(*(u64 *)ALIAS_GVA, guest_other_entry);
	guest_set_cr3(guest_other_cr3s[0]);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GVA));
	GUEST_DONE();
}

static void guest_learn_far_code(void)
{
	guest_learn(guest_store_code, FAR_CODE_GVA);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, FAR_CODE_GVA));
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, FAR_CODE_GVA));
	GUEST_DONE();
}

static void map_far_code(struct scene *s)
{
	scene_tell_values(s);
	SCENE_PUT_CODE(s, PAGE_SIZE, STORE_RBX_RET);
	virt_pg_map(s->vm, FAR_CODE_GVA, SCENE_CODE_GPA);
}

/* Adds a fifth level with other code; the entry used so far stays, but maps elsewhere. */
static void vmm_adds_a_level(struct scene *s, u64 stage)
{
	u64 *pml4e = scene_pte(s, FAR_CODE_GVA, PG_LEVEL_512G);
	u64 root = vm_alloc_page_table(s->vm);
	u64 *top = addr_gpa2hva(s->vm, root);
	struct kvm_sregs sregs;

	vcpu_run_complete_io(s->vcpu);
	vcpu_sregs_get(s->vcpu, &sregs);
	top[0] = sregs.cr3 | GPTE_PRESENT | GPTE_WRITABLE;
	top[FAR_CODE_GVA >> 39] = *pml4e;
	*pml4e = 0;
	virt_pg_map(s->vm, FAR_CODE_GVA, SCENE_CODE_GPA + PAGE_SIZE);
	sregs.cr3 = root;
	sregs.cr4 |= X86_CR4_LA57;
	vcpu_sregs_set(s->vcpu, &sregs);
}

static const char *lacks_more_levels(void)
{
	if (!kvm_cpu_has(X86_FEATURE_LA57))
		return "KVM offers no fifth level";

	return scene_has_five_levels() ? "there are five levels already" : NULL;
}

static const struct scene_case scenes[] = {
	{ "page can't be written", guest_store_read_only, make_read_only,
	  SCENE_LOG(PF_VECTOR, PF_PRESENT_WRITE, ALIAS_GVA) },
	{ "page is the user's, SMAP", guest_store_smap, make_user_page, .lacks = lacks_smap,
	  .rings = { 1 }, SMAP_LOG },
	{ "store across a page, from RAM", guest_store_across, map_across, .finish = log_ram },
	{ "page table is a doorbell", guest_walk_mmio, put_page_table_in_mmio,
	  .decode = DECODE_ALWAYS, .rings = { 0, 2 }, .lacks = lacks_tdp },
	{ "guest maps other code", guest_remap_code, map_ptes, .rings = { 0, 1 }, .decodes = 1,
	  SCENE_LOG(SCENE_VALUE) },
	{ "doorbell's page becomes accessed and dirty again", guest_clean_bell_page,
	  map_bell_pte, .rings = { 1 }, SCENE_LOG(SCENE_VALUE, GPTE_ACCESSED | GPTE_DIRTY) },
	{ "guest writes to the page of the code", guest_make_dirty, put_code_in_second_page,
	  .rings = { 1 }, .decode = DECODE_NEVER, SCENE_LOG(SCENE_VALUE) },
	{ "guest switches to page tables with other code", guest_switch_cr3, make_other_tables,
	  .rings = { 1, SCENE_OTHER_ROOTS }, .decodes = 1, SCENE_LOG(SCENE_VALUE) },
	{ "guest switches to a copy of the top-level table", guest_switch_cr3, copy_root,
	  .rings = { 1 + SCENE_OTHER_ROOTS }, .decode = DECODE_NEVER, .only_tdp_tells = true,
	  SCENE_LOG(SCENE_VALUE) },
	{ "guest changes its copy of the top-level table", guest_change_copied_root,
	  copy_root_to_change, .rings = { 1, 1 }, .decodes = 1,
	  SCENE_LOG(SCENE_VALUE, SCENE_VALUE) },
	{ "VMM adds a level of page tables, with other code", guest_learn_far_code, map_far_code,
	  vmm_adds_a_level, .rings = { 0, 2 }, .decodes = 1, .lacks = lacks_more_levels,
	  SCENE_LOG(SCENE_VALUE, SCENE_VALUE) },
};

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));

	run_scenes(scenes, ARRAY_SIZE(scenes));
}
