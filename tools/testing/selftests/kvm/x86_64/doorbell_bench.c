// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one doorbell costs the guest: the TSC before and after one access.
 * Prints one JSON object per figure on stdout and nothing else.
 */
#include "doorbell/cases.h"
#include "doorbell/pmu.h"
#include "pv_mmio_l2.h"

static void set_access(struct bench_vm *b, const struct bench_case *c)
{
	const struct bench_access *a = c->access;

	if (!a)
		a = host_cpu_is_amd ? &access_vmmcall : &access_vmcall;
	bench_vm_place(b, a->start, a->end);
	bench_guest.rewrites_at = a->rewritten ? a->rewritten - a->start : 0;
	bench_guest.regs = c->regs;
	if (c->addr_in == ADDR_RBX)
		bench_guest.regs.rbx = b->addr;
	else if (c->addr_in == ADDR_RDX)
		bench_guest.regs.rdx = b->addr;
	bench_guest.nr_accesses = b->nr_accesses;
	bench_guest.stops_every = bench_stops_every(c);
}

static void set_guest(struct bench_vm *b, const struct bench_case *c)
{
	struct kvm_regs regs = b->start;

	regs.rip = (u64)(c->in_l2 ? guest_ring_in_l2 : guest_ring);
	vcpu_regs_set(b->vcpu, &regs);
	set_access(b, c);
	sync_global_to_guest(b->vm, bench_guest);
}

static void set_vm(struct bench_vm *b, const struct bench_case *c)
{
	if (kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE))
		vm_enable_cap(b->vm, KVM_CAP_X86_HC_MMIO_WRITE, c->needs_hc_mmio_write);
	if (kvm_has_cap(KVM_CAP_X86_PV_MMIO))
		vm_enable_cap(b->vm, KVM_CAP_X86_PV_MMIO, !c->turned_off);
	if (c->zone)
		kvm_vm_register_coalesced_io(b->vm, bench_guest.regs.rdx, sizeof(u16),
					     c->zone == PORT_ZONE);
}

static void unset_vm(struct bench_vm *b, const struct bench_case *c)
{
	if (c->zone)
		kvm_vm_unregister_coalesced_io(b->vm, bench_guest.regs.rdx, sizeof(u16),
					       c->zone == PORT_ZONE);
}

static void check_count(const struct bench_case *c, const char *what, u64 got, u64 expected)
{
	TEST_ASSERT(got == expected, "%s must %s %lu times, it did %lu times", c->name, what,
		    expected, got);
}

/* The vCPU is still in the mode of its last access. */
static void check_mode(struct bench_vm *b, const struct bench_case *c)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(b->vcpu, &sregs);
	TEST_ASSERT(!c->at_cpl3 || (sregs.cs.selector & 3) == 3, "%s must run at CPL 3", c->name);
	TEST_ASSERT(b->shape.spaces == 1 || sregs.cr3 == bench_vm_last_cr3(b),
		    "%s must end in the last address space in turn, CR3 is 0x%llx", c->name,
		    sregs.cr3);
	TEST_ASSERT(!options.pcid || sregs.cr4 & X86_CR4_PCIDE, "%s must run with PCIDs", c->name);
}

/* If the accesses didn't do what the case says, there must be no figure. */
static void check_guest(struct bench_vm *b, const struct bench_case *c, u64 nr_vm_exits)
{
	u64 n = b->nr_accesses;

	check_count(c, "signal its eventfd", b->nr_signals + eventfd_take(b->doorbell),
		    bench_signals(c) ? n : 0);
	check_count(c, "signal others' eventfds", eventfd_take(b->bystanders), 0);
	check_count(c, "exit to the VMM", b->nr_exits, c->exits == EXITS_NEVER ? 0 : n);
	check_count(c, "go to the ring", b->nr_coalesced, c->zone ? n : 0);
	sync_global_from_guest(b->vm, guest_nr_rewrites);
	check_count(c, "be rewritten", guest_nr_rewrites, bench_guest.rewrites_at ? n : 0);
	check_mode(b, c);
	sync_global_from_guest(b->vm, guest_result);
	TEST_ASSERT(!c->checks_result || (s64)guest_result == c->result,
		    "%s must return %ld, it returned %ld", c->name, (long)c->result,
		    (long)guest_result);
	TEST_ASSERT(!c->arrived || (c->arrived(b) && nr_vm_exits >= n),
		    "%s must reach KVM's device %lu times, there were %lu exits", c->name, n,
		    nr_vm_exits);
}

