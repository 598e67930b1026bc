/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What guest, VMM and device of doorbell_device.h share.
 */
#ifndef SELFTEST_KVM_DOORBELL_DEVICE_QUEUE_H
#define SELFTEST_KVM_DOORBELL_DEVICE_QUEUE_H

#include "doorbell_device.h"

enum device_op { OP_WRITE, OP_READ, OP_END };

struct device_command {
	u32 op;
	u32 block;
};

/* In the guest's memory.  @tail is there for DEVICE_SHADOW only. */
struct device_queue {
	struct device_command commands[DEVICE_QUEUE];
	u8 buffers[DEVICE_QUEUE][DEVICE_BLOCK];
	u32 done;		/* commands; written by the device */
	u32 tail;		/* how many the guest has put there */
};

/* In the device's memory, which the guest can't access. */
struct device_slot {
	u32 tail;
	u32 wake;
};

/* What VMM and device send each other, with two descriptors where told. */
struct device_message {
	u64 what;		/* enum device_way, then tails */
};

struct device_report {
	u64 commands, messages, signals, sleeps;
};

/* Over @socket: the way, the guest's memory and the eventfd that interrupts the guest. */
void __noreturn device_main(int socket);

void send_descriptors(int socket, u64 what, int first, int second);
u64 receive_descriptors(int socket, int *first, int *second);

#endif /* SELFTEST_KVM_DOORBELL_DEVICE_QUEUE_H */
