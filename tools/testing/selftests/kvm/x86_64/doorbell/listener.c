// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread that sleeps in epoll on a doorbell's eventfd.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "listener.h"

/* The limit on KVM_RUN is a signal, which must interrupt the vCPU's thread. */
static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
}

/* The thread has inherited the CPU that the vCPU's is bound to, if any. */
static void go_to_cpu(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	TEST_ASSERT(!pthread_setaffinity_np(pthread_self(), sizeof(set), &set),
		    "there must be a CPU %d", cpu);
}

static void *listen_to_doorbell(void *arg)
{
	struct doorbell_listener *l = arg;
	struct epoll_event event;
	u64 count, now, i;

	block_signals();
	go_to_cpu(options.listener_cpu);
	__atomic_store_n(&l->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	for (i = 0; i < l->nr_rings; i++) {
		TEST_ASSERT(epoll_wait(l->epoll_fd, &event, 1, -1) == 1,
			    "epoll_wait() must succeed, errno %d", errno);
		count = eventfd_take(l->eventfd);
		now = rdtsc();
		TEST_ASSERT(count == 1, "one doorbell must be one signal, it was %lu", count);
		TEST_ASSERT(now > l->rang_at[i], "the guest must have the host's TSC");
		l->ticks[i] = now - l->rang_at[i];
		__atomic_store_n(&l->nr_wakes, i + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static bool is_asleep(pid_t tid)
{
	char path[64], stat[128] = "", *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "r");
	if (!file)	/* The thread has ended. */
		return true;

	state = fgets(stat, sizeof(stat), file) ? strrchr(stat, ')') : NULL;
	fclose(file);
	return state && state[1] && state[2] == 'S';
}

void doorbell_listener_settle(struct doorbell_listener *l, u64 nr_wakes)
{
	while (__atomic_load_n(&l->nr_wakes, __ATOMIC_ACQUIRE) < nr_wakes)
		usleep(10);
	while (nr_wakes < l->nr_rings && !is_asleep(l->tid))
		usleep(10);
}

void doorbell_listener_start(struct doorbell_listener *l, int fd, const u64 *rang_at,
			     u64 nr_rings)
{
	struct epoll_event event = { .events = EPOLLIN };

	*l = (struct doorbell_listener) {
		.eventfd = fd,
		.epoll_fd = epoll_create1(EPOLL_CLOEXEC),
		.rang_at = rang_at,
		.nr_rings = nr_rings,
		.ticks = calloc(nr_rings, sizeof(*l->ticks)),
	};
	TEST_ASSERT(l->ticks, "there must be memory for %lu samples", nr_rings);
	TEST_ASSERT(!epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event),
		    "epoll_ctl() must succeed, errno %d", errno);
	TEST_ASSERT(!pthread_create(&l->thread, NULL, listen_to_doorbell, l),
		    "pthread_create() must succeed");
	while (!__atomic_load_n(&l->tid, __ATOMIC_ACQUIRE))
		usleep(10);
	doorbell_listener_settle(l, 0);
}

void doorbell_listener_stop(struct doorbell_listener *l)
{
	pthread_join(l->thread, NULL);
	close(l->epoll_fd);
	free(l->ticks);
}
