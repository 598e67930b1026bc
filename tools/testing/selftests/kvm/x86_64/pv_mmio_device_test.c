// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device in a process of its own does what the guest tells it by a queue in memory,
 * whichever way the guest's doorbell gets there; and it gets there in that way.
 */
#include "doorbell_device.h"
#include "pv_mmio_case.h"

/* Stores that KVM decodes, as it learns from the first. */
#define MAX_SLOW	4

static const struct device_load loads[] = {
	{ .rounds = 600, .batch = 1 },
	{ .rounds = 40, .batch = DEVICE_QUEUE },
};

static u64 nr_commands(const struct device_load *load)
{
	return 2 * load->rounds * load->batch + 1;
}

/* How many rings leave KVM, come as a message, and signal. */
static void check_way(enum device_way way, const struct device_outcome *o)
{
	const u64 relayed = way == DEVICE_RELAYED ? o->rings : 0;

	case_expect(o->exits, relayed, "exits to the VMM");
	case_expect(o->messages, relayed, "messages by the VMM");
	if (way == DEVICE_SHADOW)
		case_expect(o->signals, o->rings, "signals");
	else if (way != DEVICE_SLEEPS)
		case_expect(o->signals, 0, "signals");
	/* On PREEMPT_RT, the fast path can't signal. */
	if (!relayed && machine_has_fast_stores(CPL0_64BIT) &&
	    (way == DEVICE_POLLS || kernel_has_fast_path()) && o->fast + MAX_SLOW < o->rings)
		case_fail("of %lu rings, %lu took the fast path", o->rings, o->fast);
}

/* A signal wakes the device up, or comes when it just has woken up. */
static void check_sleeps(enum device_way way, const struct device_outcome *o)
{
	if (way == DEVICE_POLLS || way == DEVICE_RELAYED)
		case_expect(o->sleeps, 0, "sleeps");
	else if (!o->sleeps || o->sleeps > o->signals || o->signals > o->rings)
		case_fail("of %lu rings, %lu signalled and the device slept %lu times", o->rings,
			  o->signals, o->sleeps);
}

static void test_way(enum device_way way, const struct device_load *load)
{
	static struct device_outcome o;

	/* The kernels that look for bugs are built without a network. */
	if (access("/proc/net/unix", F_OK)) {
		ksft_test_result_skip("%s, %lu in flight: there are no Unix sockets to talk by\n",
				      device_way_names[way], load->batch);
		return;
	}
	case_begin(device_way_names[way]);
	device_run(way, load, &o);
	case_expect(o.rings, 2 * load->rounds + 1, "rings");
	case_expect(o.commands, nr_commands(load), "commands that the device did");
	check_way(way, &o);
	check_sleeps(way, &o);
	ksft_print_msg("%s: %lu rings, %lu fast, %lu exits, %lu signals, %lu sleeps\n",
		       device_way_names[way], o.rings, o.fast, o.exits, o.signals, o.sleeps);
	ksft_test_result(case_passed(), "%s, %lu in flight\n", device_way_names[way], load->batch);
}

int main(void)
{
	enum device_way way;
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD_POST));
	ksft_set_plan(NR_DEVICE_WAYS * ARRAY_SIZE(loads));
	for (way = 0; way < NR_DEVICE_WAYS; way++) {
		for (i = 0; i < ARRAY_SIZE(loads); i++)
			test_way(way, &loads[i]);
	}
	ksft_finished();
}
