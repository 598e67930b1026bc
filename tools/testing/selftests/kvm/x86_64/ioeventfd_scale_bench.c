// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs a VMM to register many ioeventfds, and to remove them, one by
 * one and, where KVM takes arrays, all at once; and the same for zones of
 * coalesced MMIO, whose ranges KVM looks up beside them.  Then, how long a VM's
 * first vCPU takes after ioeventfds were registered: it changes memslots, which
 * waits for what registration may have left to be done.
 * Prints one JSON object per figure on stdout and nothing else.
 */
#include <pthread.h>

#include "bench.h"

#define NR_RINGERS		2
#define RINGS_PER_ROUND		256
/* The time limit, should anything hang. */
#define CASE_SECONDS		300
/* An address where no layout has ioeventfds. */
#define RINGERS_GPA		0xc8000000ul
#define ZONE_SIZE		256
#define ZONE_OFFSET		2048

static const struct scale_case {
	const char *name;
	enum bus bus;
} cases[] = {
	{ "pio", PORT },
	{ "mmio", MMIO },
	{ "mmio_wildcard", MMIO_ANY_LENGTH },
	{ "zone", NO_DOORBELL },
	{ "first_vcpu", NO_DOORBELL },
};

static bool is_first_vcpu(const struct scale_case *c)
{
	return c == &cases[ARRAY_SIZE(cases) - 1];
}

struct ringer {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	bool stop;
	u64 rounds;
};

struct scale_vm {
	struct kvm_vm *vm;
	struct ringer ringers[NR_RINGERS];
	int fd, ringers_fd;
};

static void guest_main(void)
{
	int i;

	for (;;) {
		for (i = 0; i < RINGS_PER_ROUND; i++)
			guest_pv_store_2(RINGERS_GPA, VALUE);
		GUEST_SYNC(0);
	}
}

static void *run_ringer(void *arg)
{
	struct ringer *r = arg;

	while (!READ_ONCE(r->stop)) {
		vcpu_run(r->vcpu);
		TEST_ASSERT(get_ucall(r->vcpu, NULL) == UCALL_SYNC,
			    "a vCPU must only ring, it left with exit %u (%s)",
			    r->vcpu->run->exit_reason, exit_reason_str(r->vcpu->run->exit_reason));
		WRITE_ONCE(r->rounds, r->rounds + 1);
	}
	return NULL;
}

static void scale_vm_create(struct scale_vm *s)
{
	struct kvm_vcpu *vcpus[NR_RINGERS];
	int i;

	memset(s, 0, sizeof(*s));
	s->vm = vm_create_with_vcpus(NR_RINGERS, guest_main, vcpus);
	s->fd = eventfd_create();
	s->ringers_fd = eventfd_create();
	virt_pg_map(s->vm, RINGERS_GPA, RINGERS_GPA);
	bench_ioeventfd(s->vm, MMIO, s->ringers_fd, RINGERS_GPA, VALUE, 0);
	for (i = 0; i < NR_RINGERS; i++)
		s->ringers[i].vcpu = vcpus[i];
}

static void start_ringers(struct scale_vm *s)
{
	int i;

	for (i = 0; i < NR_RINGERS; i++) {
		pthread_create(&s->ringers[i].thread, NULL, run_ringer, &s->ringers[i]);
		while (!READ_ONCE(s->ringers[i].rounds))
			usleep(10);
	}
}

static void stop_ringers(struct scale_vm *s)
{
	u64 rings = 0, got;
	int i;

	for (i = 0; i < NR_RINGERS; i++)
		WRITE_ONCE(s->ringers[i].stop, true);
	for (i = 0; i < NR_RINGERS; i++) {
		pthread_join(s->ringers[i].thread, NULL);
		rings += s->ringers[i].rounds * RINGS_PER_ROUND;
	}
	got = eventfd_take(s->ringers_fd);
	TEST_ASSERT(got == rings, "vCPUs rang %lu times, and signalled %lu times", rings, got);
}

static void scale_vm_free(struct scale_vm *s)
{
	close(s->fd);
	close(s->ringers_fd);
	kvm_vm_free(s->vm);
}

static void print_figure(const struct scale_case *c, enum layout layout, u32 count, u32 zones,
			 bool at_once, const char *operation, u64 ticks)
{
	fprintf(json, "{\"operation\": \"%s\", \"case\": \"%s\", ", operation, c->name);
	fprintf(json, "\"ioeventfds\": %u, \"layout\": \"%s\", ", count, layout_names[layout]);
	if (zones)
		fprintf(json, "\"zones\": %u, ", zones);
	if (at_once)
		fprintf(json, "\"at_once\": true, ");
	fprintf(json, "\"ringing_vcpus\": %d, ", options.ringing ? NR_RINGERS : 0);
	fprintf(json, "\"total\": %lu, \"per_operation\": %lu, ", ticks,
		ticks / (zones ?: count ?: 1));
	fprintf(json, "\"unit\": \"%s\"}\n", options.unit);
}

/* Register or remove them all, in the same order. */
static u64 time_all(struct scale_vm *s, enum bus bus, enum layout layout, u32 count, u32 flags)
{
	u64 start = rdtsc();
	u32 i;

	for (i = 0; i < count; i++)
		bench_ioeventfd(s->vm, bus, s->fd, bench_addr(bus, layout, i),
				bench_other_value(layout, i), flags);
	return rdtsc() - start;
}

