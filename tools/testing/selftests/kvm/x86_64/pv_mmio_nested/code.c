// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2's store, and other code at the place of a known store.
 */
#include "nested.h"

/* There, KVM's hash of the address is that of the store's, so that it has to look. */
#define LOAD_OFFSET	0x120

void l2_store(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	l2_call(0, 0, 0, 0, 0);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA));
	GUEST_DONE();
}

void l2_store_only(void)
{
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA));
	GUEST_DONE();
}

void l1_begin(void (*code)(void))
{
	struct l2_exit exit;

	l1_prepare(code);
	exit = l1_run();
	GUEST_ASSERT(exit.reason == L2_CALLED);
	l1_skip(HYPERCALL_INSN_LEN);
}

struct l2_exit l1_log_exit(void)
{
	struct l2_exit exit = l1_run();

	guest_log(exit.reason);
	if (exit.reason == L2_TDP_FAULT) {
		guest_log(exit.gpa);
		guest_log(exit.info);
	}
	return exit;
}

void l1_end(void)
{
	l1_log_exit();
	GUEST_DONE();
}

/* Makes the page dirty before L2 runs, as KVM would see that as a change by itself. */
static void l1_touch_code(void)
{
	WRITE_ONCE(*(u16 *)SCENE_CODE_GPA, READ_ONCE(*(u16 *)SCENE_CODE_GPA));
}

static void guest_load(void)
{
	l1_touch_code();
	l1_begin(l2_store);
	WRITE_ONCE(*(u16 *)SCENE_CODE_GPA, 0x028b);
	l1_end();
}

/* A load at another place than the store. */
static void l2_load_elsewhere(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA + LOAD_OFFSET));
	GUEST_DONE();
}

static void guest_load_elsewhere(void)
{
	l1_prepare(l2_load_elsewhere);
	l1_end();
}

static void guest_store_rbx(void)
{
	l1_touch_code();
	l1_begin(l2_store);
	WRITE_ONCE(*(u16 *)SCENE_CODE_GPA, 0x1a89);
	l1_end();
}

/* L1 gives L2 another page of code. */
static void guest_other_page(void)
{
	l1_begin(l2_store);
	*l1_pte(SCENE_CODE_GPA) += PAGE_SIZE;
	l1_flush();
	l1_end();
}

/* KVM knows L1's store, and L2 has other code at the same RIP with the same CR3. */
static void guest_l1_knows(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	*l1_pte(SCENE_CODE_GPA) += PAGE_SIZE;
	l1_prepare(l2_store_only);
	l1_end();
}

/* The other way round: L2's store is in the second page. */
static void guest_l2_knows(void)
{
	*l1_pte(SCENE_CODE_GPA) += PAGE_SIZE;
	l1_begin(l2_store);
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA));
	GUEST_DONE();
}

/* L2 executes the known store at CPL 3, then calls L1. */
static void guest_user(void)
{
	l1_begin(l2_store);
	memcpy((void *)(SCENE_CODE_GPA + L2_STORE_LEN), l2_call_insn(), HYPERCALL_INSN_LEN);
	l2_gprs.rax = SCENE_VALUE;
	l2_gprs.rdx = MMIO_GPA;
	l1_set_l2_user();
	l1_set_l2_rip(SCENE_CODE_GPA);
	l1_flush();
	l1_end();
}

/* L1 doesn't run in between: KVM may have to decode to skip its vmrun. */
static void l2_store_alone(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	l2_store_only();
}

static void guest_plain(void)
{
	l1_prepare(l2_store_alone);
	l1_end();
}

/* KVM notices the new memslots at another place first. */
static void l2_other_place_first(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	l2_store_only();
}

static void guest_other_place_first(void)
{
	l1_prepare(l2_other_place_first);
	l1_end();
}

/* Without nested paging, L2's page tables contain L1's guest-physical addresses. */
static void guest_without_tdp(void)
{
	l1_use_tdp(false);
	guest_plain();
}

static void guest_l2_switches_cr3(void)
{
	l1_prepare(guest_switch_cr3);
	l1_end();
}

static void guest_l2_smap(void)
{
	l1_prepare(guest_store_smap);
	l1_end();
}

static void l2_match(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	guest_store_code(MMIO_GPA, SCENE_RBX, SCENE_CODE_GPA);
	guest_store_code(MMIO_GPA, SCENE_VALUE + 1, SCENE_CODE_GPA);
	guest_store_code(FAR_GPA, SCENE_VALUE, SCENE_CODE_GPA);
	guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA);
	GUEST_DONE();
}

static void guest_match(void)
{
	l1_prepare(l2_match);
	l1_end();
}

static void create(struct scene *s)
{
	l2_create(s->vm);
}

static void create_load(struct scene *s)
{
	create(s);
	SCENE_PUT_CODE(s, LOAD_OFFSET, "\x8b\x02\xc3");
}

/* A load is no store that KVM has declined. */
static void log_declined(struct scene *s)
{
	off_t offset = find_vcpu_stat(s->stats_fd, "pv_mmio_declined_code");

	scene_log(&s->result.host, read_vcpu_stat(s->stats_fd, offset));
}

static void create_two_pages(struct scene *s)
{
	create(s);
	scene_tell_values(s);
	SCENE_PUT_CODE(s, PAGE_SIZE, STORE_RBX_RET);
}