static int compare_ticks(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static void print_figure(struct bench_vm *b, const char *name, const char *suffix, u32 *ticks)
{
	const struct bench_shape *s = &b->shape;
	u32 *samples = ticks + b->nr_warmup;

	qsort(samples, b->nr_samples, sizeof(*samples), compare_ticks);
	fprintf(json, "{\"case\": \"%s%s\", \"ioeventfds\": %u, ", name, suffix, s->count);
	fprintf(json, "\"layout\": \"%s\", ", layout_names[s->layout]);
	fprintf(json, "\"address_spaces\": %u, \"pcid\": %s, \"places\": %u, ", s->spaces,
		options.pcid ? "true" : "false", s->places);
	fprintf(json, "\"min\": %u, \"median\": %u, ", samples[0], samples[b->nr_samples / 2]);
	fprintf(json, "\"p99\": %u, ", samples[b->nr_samples * 99 / 100]);
	/* With a listener the guest stops at each access, which would be counted, too. */
	if (!options.listener)
		pmu_print(json, b->nr_accesses);
	fprintf(json, "\"samples\": %lu, \"unit\": \"%s\"}\n", b->nr_samples, options.unit);
}

static void run_case(struct bench_vm *b, const struct bench_case *c)
{
	u64 nr_vm_exits;

	set_guest(b, c);
	set_vm(b, c);
	bench_post_start(b, c);
	nr_vm_exits = bench_vm_count_exits(b);
	pmu_start();
	bench_vm_run(b, c);
	pmu_stop();
	check_guest(b, c, bench_vm_count_exits(b) - nr_vm_exits);
	bench_post_stop(b, c);
	unset_vm(b, c);
	sync_global_from_guest(b->vm, guest_cycles);
	print_figure(b, c->name, options.listener ? "_listener" : "", guest_cycles);
	if (options.listener) {
		print_figure(b, c->name, "_wake", b->listener.ticks);
		doorbell_listener_stop(&b->listener);
	}
}

/* The vCPU stays in L2 or at CPL 3, so the next case needs a new VM. */
static void run_case_and_vm(struct bench_vm *b, const struct bench_case *c)
{
	if (c->in_l2)
		l2_create(b->vm);
	else
		bench_vm_enter_user_mode(b);
	run_case(b, c);
	bench_vm_free(b);
}

/* Do options ask for PCIDs, or for several address spaces or places? */
static bool guest_moves(void)
{
	return options.pcid || options.nr_spaces > 1 || options.spaces[0] > 1 ||
	       options.nr_places > 1 || options.places[0] > 1;
}

static const char *why_skip(const struct bench_case *c)
{
	if (c->posts && c->posts != POSTS_BY_VMM && !kvm_has_cap(KVM_CAP_IOEVENTFD_POST))
		return "KVM_CAP_IOEVENTFD_POST is not offered";
	if (c->needs_hc_mmio_write && !kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE))
		return "KVM_CAP_X86_HC_MMIO_WRITE is not offered";
	if (c->zone == MMIO_ZONE && !kvm_has_cap(KVM_CAP_COALESCED_MMIO))
		return "KVM_CAP_COALESCED_MMIO is not offered";
	if (c->zone == PORT_ZONE && !kvm_has_cap(KVM_CAP_COALESCED_PIO))
		return "KVM_CAP_COALESCED_PIO is not offered";
	if (options.pcid && !kvm_cpu_has(X86_FEATURE_PCID))
		return "the CPU has no PCID";
	if ((c->in_l2 || c->at_cpl3) && guest_moves())
		return "it stays in one address space, at one place";

	return c->in_l2 ? l2_lacks() : NULL;
}

/* With a listener, only cases that do nothing but signal it make sense. */
static bool is_wanted(int i, enum bus bus)
{
	return (options.selected & BIT_ULL(i)) && cases[i].bus == bus &&
	       !(options.listener && (bus == NO_DOORBELL || cases[i].exits ||
				       !bench_signals(&cases[i])));
}

/* Registering many takes long, so do it once for all cases with the same bus. */
static void run_cases(const struct bench_shape *shape)
{
	struct bench_vm b = {};
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!is_wanted(i, shape->bus) || why_skip(&cases[i]))
			continue;
		if (!b.vm)
			bench_vm_create(&b, shape);
		if (cases[i].in_l2 || cases[i].at_cpl3)
			run_case_and_vm(&b, &cases[i]);
		else
			run_case(&b, &cases[i]);
	}
	if (b.vm)
		bench_vm_free(&b);
}

static void run_layouts(struct bench_shape *s)
{
	for (s->layout = 0; s->layout < NR_LAYOUTS; s->layout++) {
		for (s->bus = NO_DOORBELL; s->bus < NR_BUSES; s->bus++) {
			if ((options.layouts & BIT(s->layout)) &&
			    bench_layout_holds(s->bus, s->layout, s->count))
				run_cases(s);
		}
	}
}

/* One of the two lists is just { 1 }: bench_parse() refuses both options together. */
static void run_rounds(struct bench_shape *s)
{
	int i, j;

	for (i = 0; i < options.nr_spaces; i++) {
		for (j = 0; j < options.nr_places; j++) {
			s->spaces = options.spaces[i];
			s->places = options.places[j];
			run_layouts(s);
		}
	}
}

static const char *case_name(int i)
{
	return cases[i].name;
}

int main(int argc, char **argv)
{
	static const struct bench_program program = {
		.name = "doorbell_bench",
		.options = "hu:s:n:l:wC:a:ip:c:",
		.case_name = case_name,
		.nr_cases = ARRAY_SIZE(cases),
	};
	struct bench_shape shape = {};
	int i;

	bench_parse(&program, argc, argv);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (is_wanted(i, cases[i].bus) && why_skip(&cases[i]))
			fprintf(json, "{\"case\": \"%s\", \"skipped\": \"%s\"}\n", cases[i].name,
				why_skip(&cases[i]));
	}
	for (i = 0; i < options.nr_counts; i++) {
		shape.count = options.counts[i];
		run_rounds(&shape);
	}
	return 0;
}
