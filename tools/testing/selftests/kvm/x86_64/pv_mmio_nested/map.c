// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 changes what it passes through to L2 after KVM knows a store.
 */
#include "nested.h"

#define PTE_GVA		0xd1000000ul	/* the page with L2's PTE of MMIO_GPA */
#define RAM_PAGE	(SCENE_CODE_GPA + 2 * PAGE_SIZE)

static u64 guest_pte_gva;

static void create(struct scene *s)
{
	l2_create(s->vm);
	scene_set_bell(s, 1, FAR_GPA, 4, 0);
}

static void set_mapping(u64 pte, bool flush)
{
	*l1_pte(MMIO_GPA) = pte;
	if (flush)
		l1_flush();
}

/* L2's store must exit to L1, and succeed when L1 has restored its rights. */
static void l1_take_away(u64 rights, bool flush)
{
	u64 pte = *l1_pte(MMIO_GPA);

	l1_begin(l2_store);
	set_mapping(pte & ~rights, flush);
	l1_log_exit();
	guest_log(l1_get_l2_rip());
	set_mapping(pte, true);
	l1_end();
}

static void guest_read_only(void)
{
	l1_take_away(L2_PTE_WRITABLE, true);
}

static void guest_read_only_no_flush(void)
{
	l1_take_away(L2_PTE_WRITABLE, false);
}

static void guest_unmapped(void)
{
	l1_take_away(L2_PTE_RIGHTS, true);
}

static void guest_unmapped_no_flush(void)
{
	l1_take_away(L2_PTE_RIGHTS, false);
}

/* L1 never gave L2 access to the device. */
static void guest_never_mapped(void)
{
	u64 pte = *l1_pte(MMIO_GPA);

	guest_learn(guest_store_code, SCENE_CODE_GPA);
	set_mapping(pte & ~L2_PTE_RIGHTS, false);
	l1_prepare(l2_store);
	l1_log_exit();
	GUEST_DONE();
}

/* To add a mapping takes no flush. */
static void guest_mapped_at_fault(void)
{
	u64 pte = *l1_pte(MMIO_GPA);

	guest_learn(guest_store_code, SCENE_CODE_GPA);
	set_mapping(pte & ~L2_PTE_RIGHTS, false);
	l1_prepare(l2_store_only);
	l1_log_exit();
	guest_log(l1_get_l2_rip());
	set_mapping(pte, false);
	l1_end();
}

static void l1_remap(u64 gpa, bool flush)
{
	l1_begin(l2_store);
	set_mapping(*l1_pte(MMIO_GPA) - MMIO_GPA + gpa, flush);
	l1_end();
}

static void guest_remap(void)
{
	l1_remap(FAR_GPA, true);
}

static void guest_remap_no_flush(void)
{
	l1_remap(FAR_GPA, false);
}

static void guest_remap_to_ram(void)
{
	l1_remap(RAM_PAGE, true);
}

/* L1 switches to other tables; those that KVM knows don't change. */
static void guest_other_tables(void)
{
	l1_begin(l2_store);
	l1_use_other_tables();
	set_mapping(*l1_pte(MMIO_GPA) - MMIO_GPA + FAR_GPA, true);
	l1_end();
}

static void log_ram(struct scene *s)
{
	scene_log(&s->result.host, *(u32 *)(s->code + RAM_PAGE - SCENE_CODE_GPA));
	case_expect(*(u32 *)(s->code + RAM_PAGE - SCENE_CODE_GPA), SCENE_VALUE, "the RAM");
}

/* L2 changes its own page tables itself, so that KVM sees it if it shadows them. */
static void l2_remap(void)
{
	u64 *pte = (u64 *)guest_pte_gva;

	guest_learn(guest_store_code, SCENE_CODE_GPA);
	WRITE_ONCE(*pte, *pte + FAR_GPA - MMIO_GPA);
	asm volatile("invlpg (%0)" : : "r"(MMIO_GPA) : "memory");
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA));
	GUEST_DONE();
}

static void guest_l2_remaps(void)
{
	l1_prepare(l2_remap);
	l1_end();
}

static void guest_l2_remaps_without_tdp(void)
{
	l1_use_tdp(false);
	guest_l2_remaps();
}

