// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other code in place of the known store, and stores whose next instruction is on
 * another page or not canonical.
 */
#include "pv_mmio_scene.h"

#define EDGE_32BIT	0x100000000ul
#define EDGE_CANONICAL	0x800000000000ul

/* The address of the store, and the code that overwrites it. */
static u64 guest_code, guest_new_code;

static void guest_rewrite(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	/* The write is to the linear address of the code, so the CPU notices by itself. */
	WRITE_ONCE(*(u32 *)SCENE_CODE_GPA, guest_new_code);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA));
	GUEST_DONE();
}

/* Rings twice: the old code must neither be served now nor come back later. */
static void guest_wait(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA));
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA));
	GUEST_DONE();
}

/* The place was served before each change, so KVM learns it again at once. */
static void guest_wait_twice(void)
{
	int i;

	guest_learn(guest_store_code, SCENE_CODE_GPA);
	for (i = 0; i < 4; i++) {
		guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA));
		if (i == 1)
			GUEST_SYNC(SCENE_STAGE);
	}
	GUEST_DONE();
}

static void vmm_rewrites_and_back(struct scene *s, u64 stage)
{
	if (stage == SCENE_KNOWN)
		SCENE_PUT_CODE(s, 0, STORE_RBX_RET);
	else
		SCENE_PUT_CODE(s, 0, "\x89\x02\xc3");
}

/* KVM notices the new memslots by another place first. */
static void guest_other_place_first(void)
{
	guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	GUEST_SYNC(SCENE_STAGE);
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA));
	GUEST_DONE();
}

static void rewrite_with(struct scene *s, u64 code)
{
	guest_new_code = code;
	sync_global_to_guest(s->vm, guest_new_code);
}

static void to_load(struct scene *s)
{
	rewrite_with(s, 0xc3028b);
}

static void to_other_register(struct scene *s)
{
	rewrite_with(s, 0xc31a89);
	scene_tell_values(s);
}

static void to_byte_store(struct scene *s)
{
	rewrite_with(s, 0xc31a88);
	scene_set_bell(s, 1, MMIO_GPA, 1, 0);
}

/* add %eax,(%rdx), which also reads the doorbell. */
static void to_add(struct scene *s)
{
	rewrite_with(s, 0xc30201);
}

static void vmm_rewrites(struct scene *s, u64 stage)
{
	SCENE_PUT_CODE(s, 0, STORE_RBX_RET);
}

static void vmm_replaces_memslot(struct scene *s, u64 stage)
{
	vm_mem_region_delete(s->vm, SCENE_CODE_SLOT);
	vm_userspace_mem_region_add(s->vm, VM_MEM_SRC_ANONYMOUS, SCENE_CODE_GPA, SCENE_CODE_SLOT,
				    SCENE_CODE_PAGES, 0);
	s->code = addr_gpa2hva(s->vm, SCENE_CODE_GPA);
	SCENE_PUT_CODE(s, 0, STORE_RBX_RET);
}

static void forget_other_rings(struct scene *s, u64 stage)
{
	if (stage == SCENE_STAGE)
		eventfd_take(s->bells[0]);
	else
		vmm_moves_code(s, stage);
}

static void guest_at_place(void)
{
	guest_learn(guest_store_code, guest_code);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, guest_code));
	GUEST_DONE();
}

/* Maps a page of code below @edge and one above it, with the store at @gva. */
static void place_code(struct scene *s, u64 edge, u64 gva)
{
	virt_pg_map(s->vm, edge - PAGE_SIZE, SCENE_CODE_GPA);
	if (edge != EDGE_CANONICAL)
		virt_pg_map(s->vm, edge, SCENE_CODE_GPA + PAGE_SIZE);
	scene_put_code(s, PAGE_SIZE - (edge - gva), "\x89\x02\xc3", 3);
	guest_code = gva;
	sync_global_to_guest(s->vm, guest_code);
}

static void end_of_page(struct scene *s)
{
	place_code(s, SCENE_CODE_GPA + 0x10000, SCENE_CODE_GPA + 0x10000 - 2);
}

static void across_pages(struct scene *s)
{
	place_code(s, SCENE_CODE_GPA + 0x10000, SCENE_CODE_GPA + 0x10000 - 1);
}

