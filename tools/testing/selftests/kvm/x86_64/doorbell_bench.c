// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one doorbell costs the guest: the TSC before and after one access.
 * Prints one JSON object per figure on stdout and nothing else.
 */
#include "doorbell_bench_cases.h"
#include "doorbell_listener.h"

struct bench_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_regs start;
	enum bus bus;
	enum layout layout;
	u32 count;
	u64 addr;		/* of the access under test */
	int doorbell, bystanders;
	u64 nr_accesses, nr_exits, nr_signals;
	struct doorbell_listener listener;
};

/* The last one registered is the doorbell, or all are bystanders. */
static void register_ioeventfds(struct bench_vm *b)
{
	bool rings = b->bus != NO_DOORBELL;
	u32 i;

	for (i = 0; i < b->count - rings; i++)
		bench_ioeventfd(b->vm, b->bus, b->bystanders, bench_addr(b->bus, b->layout, i),
				bench_other_value(b->layout, i), 0);
	b->addr = bench_addr(b->bus, rings ? b->layout : SPREAD, i);
	if (rings)
		bench_ioeventfd(b->vm, b->bus, b->doorbell, b->addr, VALUE, 0);
	if (b->bus != PORT)
		virt_pg_map(b->vm, b->addr, b->addr);
}

/* So that the listener can take the guest's time for its own. */
static void share_tsc(struct kvm_vcpu *vcpu)
{
	u64 offset = 0;

	vcpu_device_attr_set(vcpu, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset);
}

static void bench_vm_create(struct bench_vm *b)
{
	b->vm = vm_create_with_one_vcpu(&b->vcpu, NULL);
	vcpu_regs_get(b->vcpu, &b->start);
	if (options.listener)
		share_tsc(b->vcpu);
	b->doorbell = eventfd_create();
	b->bystanders = eventfd_create();
	b->nr_accesses = NR_WARMUP + options.samples;
	register_ioeventfds(b);
}

static void bench_vm_free(struct bench_vm *b)
{
	close(b->doorbell);
	close(b->bystanders);
	kvm_vm_free(b->vm);
}

static void set_guest(struct bench_vm *b, const struct bench_case *c)
{
	void (*hypercall)(void) = host_cpu_is_amd ? guest_vmmcall : guest_vmcall;
	struct kvm_regs regs = b->start;

	regs.rip = (u64)(c->guest ?: hypercall);
	vcpu_regs_set(b->vcpu, &regs);
	guest_regs = c->regs;
	if (c->addr_in == ADDR_RBX)
		guest_regs.rbx = b->addr;
	else if (c->addr_in == ADDR_RDX)
		guest_regs.rdx = b->addr;
	guest_nr_accesses = b->nr_accesses;
	guest_listener = options.listener;
	sync_global_to_guest(b->vm, guest_regs);
	sync_global_to_guest(b->vm, guest_nr_accesses);
	sync_global_to_guest(b->vm, guest_listener);
	b->nr_exits = 0;
	b->nr_signals = 0;
	if (kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE))
		vm_enable_cap(b->vm, KVM_CAP_X86_HC_MMIO_WRITE, c->needs_hc_mmio_write);
}

static bool is_expected_exit(struct bench_vm *b)
{
	struct kvm_run *run = b->vcpu->run;
	u16 value;

	memcpy(&value, run->mmio.data, sizeof(value));
	return run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write && run->mmio.len == 2 &&
	       run->mmio.phys_addr == b->addr && value == VALUE;
}

static void run_guest(struct bench_vm *b, const struct bench_case *c)
{
	int err;

	/* Nothing but KVM_RUN in the loop: it is part of what is measured. */
	run_limit_start();
	while (!(err = __vcpu_run(b->vcpu)) && is_expected_exit(b)) {
		b->nr_exits++;
		TEST_ASSERT(c->to_userspace && b->nr_exits <= b->nr_accesses,
			    "%s must not exit to the VMM %lu times", c->name, b->nr_exits);
	}
	TEST_ASSERT(!err, "%s must come to its end, KVM_RUN ended with errno %d", c->name, errno);
	run_limit_stop();
	TEST_ASSERT(get_ucall(b->vcpu, NULL) == UCALL_DONE,
		    "%s must come to its end, it left with exit %u (%s)", c->name,
		    b->vcpu->run->exit_reason, exit_reason_str(b->vcpu->run->exit_reason));
}

/* The guest stops behind each doorbell, until the listener sleeps again. */
static void run_guest_with_listener(struct bench_vm *b, const struct bench_case *c)
{
	struct doorbell_listener *l = &b->listener;
	u64 i;

	doorbell_listener_start(l, b->doorbell, addr_gva2hva(b->vm, (u64)guest_rang_at),
				b->nr_accesses);
	for (i = 1; i <= b->nr_accesses; i++) {
		TEST_ASSERT(!vcpu_run_bounded(b->vcpu) &&
			    get_ucall(b->vcpu, NULL) == UCALL_SYNC,
			    "%s must ring and then stop, it left with exit %u (%s)", c->name,
			    b->vcpu->run->exit_reason, exit_reason_str(b->vcpu->run->exit_reason));
		doorbell_listener_settle(l, i);
	}
	b->nr_signals = l->nr_wakes;
	run_guest(b, c);
}

