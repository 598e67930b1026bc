/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device in a process of its own, as with vfio-user: it shares memory with the
 * VMM by memfd, and works on a queue of commands in the guest's memory.  The guest
 * rings with the queue's tail.  How the device learns of that is the way.
 */
#ifndef SELFTEST_KVM_DOORBELL_DEVICE_H
#define SELFTEST_KVM_DOORBELL_DEVICE_H

#include "pv_mmio.h"

enum device_way {
	DEVICE_POLLS,	/* the slot, where KVM posts the tail */
	DEVICE_SLEEPS,	/* after it has looked at the slot, with KVM_IOEVENTFD_FLAG_WAKE */
	DEVICE_RELAYED,	/* the VMM has an exit, and sends it a message */
	DEVICE_SHADOW,	/* an eventfd without value; the tail is in the guest's memory */
	NR_DEVICE_WAYS
};

extern const char * const device_way_names[NR_DEVICE_WAYS];

#define DEVICE_BLOCK		512
#define DEVICE_BLOCKS		64
#define DEVICE_QUEUE		16	/* commands in flight */
#define DEVICE_MAX_TRIPS	4096

/* What the guest does: @rounds times, it writes @batch blocks, and reads them again. */
struct device_load {
	u64 rounds, batch;
};

/* What came of it; @ring and @trip are in ticks of the TSC, one for each ring. */
struct device_outcome {
	u64 rings;		/* by the guest */
	u64 commands;		/* done by the device */
	u64 exits;		/* to the VMM, by a ring */
	u64 messages, signals;	/* that the device got */
	u64 sleeps;		/* of the device */
	u64 fast;		/* stores that KVM served in the exit fast path */
	u32 ring[DEVICE_MAX_TRIPS], trip[DEVICE_MAX_TRIPS];
};

bool device_way_posts(enum device_way way);

/* Runs a VM with the device.  The guest has compared each byte that it read. */
void device_run(enum device_way way, const struct device_load *load,
		struct device_outcome *outcome);

#endif /* SELFTEST_KVM_DOORBELL_DEVICE_H */
