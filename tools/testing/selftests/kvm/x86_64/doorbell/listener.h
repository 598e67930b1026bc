/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A thread that sleeps in epoll on a doorbell's eventfd, as a VMM's I/O
 * thread does, and notes how long the way from the guest to it was.
 */
#ifndef SELFTEST_KVM_DOORBELL_LISTENER_H
#define SELFTEST_KVM_DOORBELL_LISTENER_H

#include <pthread.h>

#include "bench.h"

struct doorbell_listener {
	pthread_t thread;
	int eventfd, epoll_fd;
	pid_t tid;
	const u64 *rang_at;	/* TSC before each of the guest's doorbells */
	u64 nr_rings;		/* how many it waits for */
	u64 nr_wakes;		/* how many it has seen */
	u32 *ticks;		/* of each, from rang_at until the count is read */
};

void doorbell_listener_start(struct doorbell_listener *l, int fd, const u64 *rang_at,
			     u64 nr_rings);
/* Waits until it has seen @nr_wakes doorbells, and sleeps again or has ended. */
void doorbell_listener_settle(struct doorbell_listener *l, u64 nr_wakes);
void doorbell_listener_stop(struct doorbell_listener *l);

#endif /* SELFTEST_KVM_DOORBELL_LISTENER_H */
