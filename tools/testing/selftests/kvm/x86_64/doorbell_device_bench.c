// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device in a process of its own costs the guest, by the way in which doorbells
 * get there: the ring, and the trip from there to the interrupt and the data read.
 * Prints one JSON object per figure on stdout and nothing else.
 */
#include "bench.h"
#include "doorbell_device.h"

#define NR_WARMUP	16

static int compare_ticks(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static void print_figure(enum device_way way, const char *suffix, u32 *ticks)
{
	const u32 n = options.samples;

	qsort(ticks, n, sizeof(*ticks), compare_ticks);
	fprintf(json, "{\"case\": \"device_%s_%s\", ", device_way_names[way], suffix);
	fprintf(json, "\"ioeventfds\": 1, \"layout\": \"spread\", ");
	fprintf(json, "\"min\": %u, \"median\": %u, ", ticks[0], ticks[n / 2]);
	fprintf(json, "\"p99\": %u, \"samples\": %u, ", ticks[n * 99 / 100], n);
	fprintf(json, "\"unit\": \"%s\"}\n", options.unit);
}

static void run_way(enum device_way way)
{
	const struct device_load load = {
		.rounds = DIV_ROUND_UP(options.samples + NR_WARMUP, 2), .batch = 1,
	};
	static struct device_outcome o;

	TEST_ASSERT(2 * load.rounds < DEVICE_MAX_TRIPS, "at most %d samples",
		    DEVICE_MAX_TRIPS - NR_WARMUP - 2);
	device_run(way, &load, &o);
	print_figure(way, "ring", o.ring + NR_WARMUP);
	print_figure(way, "trip", o.trip + NR_WARMUP);
}

static const char *case_name(int i)
{
	return device_way_names[i];
}

int main(int argc, char **argv)
{
	static const struct bench_program program = {
		.name = "doorbell_device_bench",
		.options = "hu:s:c:",
		.case_name = case_name,
		.nr_cases = NR_DEVICE_WAYS,
	};
	enum device_way way;

	bench_parse(&program, argc, argv);
	for (way = 0; way < NR_DEVICE_WAYS; way++) {
		if (!(options.selected & BIT_ULL(way)))
			continue;
		if (device_way_posts(way) && !kvm_has_cap(KVM_CAP_IOEVENTFD_POST))
			fprintf(json, "{\"case\": \"device_%s_ring\", \"skipped\": \"%s\"}\n",
				device_way_names[way], "KVM_CAP_IOEVENTFD_POST is not offered");
		else
			run_way(way);
	}
	return 0;
}
