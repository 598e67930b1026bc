// SPDX-License-Identifier: GPL-2.0-only
/*
 * What UEFI firmware starts: does I/O by the firmware's own drivers, which ring in
 * 64-bit code at CPL 0.  It does so for each line that comes by COM2, "copy" or
 * "udp", and answers as init does.
 */
#include "uefi.h"

#define COM2		0x2f8
#define LINE_STATUS	(COM2 + 5)
#define RECEIVED	1
#define MAY_SEND	0x20
/* In units of 100 ns. */
#define TICK		100000
#define PATIENCE	(10000000 / TICK)

/* In sectors: a block, and where the copy of the first one goes. */
#define BLOCK		8
#define BLOCKS		32
#define SECTOR_LEN	512

#define PACKETS		32
#define MAX_DATA	1400

static struct efi_boot_services *bs;
static void *tick;

static u8 read_port(u16 port)
{
	u8 val;

	asm volatile("inb %1, %0" : "=a"(val) : "d"(port));
	return val;
}

static void write_port(u8 val, u16 port)
{
	asm volatile("outb %0, %1" : : "a"(val), "d"(port));
}

static void answer(const char *text)
{
	while (*text) {
		while (!(read_port(LINE_STATUS) & MAY_SEND))
			;
		write_port(*text++, COM2);
	}
}

/* @ops is how many operations were done, below 100, or 0 if one went wrong. */
static void answer_ops(int ops)
{
	char text[] = "ops 00\nEND 0\n";

	text[4] += ops / 10;
	text[5] += ops % 10;
	answer(ops ? text : "END 1\n");
}

/* Meanwhile the CPU sleeps, so that other programs have it. */
static void wait_for_tick(void)
{
	u64 index;

	bs->wait_for_event(1, &tick, &index);
}

/* Returns the first character of a line. */
static char read_line(void)
{
	char first = 0, c;

	for (;;) {
		while (!(read_port(LINE_STATUS) & RECEIVED))
			wait_for_tick();
		c = read_port(COM2);
		if (c == '\n')
			return first;
		if (!first)
			first = c;
	}
}

/* The first block isn't copied, so that its sectors have those of boot.S. */
static int copy_blocks(void)
{
	static char buffer[BLOCK * SECTOR_LEN];
	static struct efi_guid guid = EFI_BLOCK_IO_GUID;
	struct efi_block_io *disk;
	u64 sector;
	int i;

	if (bs->locate_protocol(&guid, 0, (void **)&disk))
		return 0;
	for (i = 1; i <= BLOCKS; i++) {
		sector = i * BLOCK;
		if (disk->read(disk, disk->media->media_id, sector, sizeof(buffer), buffer) ||
		    disk->write(disk, disk->media->media_id, sector + BLOCKS * BLOCK,
				sizeof(buffer), buffer))
			return 0;
	}
	return 2 * BLOCKS;
}

struct packet {
	u8 to[6], from[6];
	u16 type;
	/* IPv4. */
	u8 version, service;
	u16 len, id, fragment;
	u8 ttl, protocol;
	u16 checksum;
	u8 from_address[4], to_address[4];
	/* UDP, without a checksum. */
	u16 from_port, to_port, data_len, no_checksum;
	u8 data[MAX_DATA];
};

static struct packet sent, received;
static const u8 own_address[] = { 10, 0, 3, 2 }, host_address[] = { 10, 0, 3, 1 };

#define HEADERS		__builtin_offsetof(struct packet, data)
#define IP_HEADER	20
#define UDP_HEADER	8
#define PORT		7777

static u16 swapped(u16 val)
{
	return __builtin_bswap16(val);
}

