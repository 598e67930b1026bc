/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the VMs of a host rang, and how.
 */
#ifndef PV_MMIO_STATS_H
#define PV_MMIO_STATS_H

#include <stdbool.h>

/* Where to look; other folders are for tests. */
struct stats_source {
	const char *debugfs, *proc;
};

/*
 * Prints the counters of each VM, in words or as Prometheus' text.  Returns 0,
 * or 1 after one line that says what is wrong and what to do.
 */
int stats_report(const struct stats_source *from, bool prometheus);

#endif /* PV_MMIO_STATS_H */
