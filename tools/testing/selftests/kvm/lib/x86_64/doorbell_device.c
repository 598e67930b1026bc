// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device: all that runs in its process, and how descriptors get there.
 */
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>

#include "doorbell_device_queue.h"

const char * const device_way_names[NR_DEVICE_WAYS] = {
	[DEVICE_POLLS] = "polls", [DEVICE_SLEEPS] = "sleeps",
	[DEVICE_RELAYED] = "relayed", [DEVICE_SHADOW] = "shadow",
};

struct device {
	enum device_way way;
	int socket, kick, interrupt;
	struct device_queue *queue;
	struct device_slot *slot;
	u32 head;		/* commands that are done */
	struct device_report report;
	u8 blocks[DEVICE_BLOCKS][DEVICE_BLOCK];
};

bool device_way_posts(enum device_way way)
{
	return way == DEVICE_POLLS || way == DEVICE_SLEEPS;
}

union descriptors {
	char buffer[CMSG_SPACE(2 * sizeof(int))];
	struct cmsghdr align;
};

void send_descriptors(int socket, u64 what, int first, int second)
{
	struct iovec data = { .iov_base = &what, .iov_len = sizeof(what) };
	const int fds[] = { first, second };
	union descriptors control = {};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control.buffer, .msg_controllen = sizeof(control.buffer),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(header), fds, sizeof(fds));
	TEST_ASSERT(sendmsg(socket, &message, 0) == sizeof(what),
		    "sendmsg() must succeed, errno %d", errno);
}

u64 receive_descriptors(int socket, int *first, int *second)
{
	u64 what;
	struct iovec data = { .iov_base = &what, .iov_len = sizeof(what) };
	union descriptors control = {};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control.buffer, .msg_controllen = sizeof(control.buffer),
	};
	struct cmsghdr *header;
	int fds[2];

	TEST_ASSERT(recvmsg(socket, &message, 0) == sizeof(what),
		    "recvmsg() must succeed, errno %d", errno);
	header = CMSG_FIRSTHDR(&message);
	TEST_ASSERT(header && header->cmsg_len == CMSG_LEN(sizeof(fds)),
		    "two descriptors must come with the message");
	memcpy(fds, CMSG_DATA(header), sizeof(fds));
	*first = fds[0];
	*second = fds[1];
	return what;
}

static void device_receive(struct device *d)
{
	int memory, slot;

	d->way = receive_descriptors(d->socket, &memory, &d->interrupt);
	d->queue = mmap(NULL, sizeof(*d->queue), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	slot = memfd_create("slot", MFD_CLOEXEC);
	TEST_ASSERT(slot >= 0 && !ftruncate(slot, PAGE_SIZE), "a memfd must be there, errno %d",
		    errno);
	d->slot = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, slot, 0);
	TEST_ASSERT(d->queue != MAP_FAILED && d->slot != MAP_FAILED,
		    "mmap() must succeed, errno %d", errno);
	d->kick = eventfd(0, EFD_CLOEXEC);
	send_descriptors(d->socket, 0, slot, d->kick);
}

/* Sleeps until somebody signals. */
static void take_signals(struct device *d)
{
	u64 n;

	TEST_ASSERT(read(d->kick, &n, sizeof(n)) == sizeof(n),
		    "reading an eventfd must succeed, errno %d", errno);
	d->report.signals += n;
}

static u32 posted_tail(struct device *d)
{
	return __atomic_load_n(&d->slot->tail, __ATOMIC_ACQUIRE);
}

/*
 * On two CPUs, the guest's next ring always comes after about the same time: so look
 * for one during another time before each sleep, for the two to meet at every step.
 */
static void look_for_a_while(struct device *d)
{
	u32 left = d->head * 97 % 4096;

	while (left-- && posted_tail(d) == d->head)
		;
}

static void sleep_for_tail(struct device *d)
{
	look_for_a_while(d);
	__atomic_store_n(&d->slot->wake, 1, __ATOMIC_RELAXED);
	/* Pairs with KVM's, between its store to the slot and its read of the word. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (posted_tail(d) == d->head) {
		d->report.sleeps++;
		take_signals(d);
	}
	__atomic_store_n(&d->slot->wake, 0, __ATOMIC_RELAXED);
}

static u32 receive_tail(struct device *d)
{
	struct device_message message;
	ssize_t len = recv(d->socket, &message, sizeof(message), 0);

	TEST_ASSERT(len == sizeof(message), "the VMM must send tails, errno %d", errno);
	d->report.messages++;
	return message.what;
}

/* Waits for a tail.  It's often the one that is known. */
static u32 device_look(struct device *d)
{
	switch (d->way) {
	case DEVICE_POLLS:
		if (posted_tail(d) == d->head)
			sched_yield();
		return posted_tail(d);
	case DEVICE_SLEEPS:
		if (posted_tail(d) == d->head)
			sleep_for_tail(d);
		return posted_tail(d);
	case DEVICE_RELAYED:
		return receive_tail(d);
	default:
		d->report.sleeps++;
		take_signals(d);
		return __atomic_load_n(&d->queue->tail, __ATOMIC_ACQUIRE);
	}
}

/* Returns false after the last one. */
static bool device_do(struct device *d, u32 nr)
{
	const struct device_command *command = &d->queue->commands[nr % DEVICE_QUEUE];
	u8 *buffer = d->queue->buffers[nr % DEVICE_QUEUE];
	u8 *block = d->blocks[READ_ONCE(command->block) % DEVICE_BLOCKS];
	u32 op = READ_ONCE(command->op);

	d->report.commands++;
	if (op == OP_WRITE)
		memcpy(block, buffer, DEVICE_BLOCK);
	else if (op == OP_READ)
		memcpy(buffer, block, DEVICE_BLOCK);
	return op != OP_END;
}

static bool device_serve(struct device *d, u32 tail)
{
	const u64 one = 1;
	bool goes_on = true;

	if (tail == d->head)
		return true;
	TEST_ASSERT(tail - d->head <= DEVICE_QUEUE, "after %u commands, the tail can't be %u",
		    d->head, tail);
	while (d->head != tail)
		goes_on &= device_do(d, d->head++);
	__atomic_store_n(&d->queue->done, d->head, __ATOMIC_RELEASE);
	TEST_ASSERT(write(d->interrupt, &one, sizeof(one)) == sizeof(one),
		    "writing to an eventfd must succeed, errno %d", errno);
	return goes_on;
}

void device_main(int socket)
{
	static struct device d;

	/* If the VMM fails, nobody rings any more. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	d.socket = socket;
	device_receive(&d);
	while (device_serve(&d, device_look(&d)))
		;
	TEST_ASSERT(send(socket, &d.report, sizeof(d.report), 0) == sizeof(d.report),
		    "send() must succeed, errno %d", errno);
	_exit(0);
}