/* A figure of something that was no doorbell must not be printed. */
static void check_guest(struct bench_vm *b, const struct bench_case *c)
{
	u64 rings = c->bus == NO_DOORBELL ? 0 : b->nr_accesses;
	u64 exits = c->to_userspace ? b->nr_accesses : 0;
	u64 got = b->nr_signals + eventfd_take(b->doorbell);
	u64 others = eventfd_take(b->bystanders);

	TEST_ASSERT(got == rings, "%s must signal its eventfd %lu times, it did %lu times",
		    c->name, rings, got);
	TEST_ASSERT(!others, "%s must not signal others' eventfds, it did %lu times",
		    c->name, others);
	TEST_ASSERT(b->nr_exits == exits, "%s must exit to the VMM %lu times, it did %lu times",
		    c->name, exits, b->nr_exits);
	sync_global_from_guest(b->vm, guest_result);
	TEST_ASSERT(!c->checks_result || (s64)guest_result == c->result,
		    "%s must return %ld, it returned %ld", c->name, (long)c->result,
		    (long)guest_result);
}

static int compare_ticks(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static void print_figure(struct bench_vm *b, const char *name, const char *suffix, u32 *ticks)
{
	u32 *samples = ticks + NR_WARMUP;

	qsort(samples, options.samples, sizeof(*samples), compare_ticks);
	fprintf(json, "{\"case\": \"%s%s\", \"ioeventfds\": %u, ", name, suffix, b->count);
	fprintf(json, "\"layout\": \"%s\", ", layout_names[b->layout]);
	fprintf(json, "\"min\": %u, \"median\": %u, ", samples[0], samples[options.samples / 2]);
	fprintf(json, "\"samples\": %u, \"unit\": \"%s\"}\n", options.samples, options.unit);
}

static void run_case(struct bench_vm *b, const struct bench_case *c)
{
	set_guest(b, c);
	if (options.listener)
		run_guest_with_listener(b, c);
	else
		run_guest(b, c);
	check_guest(b, c);
	sync_global_from_guest(b->vm, guest_cycles);
	print_figure(b, c->name, options.listener ? "_listener" : "", guest_cycles);
	if (options.listener) {
		print_figure(b, c->name, "_wake", b->listener.ticks);
		doorbell_listener_stop(&b->listener);
	}
}

/* The vCPU stays in L2: leave it there, and come with the next one. */
static void run_in_l2(struct bench_vm *b, const struct bench_case *c)
{
	l2_create(b->vm);
	run_case(b, c);
	bench_vm_free(b);
	b->vm = NULL;
}

static const char *why_skip(const struct bench_case *c)
{
	if (c->needs_hc_mmio_write && !kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE))
		return "KVM_CAP_X86_HC_MMIO_WRITE is not offered";

	return c->in_l2 ? l2_lacks() : NULL;
}

static bool is_wanted(int i, enum bus bus)
{
	return (options.selected & BIT_ULL(i)) && cases[i].bus == bus &&
	       (bus != NO_DOORBELL || !options.listener);
}

/* Many take long to register: do it once for all cases that ring alike. */
static void run_cases(enum bus bus, u32 count, enum layout layout)
{
	struct bench_vm b = { .bus = bus, .count = count, .layout = layout };
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!is_wanted(i, bus) || why_skip(&cases[i]))
			continue;
		if (!b.vm)
			bench_vm_create(&b);
		if (cases[i].in_l2)
			run_in_l2(&b, &cases[i]);
		else
			run_case(&b, &cases[i]);
	}
	if (b.vm)
		bench_vm_free(&b);
}

static void run_layouts(u32 count)
{
	enum layout layout;
	enum bus bus;

	for (layout = 0; layout < NR_LAYOUTS; layout++) {
		for (bus = NO_DOORBELL; bus < NR_BUSES; bus++) {
			if ((options.layouts & BIT(layout)) &&
			    bench_layout_holds(bus, layout, count))
				run_cases(bus, count, layout);
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
		.options = "hu:s:n:l:wc:",
		.case_name = case_name,
		.nr_cases = ARRAY_SIZE(cases),
	};
	int i;

	bench_parse(&program, argc, argv);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (is_wanted(i, cases[i].bus) && why_skip(&cases[i]))
			fprintf(json, "{\"case\": \"%s\", \"skipped\": \"%s\"}\n", cases[i].name,
				why_skip(&cases[i]));
	}
	for (i = 0; i < options.nr_counts; i++)
		run_layouts(options.counts[i]);
	return 0;
}