static void set_checksum(struct packet *p)
{
	const u16 *words = (const u16 *)&p->version;
	u32 sum = 0;
	int i;

	p->checksum = 0;
	for (i = 0; i < IP_HEADER / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	p->checksum = ~(sum + (sum >> 16));
}

/* Returns its length.  The host's address is known, its MAC isn't. */
static u64 make_packet(struct efi_network *net, int index)
{
	u16 len = 16 + index * 43;
	struct packet *p = &sent;
	int i;

	for (i = 0; i < 6; i++) {
		p->to[i] = 0xff;
		p->from[i] = net->mode->address[i];
	}
	p->type = swapped(0x0800);
	p->version = 0x45;
	p->len = swapped(IP_HEADER + UDP_HEADER + len);
	p->ttl = 64;
	p->protocol = 17;
	for (i = 0; i < 4; i++) {
		p->from_address[i] = own_address[i];
		p->to_address[i] = host_address[i];
	}
	p->from_port = swapped(PORT);
	p->to_port = swapped(PORT);
	p->data_len = swapped(UDP_HEADER + len);
	for (i = 0; i < len; i++)
		p->data[i] = i * 7 + index * 31 + (i >> 8);
	set_checksum(p);
	return HEADERS + len;
}

/* True if it's what the host sends back. */
static bool is_echo(u64 len, u64 expected)
{
	u64 i;

	if (len < expected || received.type != sent.type || received.protocol != sent.protocol ||
	    received.to_port != sent.from_port || received.data_len != sent.data_len)
		return false;
	for (i = 0; i < expected - HEADERS; i++) {
		if (received.data[i] != sent.data[i])
			return false;
	}
	return true;
}

static bool receive_echo(struct efi_network *net, u64 expected)
{
	int patience = PATIENCE;
	u64 len;

	while (patience--) {
		len = sizeof(received);
		while (!net->receive(net, 0, &len, &received, 0, 0, 0)) {
			if (is_echo(len, expected))
				return true;
			len = sizeof(received);
		}
		wait_for_tick();
	}
	return false;
}

/* The firmware has the buffer until it says so. */
static bool send_packet(struct efi_network *net, u64 len)
{
	int patience = PATIENCE;
	void *done;

	if (net->transmit(net, 0, len, &sent, 0, 0, 0))
		return false;
	while (patience--) {
		done = 0;
		if (net->get_status(net, 0, &done))
			return false;
		if (done)
			return true;
		wait_for_tick();
	}
	return false;
}

/* Returns how many devices have that protocol, and their handles. */
static u64 find_handles(struct efi_guid *guid, void ***handles)
{
	u64 count;

	return bs->locate_handle_buffer(EFI_BY_PROTOCOL, guid, 0, &count, handles) ? 0 : count;
}

/* The firmware has started those drivers only that it needs to boot. */
static void start_drivers(void)
{
	static struct efi_guid guid = EFI_PCI_IO_GUID;
	void **handles;
	u64 count = find_handles(&guid, &handles);

	while (count--)
		bs->connect_controller(handles[count], 0, 0, false);
}

static struct efi_network *open_network(void)
{
	static struct efi_guid guid = EFI_NETWORK_GUID;
	static struct efi_network *net;

	if (net)
		return net;
	start_drivers();
	if (bs->locate_protocol(&guid, 0, (void **)&net))
		return 0;
	net->start(net);
	net->initialize(net, 0, 0);
	net->receive_filters(net, EFI_RECEIVE_UNICAST, 0, false, 0, 0);
	return net;
}

static int echo_packets(void)
{
	struct efi_network *net = open_network();
	u64 len;
	int i;

	for (i = 0; net && i < PACKETS; i++) {
		len = make_packet(net, i);
		if (!send_packet(net, len) || !receive_echo(net, len))
			return 0;
	}
	return net ? PACKETS : 0;
}

/* The firmware takes what comes by serial lines for keys of a terminal. */
static void take_serial_lines(void)
{
	static struct efi_guid guid = EFI_SERIAL_IO_GUID;
	void **handles;
	u64 count = find_handles(&guid, &handles);

	while (count--)
		bs->disconnect_controller(handles[count], 0, 0);
}

u64 efi_main(void *image, struct efi_system_table *table)
{
	(void)image;
	bs = table->boot_services;
	bs->set_watchdog_timer(0, 0, 0, 0);
	take_serial_lines();
	bs->create_event(EFI_EVENT_TIMER, 0, 0, 0, &tick);
	bs->set_timer(tick, EFI_TIMER_PERIODIC, TICK);
	/* The firmware has begun a line. */
	answer("\nEND 0\n");
	for (;;) {
		if (read_line() == 'c')
			answer_ops(copy_blocks());
		else
			answer_ops(echo_packets());
	}
}