static void create_map_pte(struct scene *s)
{
	u64 *pte = scene_pte(s, MMIO_GPA, PG_LEVEL_4K);

	create(s);
	guest_pte_gva = PTE_GVA + (u64)pte % PAGE_SIZE;
	virt_pg_map(s->vm, PTE_GVA, addr_hva2gpa(s->vm, pte) & PAGE_MASK);
	sync_global_to_guest(s->vm, guest_pte_gva);
}

/* Then L2 stores to a device that KVM itself emulates. */
static void l2_other_device(void)
{
	int i;

	/* Of a store by L2, KVM also learns where it goes, so it has to learn this one. */
	for (i = 0; i < NR_LEARNS; i++)
		guest_store_code(FAR_GPA, SCENE_VALUE, SCENE_CODE_GPA);
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	guest_log(guest_store_code(FAR_GPA, SCENE_VALUE, SCENE_CODE_GPA));
	GUEST_DONE();
}

static void guest_vmm(void)
{
	l1_prepare(l2_other_device);
	l1_end();
}

static void guest_ioapic(void)
{
	*l1_pte(FAR_GPA) += IOAPIC_GPA - FAR_GPA;
	l1_prepare(l2_other_device);
	l1_end();
}

static void create_plain(struct scene *s)
{
	l2_create(s->vm);
}

static void check_ioapic(struct scene *s)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	vm_ioctl(s->vm, KVM_GET_IRQCHIP, &chip);
	case_expect(chip.chip.ioapic.ioregsel, (u8)SCENE_VALUE, "the I/O APIC's register");
}

/* L1 must see the same fault as with the feature off. */
static void check_fault(struct scene *s)
{
	struct scene_log *log = addr_gva2hva(s->vm, (u64)&guest_scene_log);

	case_expect(log->val[0], L2_TDP_FAULT, "L1's exit");
	case_expect(log->val[1], MMIO_GPA, "the address of the fault");
	if (log->nr > 3)
		case_expect(log->val[3], SCENE_CODE_GPA, "L2's RIP at the fault");
}

#define FAULTS		.finish = check_fault, .any_log = true, .lacks = l2_lacks
#define RINGS_FAR	.rings = { 0, 1 }, .lacks = l2_lacks, SCENE_LOG(SCENE_VALUE)

static const struct scene_case scenes[] = {
	{ "L1 write-protects the device", guest_read_only, create, .rings = { 1 }, FAULTS },
	{ "L1 write-protects the device without a flush", guest_read_only_no_flush, create,
	  .rings = { 1 }, FAULTS },
	{ "L1 takes the device away", guest_unmapped, create, .rings = { 1 }, FAULTS },
	{ "L1 takes the device away without a flush", guest_unmapped_no_flush, create,
	  .rings = { 1 }, FAULTS },
	{ "L1 keeps the device for itself", guest_never_mapped, create, FAULTS },
	{ "L1 maps the device at the fault, without a flush", guest_mapped_at_fault, create,
	  .rings = { 1 }, FAULTS },
	{ "L1 maps RAM in place of the device", guest_remap_to_ram, create, .finish = log_ram,
	  .lacks = l2_lacks, SCENE_LOG(SCENE_VALUE) },
	{ "L1 maps another device", guest_remap, create, RINGS_FAR },
	{ "L1 maps another device without a flush", guest_remap_no_flush, create, RINGS_FAR },
	{ "L1 switches to tables with another device", guest_other_tables, create, RINGS_FAR },
	{ "from L2 to the VMM", guest_vmm, create_plain, .decode = DECODE_NEVER,
	  .lacks = l2_lacks_cpu, SCENE_LOG(SCENE_VALUE) },
	{ "from L2 to a device in the kernel", guest_ioapic, create_plain, .finish = check_ioapic,
	  .decode = DECODE_NEVER, .lacks = l2_lacks, SCENE_LOG(SCENE_VALUE) },
	{ "L2 maps another device", guest_l2_remaps, create_map_pte, RINGS_FAR },
	{ "L2 maps another device, L1 without nested paging", guest_l2_remaps_without_tdp,
	  create_map_pte, .rings = { 0, 1 }, .lacks = l2_lacks_cpu, SCENE_LOG(SCENE_VALUE) },
};

const struct scene_table nested_map_scenes = { scenes, ARRAY_SIZE(scenes) };
