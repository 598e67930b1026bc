// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver in user space for virtio-rng: the doorbell is rung at CPL 3.  It has
 * the device's memory from sysfs, one queue, one request at a time, and polls.
 */
#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICE		"/sys/bus/pci/devices/%s/%s"
#define PAGE		4096
#define MAX_READ	1024
/* The host has an idle CPU for the device only while the guest sleeps. */
#define PAUSE		50
#define MAX_PAUSES	2000
/* As many as e2e.py allows not to be served. */
#define FIRST		16

/* The device looks on: each access is one instruction, in the order as written. */
#define load(place)		__atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define store(place, value)	__atomic_store_n(&(place), value, __ATOMIC_RELEASE)

/*
 * What driver and device share, in one page: a queue for one request, so that
 * no index in it is ever other than 0.
 */
struct shared {
	struct vring_desc desc;
	struct {
		uint16_t flags;
		uint16_t idx;
		uint16_t ring;
	} avail;
	struct {
		uint16_t flags;
		uint16_t idx;
		struct vring_used_elem ring;
	} used;
	unsigned char data[MAX_READ];
};

static struct {
	struct virtio_pci_common_cfg *common;
	uint16_t *doorbell;
	struct shared *shared;
	uint64_t address;
} rng;

static int open_file(const char *where, const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), DEVICE, where, name);
	fd = open(path, flags);
	if (fd < 0)
		die("%s can't be opened: %s", path, strerror(errno));
	return fd;
}

static void read_at(int fd, void *data, size_t len, off_t offset)
{
	if (pread(fd, data, len, offset) != (ssize_t)len)
		die("%zu bytes at %ld can't be read: %s", len, (long)offset,
		    strerror(errno));
}

/* The device answers only once it may read and write memory. */
static void enable(const char *where, int config)
{
	int fd = open_file(where, "enable", O_WRONLY);
	uint16_t command;

	if (write(fd, "1", 1) != 1)
		die("%s can't be enabled: %s", where, strerror(errno));
	close(fd);
	read_at(config, &command, sizeof(command), PCI_COMMAND);
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(config, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		die("%s can't be made a bus master: %s", where, strerror(errno));
}

/* What the configuration says of virtio's structure of @type. */
static void find_cap(int config, uint8_t type, void *cap, size_t len)
{
	struct virtio_pci_cap head;
	uint8_t at;

	read_at(config, &at, 1, PCI_CAPABILITY_LIST);
	do {
		if (!at)
			die("there is no structure of type %d", type);
		read_at(config, &head, sizeof(head), at);
		read_at(config, cap, len, at);
		at = head.cap_next;
	} while (head.cap_vndr != PCI_CAP_ID_VNDR || head.cfg_type != type);
}

static void *map_cap(const char *where, const struct virtio_pci_cap *cap)
{
	char name[16];
	char *bar;
	int fd;

	snprintf(name, sizeof(name), "resource%d", cap->bar);
	fd = open_file(where, name, O_RDWR);
	bar = mmap(NULL, cap->offset + cap->length, PROT_READ | PROT_WRITE,
		   MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED)
		die("%s of %s can't be mapped: %s", name, where, strerror(errno));
	close(fd);
	return bar + cap->offset;
}

/* A page of ours that stays where it is, and its physical address. */
static void share_page(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;

	rng.shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	if (rng.shared == MAP_FAILED || fd < 0)
		die("no page to share: %s", strerror(errno));
	read_at(fd, &entry, sizeof(entry), (uintptr_t)rng.shared / PAGE * sizeof(entry));
	close(fd);
	rng.address = (entry & ((1ULL << 55) - 1)) * PAGE;
	if (!rng.address)
		die("the address of our page isn't told");
}

static void add_status(uint8_t bits)
{
	store(rng.common->device_status, load(rng.common->device_status) | bits);
	if ((load(rng.common->device_status) & bits) != bits)
		die("the device doesn't take status %#x", bits);
}

static void set_address(uint32_t *low, uint64_t address)
{
	store(low[0], address);
	store(low[1], address >> 32);
}

static void start_queue(void)
{
	uint64_t at = rng.address;

	store(rng.common->queue_select, 0);
	store(rng.common->queue_size, 1);
	set_address(&rng.common->queue_desc_lo, at + offsetof(struct shared, desc));
	set_address(&rng.common->queue_avail_lo, at + offsetof(struct shared, avail));
	set_address(&rng.common->queue_used_lo, at + offsetof(struct shared, used));
	store(rng.common->queue_enable, 1);
}

static void start_device(void)
{
	store(rng.common->device_status, 0);
	add_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	store(rng.common->guest_feature_select, 1);
	store(rng.common->guest_feature, 1 << (VIRTIO_F_VERSION_1 - 32));
	add_status(VIRTIO_CONFIG_S_FEATURES_OK);
	start_queue();
	add_status(VIRTIO_CONFIG_S_DRIVER_OK);
}

int user_open(const char *where)
{
	int config = open_file(where, "config", O_RDWR);
	struct virtio_pci_notify_cap notify;
	struct virtio_pci_cap common;
	unsigned char data[64];
	int i;

	enable(where, config);
	find_cap(config, VIRTIO_PCI_CAP_COMMON_CFG, &common, sizeof(common));
	find_cap(config, VIRTIO_PCI_CAP_NOTIFY_CFG, &notify, sizeof(notify));
	rng.common = map_cap(where, &common);
	share_page();
	start_device();
	rng.doorbell = map_cap(where, &notify.cap) +
		       load(rng.common->queue_notify_off) * notify.notify_off_multiplier;
	/* So that KVM knows this process's doorbell before any is counted. */
	for (i = 0; i < FIRST; i++)
		user_read(data, sizeof(data));
	return config;
}

void user_read(void *data, size_t len)
{
	struct shared *shared = rng.shared;
	uint16_t next = shared->avail.idx;
	int pauses = 0;

	shared->desc.addr = rng.address + offsetof(struct shared, data);
	shared->desc.len = len;
	shared->desc.flags = VRING_DESC_F_WRITE;
	store(shared->avail.idx, next + 1);
	store(*rng.doorbell, 0);
	while (load(shared->used.idx) == next && pauses++ < MAX_PAUSES)
		usleep(PAUSE);
	if (load(shared->used.idx) == next)
		die("the device doesn't answer");
	memcpy(data, shared->data, len);
}
