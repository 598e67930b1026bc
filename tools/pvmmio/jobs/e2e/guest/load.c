// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real I/O with every byte checked, one operation at a time, and what each
 * operation took by the TSC.  Runs in the guest and, for the other end, in
 * the host.
 *
 * "ops N min X median Y" is the result; a byte that differs ends it with a
 * line that tells where, and with status 1.
 */
#define _GNU_SOURCE
#include "user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <x86intrin.h>

#define BLOCK		4096
/* What a source of random numbers is made to give: numbered lines. */
#define RECORD		8
#define BURST		64
#define MAX_PACKET	1400
#define PORT		7777
/* Once this file exists, a load without a number of operations ends. */
#define STOP		"/tmp/stop"

/* Where a load reads and writes, and what data it expects. */
struct target {
	int fd;
	uint64_t seed;
	uint64_t last_record;
	unsigned char *buffer;
	unsigned char *expected;
};

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(1);
}

/* The data of block @index: no two blocks and no two seeds share any. */
static void fill(unsigned char *data, size_t len, uint64_t seed, uint64_t index)
{
	uint64_t state = (seed << 32 | (index + 1)) * 0x9e3779b97f4a7c15ULL;
	size_t i;

	for (i = 0; i < len; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		data[i] = state >> 32;
	}
}

static void expect(struct target *t, size_t len, const char *what, uint64_t index)
{
	fill(t->expected, len, t->seed, index);
	if (memcmp(t->buffer, t->expected, len))
		die("%s %lu holds other data than was put there", what, index);
}

static void read_block(struct target *t, uint64_t index)
{
	if (pread(t->fd, t->buffer, BLOCK, index * BLOCK) != BLOCK)
		die("block %lu can't be read: %s", index, strerror(errno));
}

static void check_block(struct target *t, uint64_t index)
{
	expect(t, BLOCK, "block", index);
}

static void make_block(struct target *t, uint64_t index)
{
	fill(t->buffer, BLOCK, t->seed, index);
}

static void write_block(struct target *t, uint64_t index)
{
	if (pwrite(t->fd, t->buffer, BLOCK, index * BLOCK) != BLOCK)
		die("block %lu can't be written: %s", index, strerror(errno));
}

static size_t packet_len(uint64_t index)
{
	return 16 + index * 97 % (MAX_PACKET - 16);
}

static void make_packet(struct target *t, uint64_t index)
{
	fill(t->buffer, packet_len(index), t->seed, index);
}

static void echo_packet(struct target *t, uint64_t index)
{
	ssize_t len = packet_len(index);

	if (send(t->fd, t->buffer, len, 0) != len)
		die("packet %lu can't be sent: %s", index, strerror(errno));
	memset(t->buffer, 0, len);
	if (recv(t->fd, t->buffer, MAX_PACKET, 0) != len)
		die("packet %lu didn't come back whole: %s", index, strerror(errno));
}

static void check_packet(struct target *t, uint64_t index)
{
	expect(t, packet_len(index), "packet", index);
}

static void read_records(struct target *t, uint64_t index)
{
	if (read(t->fd, t->buffer, BURST) != BURST)
		die("burst %lu can't be read: %s", index, strerror(errno));
}

static void read_user(struct target *t, uint64_t index)
{
	(void)index;
	user_read(t->buffer, BURST);
}

/* Others may have taken some in between, but none comes twice. */
static void check_records(struct target *t, uint64_t index)
{
	uint64_t number;
	char text[RECORD + 1];
	int i;

	for (i = 0; i < BURST; i += RECORD) {
		memcpy(text, t->buffer + i, RECORD);
		number = strtoul(text, NULL, 10);
		snprintf((char *)t->expected, RECORD + 1, "%07lu\n", number);
		if (memcmp(text, t->expected, RECORD) || number <= t->last_record)
			die("burst %lu isn't a later one of the host's file", index);
		t->last_record = number;
	}
}

static int open_block(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		die("%s can't be opened: %s", path, strerror(errno));
	return fd;
}