static void create_two_pages_swapped(struct scene *s)
{
	create_two_pages(s);
	SCENE_PUT_CODE(s, 0, STORE_RBX_RET);
	SCENE_PUT_CODE(s, PAGE_SIZE, "\x89\x02\xc3");
}

static void create_other_tables(struct scene *s)
{
	create(s);
	make_other_tables(s);
}

static void create_user_page(struct scene *s)
{
	create(s);
	make_user_page(s);
}

static const char *l2_lacks_smap(void)
{
	return l2_lacks_cpu() ?: lacks_smap();
}

static void create_tell_values(struct scene *s)
{
	create(s);
	scene_tell_values(s);
}

static void allow_user(struct scene *s, u64 stage)
{
	static const u64 pages[] = { SCENE_CODE_GPA, MMIO_GPA };
	int i, level;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		for (level = PG_LEVEL_512G; level >= PG_LEVEL_4K; level--)
			*scene_pte(s, pages[i], level) |= GPTE_USER;
}

/* Moves to a new VM, with the memory of the old one, while L2 runs. */
static void move(struct scene *s, u64 stage)
{
	struct kvm_x86_state *state;

	vcpu_run_complete_io(s->vcpu);
	state = vcpu_save_state(s->vcpu);
	close(s->stats_fd);
	kvm_vm_release(s->vm);
	s->vcpu = vm_recreate_with_one_vcpu(s->vm);
	s->stats_fd = vcpu_get_stats_fd(s->vcpu);
	vm_enable_cap(s->vm, KVM_CAP_X86_PV_MMIO, s->feature_on);
	scene_set_bell(s, 0, MMIO_GPA, 4, 0);
	vcpu_load_state(s->vcpu, state);
	kvm_x86_state_cleanup(state);
}

#define RINGS_AS_KNOWN	.decode = DECODE_NEVER, .rings = { 1 }, SCENE_LOG(SCENE_VALUE)

static const struct scene_case scenes[] = {
	{ "a load where L2's store was", guest_load, create, SCENE_LOG(0xa5a5a5a5),
	  .decode = DECODE_ALWAYS, .lacks = l2_lacks_cpu },
	{ "a load of L2 with the registers of its store", guest_load_elsewhere, create_load,
	  .decode = DECODE_ALWAYS, .lacks = l2_lacks_cpu, .finish = log_declined,
	  SCENE_LOG(0xa5a5a5a5) },
	{ "another store where L2's was", guest_store_rbx, create_tell_values, .rings = { 0, 1 },
	  .decode = DECODE_ALWAYS, .lacks = l2_lacks_cpu, SCENE_LOG(SCENE_VALUE) },
	{ "another page of code where L2's store was", guest_other_page, create_two_pages,
	  .rings = { 0, 1 }, .decode = DECODE_ALWAYS, .lacks = l2_lacks, SCENE_LOG(SCENE_VALUE) },
	{ "another store of L2 where L1's is", guest_l1_knows, create_two_pages,
	  .rings = { 0, 1 }, .decode = DECODE_ALWAYS, .lacks = l2_lacks, SCENE_LOG(SCENE_VALUE) },
	{ "another store of L1 where L2's is", guest_l2_knows, create_two_pages_swapped,
	  .rings = { 0, 1 }, .decode = DECODE_ALWAYS, .lacks = l2_lacks, SCENE_LOG(SCENE_VALUE) },
	{ "L2 switches to page tables with other code", guest_l2_switches_cr3,
	  create_other_tables, .rings = { 1, SCENE_OTHER_ROOTS }, .lacks = l2_lacks_cpu,
	  SCENE_LOG(SCENE_VALUE) },
	{ "L2's page is the user's, SMAP", guest_l2_smap, create_user_page,
	  .lacks = l2_lacks_smap, .rings = { 1 }, SMAP_LOG },
	{ "L2 at CPL 3", guest_user, create, allow_user, .rings = { 1 },
	  .decode = DECODE_ALWAYS, .lacks = l2_lacks, SCENE_LOG(L2_CALLED) },
	{ "from L2", guest_plain, create, RINGS_AS_KNOWN, .lacks = l2_lacks_cpu },
	{ "VMM moves the memslot of L2's code", guest_plain, create_tell_values, vmm_moves_code,
	  .rings = { 0, 1 }, .decode = DECODE_ALWAYS, .lacks = l2_lacks_cpu,
	  SCENE_LOG(SCENE_VALUE) },
	{ "VMM moves the memslot of L2's code, another place is first", guest_other_place_first,
	  create_tell_values, vmm_moves_code, .rings = { 2, 1 }, .decode = DECODE_EITHER,
	  .lacks = l2_lacks_cpu, SCENE_LOG(SCENE_VALUE) },
	{ "from L2, L1 without nested paging", guest_without_tdp, create, RINGS_AS_KNOWN,
	  .lacks = l2_lacks_cpu },
	{ "from L2, DATAMATCH hit and miss", guest_match, create_tell_values,
	  .decode = DECODE_EITHER, .rings = { 1, 1 }, .lacks = l2_lacks_cpu },
	{ "from L2, moved to another VM in between", guest_plain, create, move,
	  .rings = { 1 }, SCENE_LOG(SCENE_VALUE), .lacks = l2_lacks_cpu },
};

const struct scene_table nested_code_scenes = { scenes, ARRAY_SIZE(scenes) };
