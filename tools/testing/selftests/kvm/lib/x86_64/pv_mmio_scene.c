// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a scene with KVM_CAP_X86_PV_MMIO on and off, and compares.
 */
#include "pv_mmio_scene.h"

#define MAX_SCENE_EXITS	64

static bool has_five_levels;

void scene_log(struct scene_log *log, u64 val)
{
	if (log->nr < SCENE_LOG_SIZE)
		log->val[log->nr] = val;
	log->nr++;
}

void scene_set_bell(struct scene *s, int bell, u64 gpa, u32 len, u32 flags)
{
	ioeventfd_set(s->vm, s->bells[bell], gpa, len, flags, 0);
}

void scene_offer_other_ways(struct scene *s)
{
	vm_enable_cap(s->vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	vcpu_set_cpuid_feature(s->vcpu, X86_FEATURE_KVM_HC_MMIO_WRITE);
	scene_set_bell(s, 0, SCENE_PORT, 1, KVM_IOEVENTFD_FLAG_PIO);
}

void scene_put_code(struct scene *s, u64 offset, const char *code, size_t len)
{
	memcpy(s->code + offset, code, len);
}

void scene_tell_values(struct scene *s)
{
	static const u64 values[] = { SCENE_VALUE, SCENE_RBX };
	int i;

	scene_set_bell(s, 0, MMIO_GPA, 4, KVM_IOEVENTFD_FLAG_DEASSIGN);
	for (i = 0; i < NR_SCENE_BELLS; i++)
		ioeventfd_set(s->vm, s->bells[i], MMIO_GPA, 4, KVM_IOEVENTFD_FLAG_DATAMATCH,
			      values[i]);
}

u64 *scene_pte(struct scene *s, u64 gva, int level)
{
	return vm_pte(s->vm, gva, level);
}

bool scene_has_five_levels(void)
{
	return has_five_levels;
}

u64 scene_root(struct kvm_vm *vm, u64 gpa)
{
	u64 root;

	if (!has_five_levels)
		return gpa;

	root = vm_alloc_page_table(vm);
	*(u64 *)addr_gpa2hva(vm, root) = gpa | GPTE_PRESENT | GPTE_WRITABLE |
					 GPTE_USER;
	return root;
}

/*
 * Where KVM has five levels, the library may map with four or with five.  All that a
 * scene maps is in its first table of level 4, so that can be the root, or below one.
 */
static void use_levels(struct scene *s)
{
	u64 table = addr_hva2gpa(s->vm, vm_pte(s->vm, 0, PG_LEVEL_512G));
	struct kvm_sregs sregs;

	vcpu_sregs_get(s->vcpu, &sregs);
	sregs.cr3 = scene_root(s->vm, table);
	sregs.cr4 &= ~X86_CR4_LA57;
	if (has_five_levels)
		sregs.cr4 |= X86_CR4_LA57;
	vcpu_sregs_set(s->vcpu, &sregs);
}

void scene_connect_irq(struct scene *s)
{
	struct kvm_irqfd irqfd = { .fd = s->bells[0], .gsi = SCENE_GSI };
	struct kvm_irq_routing *routing = kvm_gsi_routing_create();

	routing->nr = 1;
	routing->entries[0] = (struct kvm_irq_routing_entry) {
		.gsi = SCENE_GSI,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = SCENE_VECTOR },
	};
	kvm_gsi_routing_write(s->vm, routing);
	vm_ioctl(s->vm, KVM_IRQFD, &irqfd);
}

static u64 scene_decodes(struct scene *s)
{
	return read_vcpu_stat(s->stats_fd, s->decodes_offset);
}

static void take_rings(struct scene *s)
{
	int i;

	for (i = 0; i < NR_SCENE_BELLS; i++)
		s->result.rings[i] = eventfd_take(s->bells[i]);
}

static void begin_scene(struct scene *s, const struct scene_case *c, bool feature_on)
{
	int i;

	memset(s, 0, sizeof(*s));
	s->feature_on = feature_on;
	s->vm = vm_create_with_one_vcpu(&s->vcpu, c->guest);
	use_levels(s);
	vm_enable_cap(s->vm, KVM_CAP_X86_PV_MMIO, feature_on);
	vm_userspace_mem_region_add(s->vm, VM_MEM_SRC_ANONYMOUS, SCENE_CODE_GPA, SCENE_CODE_SLOT,
				    SCENE_CODE_PAGES, 0);
	virt_map(s->vm, SCENE_CODE_GPA, SCENE_CODE_GPA, SCENE_CODE_PAGES);
	virt_map(s->vm, MMIO_GPA, MMIO_GPA, 2);
	s->code = addr_gpa2hva(s->vm, SCENE_CODE_GPA);
	SCENE_PUT_CODE(s, 0, "\x89\x02\xc3");
	s->stats_fd = vcpu_get_stats_fd(s->vcpu);
	s->decodes_offset = find_vcpu_stat(s->stats_fd, "insn_emulation");
	for (i = 0; i < NR_SCENE_BELLS; i++)
		s->bells[i] = eventfd_create();
	scene_set_bell(s, 0, MMIO_GPA, 4, 0);
	if (c->setup)
		c->setup(s);
}

static void end_scene(struct scene *s)
{
	int i;

	s->result.decodes = scene_decodes(s) - s->decodes_before;
	memcpy(&s->result.guest, addr_gva2hva(s->vm, (u64)&guest_scene_log),
	       sizeof(s->result.guest));
	take_rings(s);
	for (i = 0; i < NR_SCENE_BELLS; i++)
		close(s->bells[i]);
	close(s->stats_fd);
	kvm_vm_free(s->vm);
}