static int open_reader(const char *path)
{
	return open_block(path, O_RDONLY | O_DIRECT);
}

static int open_writer(const char *path)
{
	return open_block(path, O_WRONLY | O_DIRECT);
}

static int open_plain(const char *path)
{
	return open_block(path, O_RDONLY);
}

static int open_new(const char *path)
{
	return open_block(path, O_WRONLY | O_CREAT | O_TRUNC);
}

static int open_socket(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || !inet_aton(address, &to.sin_addr) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("%s can't be reached: %s", address, strerror(errno));
	return fd;
}

static void write_records(struct target *t, uint64_t index)
{
	uint64_t number = index * (BURST / RECORD);
	char text[BURST + 1];
	int i;

	for (i = 0; i < BURST; i += RECORD)
		snprintf(text + i, RECORD + 1, "%07lu\n", ++number);
	if (write(t->fd, text, BURST) != BURST)
		die("burst %lu can't be written: %s", index, strerror(errno));
}

/* Only @operate is timed. */
static const struct load {
	const char *name;
	int (*open)(const char *where);
	void (*prepare)(struct target *t, uint64_t index);
	void (*operate)(struct target *t, uint64_t index);
	void (*check)(struct target *t, uint64_t index);
} loads[] = {
	{ "read", open_reader, NULL, read_block, check_block },
	{ "write", open_writer, make_block, write_block, NULL },
	{ "udp", open_socket, make_packet, echo_packet, check_packet },
	{ "rng", open_plain, NULL, read_records, check_records },
	{ "user", user_open, NULL, read_user, check_records },
	/* For the other end. */
	{ "fill", open_new, make_block, write_block, NULL },
	{ "compare", open_plain, NULL, read_block, check_block },
	{ "records", open_new, NULL, write_records, NULL },
	{ }
};

static void echo_server(void)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	static char data[MAX_PACKET];
	socklen_t from_len;
	ssize_t len;

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die("no socket to listen on: %s", strerror(errno));
	for (;;) {
		from_len = sizeof(from);
		len = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from,
			       &from_len);
		if (len >= 0)
			sendto(fd, data, len, 0, (struct sockaddr *)&from, from_len);
	}
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t operate_once(const struct load *load, struct target *t, uint64_t index)
{
	uint64_t start, ticks;

	if (load->prepare)
		load->prepare(t, index);
	start = __rdtsc();
	load->operate(t, index);
	ticks = __rdtsc() - start;
	if (load->check)
		load->check(t, index);
	return ticks;
}

/*
 * With @ops 0 the same few over and over, until told to stop, with pauses: an
 * emulated machine's time flies only while it is idle.
 */
static void run(const struct load *load, struct target *t, unsigned long ops)
{
	unsigned long window = ops ?: 8, done = 0;
	uint64_t *ticks = calloc(window, sizeof(*ticks));

	while (ops ? done < ops : access(STOP, F_OK) != 0) {
		ticks[done % window] = operate_once(load, t, done % window);
		done++;
		if (!ops)
			usleep(50000);
	}
	if (done < window)
		die("only %lu operations were done", done);
	qsort(ticks, window, sizeof(*ticks), ascending);
	printf("ops %lu min %lu median %lu\n", done, ticks[0], ticks[window / 2]);
	free(ticks);
}

int main(int argc, char **argv)
{
	const struct load *load = loads;
	struct target t = {};

	if (argc == 2 && !strcmp(argv[1], "echo"))
		echo_server();
	while (argc == 5 && load->name && strcmp(argv[1], load->name))
		load++;
	if (argc != 5 || !load->name)
		die("usage: load echo | load LOAD WHERE OPS SEED; OPS 0: until %s exists", STOP);
	t.buffer = aligned_alloc(BLOCK, BLOCK);
	t.expected = aligned_alloc(BLOCK, BLOCK);
	t.fd = load->open(argv[2]);
	t.seed = strtoul(argv[4], NULL, 0);
	run(load, &t, strtoul(argv[3], NULL, 0));
	free(t.expected);
	free(t.buffer);
	return 0;
}
