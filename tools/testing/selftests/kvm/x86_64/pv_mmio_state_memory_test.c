// SPDX-License-Identifier: GPL-2.0-only
/*
 * Something else is at the address: RAM, the local APIC, a coalesced zone.
 */
#include "apic.h"
#include "pv_mmio_scene.h"

#define RAM_SLOT	11
#define ROM_VALUE	0x11111111
#define TPR_VALUE	0x20

static void guest_in_stages(void)
{
	u64 stage;

	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	for (stage = SCENE_STAGE; stage < SCENE_STAGE + 3; stage++) {
		guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
		GUEST_SYNC(stage);
	}
	GUEST_DONE();
}

static void far_bell(struct scene *s)
{
	scene_set_bell(s, 1, FAR_GPA, 4, 0);
}

/* Stores to the other doorbell make the place known again, with the new memslots. */
static void guest_other_bell_first(void)
{
	int i;

	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	for (i = 0; i < NR_LEARNS; i++)
		guest_store_popf(FAR_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	GUEST_SYNC(SCENE_STAGE);
	GUEST_DONE();
}

static void log_rings(struct scene *s)
{
	scene_log(&s->result.host, eventfd_take(s->bells[0]));
}

/* Adds RAM for two stores, and removes it for the next one. */
static void add_and_remove_ram(struct scene *s, u64 stage)
{
	static u32 *ram;

	log_rings(s);
	if (stage == SCENE_KNOWN) {
		vm_userspace_mem_region_add(s->vm, VM_MEM_SRC_ANONYMOUS, MMIO_GPA, RAM_SLOT, 1, 0);
		ram = addr_gpa2hva(s->vm, MMIO_GPA);
	} else if (stage == SCENE_STAGE) {
		case_expect(*ram, SCENE_VALUE, "RAM over the doorbell");
		*ram = 0;
	} else if (stage == SCENE_STAGE + 1) {
		case_expect(*ram, SCENE_VALUE, "RAM over the doorbell");
		vm_mem_region_delete(s->vm, RAM_SLOT);
	}
}

/* A store to a read-only memslot is MMIO, and leaves the memory alone. */
static void add_rom(struct scene *s, u64 stage)
{
	static u32 *rom;

	log_rings(s);
	if (stage == SCENE_KNOWN) {
		vm_userspace_mem_region_add(s->vm, VM_MEM_SRC_ANONYMOUS, MMIO_GPA, RAM_SLOT, 1,
					    KVM_MEM_READONLY);
		rom = addr_gpa2hva(s->vm, MMIO_GPA);
		*rom = ROM_VALUE;
	} else {
		case_expect(*rom, ROM_VALUE, "the read-only memslot");
	}
}

static void move_bell(struct scene *s, u64 stage)
{
	log_rings(s);
	if (stage == SCENE_KNOWN)
		scene_set_bell(s, 0, MMIO_GPA, 4, KVM_IOEVENTFD_FLAG_DEASSIGN);
	else if (stage == SCENE_STAGE)
		scene_set_bell(s, 1, MMIO_GPA, 4, 0);
	else if (stage == SCENE_STAGE + 1)
		scene_set_bell(s, 1, MMIO_GPA, 4, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void switch_feature(struct scene *s, u64 stage)
{
	log_rings(s);
	if (s->feature_on)
		vm_enable_cap(s->vm, KVM_CAP_X86_PV_MMIO, stage == SCENE_STAGE);
}

static void guest_lapic(void)
{
	xapic_enable();
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	guest_store_popf(APIC_DEFAULT_GPA + APIC_TASKPRI, TPR_VALUE, X86_EFLAGS_FIXED);
	guest_log(xapic_read_reg(APIC_TASKPRI));
	GUEST_DONE();
}

/* To keep CR8 in step, KVM writes it after an exit on AMD, which clears bits 3:0. */
static void guest_low_tpr(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	xapic_enable();
	xapic_write_reg(APIC_TASKPRI, TPR_VALUE | 0xf);
	guest_log(xapic_read_reg(APIC_TASKPRI) - (host_cpu_is_amd ? TPR_VALUE : TPR_VALUE | 0xf));
	GUEST_DONE();
}

static const char *lacks_cr8_sync(void)
{
	return host_cpu_is_amd && get_kvm_amd_param_bool("avic") ? "AVIC keeps TPR" : NULL;
}

static void map_lapic(struct scene *s)
{
	virt_pg_map(s->vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA);
	scene_set_bell(s, 1, APIC_DEFAULT_GPA + APIC_TASKPRI, 4, 0);
}

static void guest_far(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	guest_store_popf(FAR_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	guest_store_popf(FAR_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	GUEST_DONE();
}

static void register_zone(struct scene *s)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = FAR_GPA, .size = 8 };

	vm_ioctl(s->vm, KVM_REGISTER_COALESCED_MMIO, &zone);
}

static void zone_first(struct scene *s)
{
	register_zone(s);
	scene_set_bell(s, 1, FAR_GPA, 4, 0);
}

static void bell_first(struct scene *s)
{
	scene_set_bell(s, 1, FAR_GPA, 4, 0);
	register_zone(s);
}

static void zone_after_known(struct scene *s, u64 stage)
{
	register_zone(s);
}

/* Logs how many stores the zone got. */
static void log_zone(struct scene *s)
{
	struct kvm_coalesced_mmio_ring *ring;

	ring = (void *)s->vcpu->run + kvm_check_cap(KVM_CAP_COALESCED_MMIO) * PAGE_SIZE;
	scene_log(&s->result.host, ring->last);
	if (ring->last)
		scene_log(&s->result.host, *(u32 *)ring->coalesced_mmio[0].data);
}

static const struct scene_case scenes[] = {
	{ "memslot comes and goes", guest_in_stages, NULL, add_and_remove_ram },
	{ "memslot comes, store is known again", guest_other_bell_first, far_bell,
	  add_and_remove_ram, .rings = { 0, NR_LEARNS } },
	{ "read-only memslot comes", guest_in_stages, NULL, add_rom },
	{ "doorbell goes and comes", guest_in_stages, NULL, move_bell, .any_rings = true },
	{ "turned off, on, off", guest_in_stages, NULL, switch_feature },
	{ "local APIC is at the address", guest_lapic, map_lapic, SCENE_LOG(TPR_VALUE) },
	{ "lower half of TPR", guest_low_tpr, map_lapic, .lacks = lacks_cr8_sync, SCENE_LOG(0) },
	{ "coalesced zone is there first", guest_far, zone_first, .finish = log_zone,
	  .any_rings = true },
	{ "doorbell is there before the coalesced zone", guest_far, bell_first,
	  .finish = log_zone, .any_rings = true },
	{ "coalesced zone comes later", guest_far, far_bell, zone_after_known,
	  .finish = log_zone, .any_rings = true },
};

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));

	run_scenes(scenes, ARRAY_SIZE(scenes));
}
