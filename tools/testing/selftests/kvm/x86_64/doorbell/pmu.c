// SPDX-License-Identifier: GPL-2.0-only
/*
 * Core cycles and instructions of this thread.  The TSC has its own pace, whatever
 * that of the CPU is: these don't.
 */
#include <linux/perf_event.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pmu.h"

static struct {
	const char *name;
	uint64_t config;
	int fd;
	uint64_t count;
} counters[] = {
	{ "core_cycles", PERF_COUNT_HW_CPU_CYCLES },
	{ "instructions", PERF_COUNT_HW_INSTRUCTIONS },
	{ }
};

/* An emulated machine has no PMU, and Debian lets only root count the kernel's part. */
static int open_counter(uint64_t config)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = config,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

/* One that had to share the CPU's counters with others is an estimate: 0, for none. */
static uint64_t read_counter(int fd)
{
	struct { uint64_t value, enabled, running; } read_as;

	if (read(fd, &read_as, sizeof(read_as)) != sizeof(read_as))
		return 0;
	return read_as.enabled == read_as.running ? read_as.value : 0;
}

void pmu_start(void)
{
	int i;

	for (i = 0; counters[i].name; i++)
		counters[i].fd = open_counter(counters[i].config);
}

void pmu_stop(void)
{
	int i;

	for (i = 0; counters[i].name; i++) {
		counters[i].count = read_counter(counters[i].fd);
		if (counters[i].fd >= 0)
			close(counters[i].fd);
	}
}

void pmu_print(FILE *json, unsigned long n)
{
	int i;

	for (i = 0; counters[i].name; i++) {
		if (counters[i].count)
			fprintf(json, "\"%s\": %lu, ", counters[i].name, counters[i].count / n);
	}
}