/* The array is ready before the time starts, as it would be in a VMM. */
static u64 time_at_once(struct scale_vm *s, enum bus bus, enum layout layout, u32 count, u32 flags)
{
	struct kvm_ioeventfd *entries = calloc(count, sizeof(*entries));
	struct kvm_ioeventfds args = { .nr = count, .entries = (u64)entries };
	u64 ticks;
	u32 i;

	TEST_ASSERT(entries, "the VMM must have memory");
	for (i = 0; i < count; i++)
		entries[i] = bench_ioeventfd_args(bus, s->fd, bench_addr(bus, layout, i),
						  bench_other_value(layout, i), flags);
	ticks = rdtsc();
	vm_ioctl(s->vm, KVM_IOEVENTFDS, &args);
	ticks = rdtsc() - ticks;
	free(entries);
	return ticks;
}

static void run_ioeventfds(struct scale_vm *s, const struct scale_case *c, enum layout layout,
			   u32 count)
{
	if (!options.at_once_only) {
		print_figure(c, layout, count, 0, false, "register",
			     time_all(s, c->bus, layout, count, 0));
		print_figure(c, layout, count, 0, false, "remove",
			     time_all(s, c->bus, layout, count, KVM_IOEVENTFD_FLAG_DEASSIGN));
	}
	if (kvm_check_cap(KVM_CAP_IOEVENTFDS) < count)
		return;

	print_figure(c, layout, count, 0, true, "register",
		     time_at_once(s, c->bus, layout, count, 0));
	print_figure(c, layout, count, 0, true, "remove",
		     time_at_once(s, c->bus, layout, count, KVM_IOEVENTFD_FLAG_DEASSIGN));
}

/* SPREAD: each zone lies in the page of an ioeventfd; else each covers them all. */
static u64 time_zones(struct scale_vm *s, enum layout layout, u32 count, u32 zones,
		      unsigned long request)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = bench_addr(MMIO, SPREAD, 0),
		.size = (count + 1) * PAGE_SIZE,
	};
	u64 start = rdtsc();
	u32 i;

	for (i = 0; i < zones; i++) {
		if (layout == SPREAD) {
			zone.addr = bench_addr(MMIO, SPREAD, i) + ZONE_OFFSET;
			zone.size = ZONE_SIZE;
		}
		TEST_ASSERT(!ioctl(s->vm->fd, request, &zone),
			    "zone %u of %u must come and go, errno %d", i, zones, errno);
	}
	return rdtsc() - start;
}

static void run_zones(struct scale_vm *s, const struct scale_case *c, enum layout layout, u32 count)
{
	u32 n, zones;
	u64 ticks;

	time_all(s, MMIO, SPREAD, count, 0);
	for (n = 0; n < options.nr_zones; n++) {
		zones = options.zones[n];
		ticks = time_zones(s, layout, count, zones, KVM_REGISTER_COALESCED_MMIO);
		print_figure(c, layout, count, zones, false, "register", ticks);
		ticks = time_zones(s, layout, count, zones, KVM_UNREGISTER_COALESCED_MMIO);
		print_figure(c, layout, count, zones, false, "remove", ticks);
	}
	time_all(s, MMIO, SPREAD, count, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

/* In a VM of its own, as a vCPU stays as long as its VM. */
static void run_first_vcpu(struct scale_vm *s, const struct scale_case *c, enum layout layout,
			   u32 count)
{
	struct kvm_vm *vm;
	u64 ticks;
	u32 i;
	int fd;

	/* Where ioeventfds are makes no difference to a vCPU. */
	if (layout != SPREAD)
		return;
	vm = vm_create_barebones();
	vm_create_irqchip(vm);
	for (i = 0; i < count; i++)
		bench_ioeventfd(vm, MMIO, s->fd, bench_addr(MMIO, SPREAD, i), VALUE, 0);
	ticks = rdtsc();
	fd = __vm_ioctl(vm, KVM_CREATE_VCPU, NULL);
	ticks = rdtsc() - ticks;
	TEST_ASSERT(fd >= 0, "a vCPU must be created, errno %d", errno);
	print_figure(c, layout, count, 0, false, "create", ticks);
	close(fd);
	kvm_vm_free(vm);
}

static void run_case(struct scale_vm *s, const struct scale_case *c, enum layout layout, u32 count)
{
	alarm(CASE_SECONDS);
	if (is_first_vcpu(c))
		run_first_vcpu(s, c, layout, count);
	else if (c->bus == NO_DOORBELL)
		run_zones(s, c, layout, count);
	else if (count && bench_layout_holds(c->bus, layout, count))
		run_ioeventfds(s, c, layout, count);
}

static void run_layouts(struct scale_vm *s, const struct scale_case *c, u32 count)
{
	enum layout layout;

	for (layout = 0; layout < NR_LAYOUTS; layout++) {
		if (options.layouts & BIT(layout))
			run_case(s, c, layout, count);
	}
}

static const char *case_name(int i)
{
	return cases[i].name;
}

int main(int argc, char **argv)
{
	static const struct bench_program program = {
		.name = "ioeventfd_scale_bench",
		.options = "hu:n:z:l:roc:",
		.case_name = case_name,
		.nr_cases = ARRAY_SIZE(cases),
	};
	struct scale_vm s;
	int i, n;

	bench_parse(&program, argc, argv);
	scale_vm_create(&s);
	if (options.ringing)
		start_ringers(&s);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (n = 0; n < options.nr_counts && (options.selected & BIT_ULL(i)); n++)
			run_layouts(&s, &cases[i], options.counts[n]);
	}
	if (options.ringing)
		stop_ringers(&s);
	scale_vm_free(&s);
	return 0;
}
