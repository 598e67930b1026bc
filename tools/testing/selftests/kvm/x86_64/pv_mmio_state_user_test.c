// SPDX-License-Identifier: GPL-2.0-only
/*
 * User space must not ring where it may not write.  On hardware that doesn't tell
 * a store from a load, it can run a load through a stale TLB entry while its page
 * tables already map a known store there.  KVM's emulator takes the address from
 * hardware, asks no page table for permission, and does the store.  But KVM must
 * not do it without decoding.
 */
#include "pv_mmio_scene.h"

#define ALIAS_GVA	SCENE_USER_GVA
#define PTES_GVA	0xd1800000ul
/* In both pages of code, a ret without a store or load. */
#define RET_OFFSET	0x100
#define LOAD_RET	"\x8b\x02\xc3"
#define PKEY		1ul
#define PKEY_SHIFT	59
#define PKRU_NO_WRITE	(2ul << 2 * PKEY)

/* Where the guest finds its entry for SCENE_CODE_GVA. */
static u64 *guest_code_pte;

static void enter_user_mode(struct scene *s)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	vm_allow_user(s->vm);
	vcpu_sregs_get(s->vcpu, &sregs);
	sregs_set_user_mode(&sregs);
	vcpu_sregs_set(s->vcpu, &sregs);
	vcpu_regs_get(s->vcpu, &regs);
	/* The guest talks to its VMM by port I/O. */
	regs.rflags |= RFLAGS_IOPL;
	vcpu_regs_set(s->vcpu, &regs);
}

static void map_user(struct scene *s)
{
	u64 *pte;

	SCENE_PUT_CODE(s, PAGE_SIZE, LOAD_RET);
	SCENE_PUT_CODE(s, RET_OFFSET, "\xc3");
	SCENE_PUT_CODE(s, PAGE_SIZE + RET_OFFSET, "\xc3");
	virt_pg_map(s->vm, SCENE_CODE_GVA, SCENE_CODE_GPA);
	virt_pg_map(s->vm, ALIAS_GVA, MMIO_GPA);
	virt_pg_map(s->vm, ALIAS_GVA + PAGE_SIZE, SCENE_CODE_GPA);
	pte = scene_pte(s, SCENE_CODE_GVA, PG_LEVEL_4K);
	virt_pg_map(s->vm, PTES_GVA, addr_hva2gpa(s->vm, pte) & PAGE_MASK);
	guest_code_pte = (u64 *)(PTES_GVA + (u64)pte % PAGE_SIZE);
	sync_global_to_guest(s->vm, guest_code_pte);
	enter_user_mode(s);
}

static void map_user_read_only(struct scene *s)
{
	map_user(s);
	*scene_pte(s, ALIAS_GVA, PG_LEVEL_4K) &= ~GPTE_WRITABLE;
}

static void map_user_with_key(struct scene *s)
{
	struct kvm_sregs sregs;

	map_user(s);
	*scene_pte(s, MMIO_GPA, PG_LEVEL_4K) |= PKEY << PKEY_SHIFT;
	vcpu_sregs_get(s->vcpu, &sregs);
	sregs.cr4 |= X86_CR4_PKE;
	vcpu_sregs_set(s->vcpu, &sregs);
}

static const char *lacks_pku(void)
{
	return kvm_cpu_has(X86_FEATURE_PKU) ? NULL : "KVM offers no protection keys";
}

static const char *lacks_stale_entries(void)
{
	return kvm_is_tdp_enabled() ? NULL : "KVM shadows page tables, and sees each change";
}

static const char *lacks_pku_or_stale_entries(void)
{
	return lacks_stale_entries() ?: lacks_pku();
}

/*
 * Maps the second page of code, with the load.  On all of these machines an exit
 * to the VMM empties the TLB, so there is no need to flush the first page.
 */
static void vmm_maps_load(struct scene *s, u64 stage)
{
	*scene_pte(s, SCENE_CODE_GVA, PG_LEVEL_4K) += PAGE_SIZE;
}

/*
 * The CPU's TLB still maps the load, when the tables map the store again.  An exit
 * would empty the TLB, so all pages are touched before.
 */
static void load_where_store_is(u64 gva)
{
	READ_ONCE(*(u64 *)(ALIAS_GVA + PAGE_SIZE));
	WRITE_ONCE(*guest_code_pte, READ_ONCE(*guest_code_pte));
	guest_store_code(0, 0, SCENE_CODE_GVA + RET_OFFSET);
	WRITE_ONCE(*guest_code_pte, READ_ONCE(*guest_code_pte) - PAGE_SIZE);
	guest_store_code(gva, SCENE_VALUE, SCENE_CODE_GVA);
}

static void guest_load_read_only(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GVA);
	load_where_store_is(ALIAS_GVA);
	GUEST_DONE();
}

static void guest_load_with_key(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GVA);
	asm volatile("wrpkru" : : "a"(PKRU_NO_WRITE), "c"(0), "d"(0));
	load_where_store_is(MMIO_GPA);
	asm volatile("wrpkru" : : "a"(0), "c"(0), "d"(0));
	GUEST_DONE();
}

static void guest_plain_user(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GVA);
	guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GVA);
	GUEST_DONE();
}

static const struct scene_case scenes[] = {
	{ "user space", guest_plain_user, map_user, .rings = { 1 }, .decode = DECODE_NEVER },
	{ "user space, protection key", guest_plain_user, map_user_with_key, .rings = { 1 },
	  .decode = DECODE_NEVER, .lacks = lacks_pku },
	{ "user space, a load where the store is, page can't be written", guest_load_read_only,
	  map_user_read_only, vmm_maps_load, .rings = { 1 }, .decodes = 1,
	  .lacks = lacks_stale_entries },
	{ "user space, a load where the store is, key forbids to write", guest_load_with_key,
	  map_user_with_key, vmm_maps_load, .rings = { 1 }, .decodes = 1,
	  .lacks = lacks_pku_or_stale_entries },
};

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));

	run_scenes(scenes, ARRAY_SIZE(scenes));
}