static void reach_stage(struct scene *s, const struct scene_case *c, u64 stage)
{
	if (stage == SCENE_KNOWN) {
		take_rings(s);
		case_expect(s->result.rings[0], NR_LEARNS + 1, "signals until it's known");
		if (s->feature_on)
			case_expect(scene_decodes(s) - s->decodes_before, c->is_never_known,
				    "decodes when known");
	}
	if (stage != SCENE_LEARNT && c->act)
		c->act(s, stage);
	if (stage <= SCENE_KNOWN)
		s->decodes_before = scene_decodes(s);
}

static void log_mmio(struct scene *s)
{
	struct kvm_run *run = s->vcpu->run;
	u64 data = 0;

	if (run->mmio.is_write)
		memcpy(&data, run->mmio.data, min_t(u32, run->mmio.len, sizeof(data)));
	else
		memset(run->mmio.data, LOADED_BYTE, sizeof(run->mmio.data));
	scene_log(&s->result.host, run->mmio.phys_addr);
	scene_log(&s->result.host, run->mmio.is_write << 8 | run->mmio.len);
	scene_log(&s->result.host, data);
}

/* Returns false at the end of the scene. */
static bool scene_step(struct scene *s, const struct scene_case *c)
{
	struct kvm_run *run = s->vcpu->run;
	int err = vcpu_run_bounded(s->vcpu);
	struct ucall uc;

	if (err) {
		case_fail("KVM_RUN must come back by itself, it ended with errno %d", err);
		return false;
	}
	if (run->exit_reason == KVM_EXIT_MMIO) {
		log_mmio(s);
		return true;
	}

	switch (get_ucall(s->vcpu, &uc)) {
	case UCALL_SYNC:
		reach_stage(s, c, uc.args[1]);
		return true;
	case UCALL_DONE:
		return false;
	case UCALL_ABORT:
		case_fail("the guest failed an assertion: %s", uc.buffer);
		return false;
	}
	scene_log(&s->result.host, run->exit_reason);
	return c->handle_exit && c->handle_exit(s);
}

static struct scene_result play(const struct scene_case *c, bool feature_on)
{
	struct scene s;
	int i;

	begin_scene(&s, c, feature_on);
	for (i = 0; i < MAX_SCENE_EXITS && scene_step(&s, c); i++)
		;
	if (i == MAX_SCENE_EXITS)
		case_fail("the guest must come to an end");
	if (c->finish)
		c->finish(&s);
	end_scene(&s);
	return s.result;
}

static void compare_log(const struct scene_log *got, const struct scene_log *expected,
			const char *what)
{
	int i;

	if (got->nr != expected->nr)
		case_fail("%s must have %lu entries, it has %lu", what, expected->nr, got->nr);
	for (i = 0; i < min_t(u64, got->nr, SCENE_LOG_SIZE); i++)
		if (got->val[i] != expected->val[i])
			case_fail("entry %d of %s must be %#lx, it is %#lx", i, what,
				  expected->val[i], got->val[i]);
}

static void compare_plays(const struct scene_result *on, const struct scene_result *off)
{
	int i;

	for (i = 0; i < NR_SCENE_BELLS; i++)
		case_expect(on->rings[i], off->rings[i], "signals, compared with the feature off");
	compare_log(&on->guest, &off->guest, "the guest's log, compared with the feature off");
	compare_log(&on->host, &off->host, "the VMM's log, compared with the feature off");
}

static bool run_scene(const struct scene_case *c)
{
	struct scene_result on, off;
	int i;

	case_begin(c->name);
	on = play(c, true);
	off = play(c, false);
	compare_plays(&on, &off);
	for (i = 0; i < NR_SCENE_BELLS && !c->any_rings; i++)
		case_expect(on.rings[i], c->rings[i], "signals");
	if (!c->any_log)
		compare_log(&on.guest, &c->log, "the guest's log");
	if ((c->only_tdp_tells || c->decodes) && !kvm_is_tdp_enabled())
		return case_passed();
	if (c->decode == DECODE_NEVER || c->decodes)
		case_expect(on.decodes, c->decodes, "decodes");
	if (c->decode == DECODE_ALWAYS && on.decodes < off.decodes)
		case_fail("all must be decoded, %lu of %lu were", on.decodes, off.decodes);
	return case_passed();
}

static void run_table(const struct scene_table *table, const char *suffix)
{
	const struct scene_case *c;
	const char *lacks;

	for (c = table->scenes; c < table->scenes + table->nr; c++) {
		lacks = c->lacks ? c->lacks() : NULL;
		if (lacks)
			ksft_test_result_skip("%s%s: %s\n", c->name, suffix, lacks);
		else
			ksft_test_result(run_scene(c), "%s%s\n", c->name, suffix);
	}
}

void run_scene_tables(const struct scene_table *const *tables, size_t nr)
{
	bool twice = kvm_cpu_has(X86_FEATURE_LA57);
	size_t i, scenes = 0;

	for (i = 0; i < nr; i++)
		scenes += tables[i]->nr;
	ksft_set_plan(scenes + (twice ? scenes : 0));

	for (i = 0; i < nr; i++)
		run_table(tables[i], "");
	has_five_levels = twice;
	for (i = 0; twice && i < nr; i++)
		run_table(tables[i], ", five levels");
	ksft_finished();
}