static void ends_below_4g(struct scene *s)
{
	place_code(s, EDGE_32BIT, EDGE_32BIT - 3);
}

static void ends_at_4g(struct scene *s)
{
	place_code(s, EDGE_32BIT, EDGE_32BIT - 2);
}

static void across_4g(struct scene *s)
{
	place_code(s, EDGE_32BIT, EDGE_32BIT - 1);
}

static void ends_at_canonical_edge(struct scene *s)
{
	vm_install_exception_handler(s->vm, GP_VECTOR, guest_log_fault);
	place_code(s, EDGE_CANONICAL, EDGE_CANONICAL - 2);
}

static const char *lacks_canonical_edge(void)
{
	return scene_has_five_levels() ? "the library maps nothing at the edge of 57 bits" : NULL;
}

/* The instruction after each store faults, and the handler returns from the code. */
static void check_faults(struct scene *s)
{
	struct scene_log *log = addr_gva2hva(s->vm, (u64)&guest_scene_log);

	if (log->val[0] != GP_VECTOR)
		case_fail("the guest must get #GP after the store");
}

#define RINGS_AS_KNOWN	.decode = DECODE_NEVER, .rings = { 1 }, SCENE_LOG(SCENE_VALUE)
/* KVM doesn't remember code that crosses into another page. */
#define RINGS_UNKNOWN	.is_never_known = true, .decodes = 1, .rings = { 1 },	\
			SCENE_LOG(SCENE_VALUE)

static const struct scene_case scenes[] = {
	{ "guest rewrites the store to a load", guest_rewrite, to_load, .decodes = 1,
	  SCENE_LOG(0xa5a5a5a5) },
	{ "guest rewrites the store to one of RBX", guest_rewrite, to_other_register,
	  .rings = { 0, 1 }, .decodes = 1, SCENE_LOG(SCENE_VALUE) },
	{ "guest rewrites the store to one of a byte", guest_rewrite, to_byte_store,
	  .rings = { 0, 1 }, .decodes = 1, SCENE_LOG(SCENE_VALUE) },
	{ "guest rewrites the store to an addition", guest_rewrite, to_add,
	  .rings = { 1 }, .decodes = 1, SCENE_LOG(SCENE_VALUE) },
	{ "VMM rewrites the store to one of RBX", guest_wait, scene_tell_values, vmm_rewrites,
	  .rings = { 0, 2 }, .decodes = 1, SCENE_LOG(SCENE_VALUE, SCENE_VALUE) },
	{ "VMM rewrites the store, and back", guest_wait_twice, scene_tell_values,
	  vmm_rewrites_and_back, .rings = { 2, 2 }, .decodes = 2,
	  SCENE_LOG(SCENE_VALUE, SCENE_VALUE, SCENE_VALUE, SCENE_VALUE) },
	{ "VMM replaces the memslot of the code", guest_wait, scene_tell_values,
	  vmm_replaces_memslot, .rings = { 0, 2 }, .decodes = 1,
	  SCENE_LOG(SCENE_VALUE, SCENE_VALUE) },
	{ "VMM moves the memslot of the code", guest_wait, scene_tell_values,
	  vmm_moves_code, .rings = { 0, 2 }, .decodes = 1,
	  SCENE_LOG(SCENE_VALUE, SCENE_VALUE) },
	{ "VMM moves the memslot of the code, another place is first", guest_other_place_first,
	  scene_tell_values, forget_other_rings, .rings = { 1, 1 }, .decodes = 2,
	  SCENE_LOG(SCENE_VALUE) },
	{ "store at the end of a page", guest_at_place, end_of_page, RINGS_AS_KNOWN },
	{ "store across two pages", guest_at_place, across_pages, RINGS_UNKNOWN },
	{ "store ends below 4 GiB", guest_at_place, ends_below_4g, RINGS_AS_KNOWN },
	{ "store ends at 4 GiB", guest_at_place, ends_at_4g, RINGS_AS_KNOWN },
	{ "store across 4 GiB", guest_at_place, across_4g, RINGS_UNKNOWN },
	{ "store ends at the canonical edge", guest_at_place, ends_at_canonical_edge,
	  .finish = check_faults, .rings = { 1 }, .any_log = true,
	  .lacks = lacks_canonical_edge },
};

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));

	run_scenes(scenes, ARRAY_SIZE(scenes));
}
