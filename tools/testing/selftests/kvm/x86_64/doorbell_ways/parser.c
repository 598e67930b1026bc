// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parser of the doorbell capability, without a guest: what it must refuse,
 * what it must take, and that it reads nothing but the configuration space.
 */
#include <sys/mman.h>

#include "doorbell_ways.h"

#define CAP(field)	(CONFIG_DOORBELL + offsetof(struct kvm_pci_doorbell_cap, field))
#define P8(field, value)	{ CAP(field), 1, value }
#define P16(field, value)	{ CAP(field), 2, value }
#define P32(field, value)	{ CAP(field), 4, value }
#define BAR(i, value)		{ CONFIG_BAR(i), 4, value }
/* The capability's first bytes: ID, no next capability, length and type. */
#define HEAD		(KVM_PCI_DOORBELL_TYPE << 24 | 28 << 16 | 0x09)
#define CASE(what, why, ...)	\
	{ .name = what, .error = KVM_PCI_DOORBELL_##why, .pokes = { __VA_ARGS__ } }

/* Ports aren't offered, and the words at port, isr_port and window_size hold these. */
#define NO_PORT(what, why, port_on, isr_port_on, size)				\
	CASE(what, why, P8(ways, STORE | CALL), P32(port, port_on),			\
	     P32(isr_port, isr_port_on), P16(window_size, size))

#define STORE	KVM_PCI_DOORBELL_STORE
#define CALL	KVM_PCI_DOORBELL_HYPERCALL
#define PORT	KVM_PCI_DOORBELL_PORT

/* The bad configurations come first, then good ones. */
static const struct bad_config configs[] = {
	CASE("no list of capabilities", NONE, { 0x06, 1, 0 }),
	CASE("empty list", NONE, { 0x34, 1, 0 }),
	CASE("list ends before it", NONE, { 0x61, 1, 0 }),
	CASE("another capability ID", NONE, P8(id, 0x0a)),
	CASE("another type", NONE, P8(type, 5)),
	CASE("another signature", NONE, P32(signature, 0x6d6d7671)),
	CASE("last bytes look like its first", NONE, { 0x61, 1, 0xfc }, { 0xfc, 1, 0x09 },
	     { 0xff, 1, KVM_PCI_DOORBELL_TYPE }),
	CASE("list starts in the header", BAD_LIST, { 0x34, 1, 0x10 }),
	CASE("pointer is no multiple of 4", BAD_LIST, { 0x34, 1, 0x82 }),
	CASE("pointer into the header", BAD_LIST, { 0x61, 1, 0x3c }),
	CASE("capability points to itself", BAD_LIST, { 0x61, 1, 0x60 }),
	CASE("list runs in a circle", BAD_LIST, { 0x61, 1, 0x40 }),
	CASE("configuration of a bridge", BAD_HEADER, { CONFIG_HEADER, 1, 1 }),
	CASE("configuration of a CardBus bridge", BAD_HEADER, { CONFIG_HEADER, 1, 0x82 }),
	CASE("length is 0", BAD_LENGTH, P8(length, 0)),
	CASE("length is 8", BAD_LENGTH, P8(length, 8)),
	CASE("length is 8, which is too short for a version", BAD_LENGTH, P8(length, 8),
	     P8(version, 2)),
	CASE("length is 24", BAD_LENGTH, P8(length, 24)),
	CASE("length is 32", BAD_LENGTH, P8(length, 32)),
	CASE("length is beyond the configuration", BAD_LENGTH, P8(length, 0x84)),
	CASE("length is 255", BAD_LENGTH, P8(length, 255)),
	CASE("the last 16 bytes of the configuration", BAD_LENGTH, { 0x61, 1, 0xf0 },
	     { 0xf0, 4, HEAD }, { 0xf4, 4, KVM_PCI_DOORBELL_SIGNATURE }, { 0xf8, 1, 1 }),
	CASE("the last 4 bytes of the configuration", NONE, { 0x61, 1, 0xfc }, { 0xfc, 4, HEAD }),
	CASE("version is 0", BAD_VERSION, P8(version, 0)),
	CASE("version is 2", BAD_VERSION, P8(version, 2)),
	CASE("version is 2, and it is longer", BAD_VERSION, P8(version, 2), P8(length, 40)),
	CASE("no way at all", BAD_WAYS, P8(ways, 0)),
	CASE("a way that nobody knows", BAD_WAYS, P8(ways, STORE | 8)),
	CASE("BAR 6", BAD_BAR, P8(bar, 6)),
	CASE("BAR 255", BAD_BAR, P8(bar, 255)),
	CASE("upper half of a 64-bit BAR", BAD_BAR, P8(bar, 5)),
	CASE("upper half of the first BAR", BAD_BAR, P8(bar, 1), BAR(0, 0xfe000004)),
	CASE("BAR of ports", BAD_BAR, P8(bar, 0), BAR(0, 0xc001)),
	CASE("64-bit BAR without an upper half", BAD_BAR, P8(bar, 5), BAR(4, 0), BAR(5, 4)),
	CASE("width is 0", BAD_WIDTH, P8(width, 0)),
	CASE("width is 3", BAD_WIDTH, P8(width, 3)),
	CASE("width is 16", BAD_WIDTH, P8(width, 16)),
	CASE("offset is no multiple of the width", BAD_OFFSET, P32(offset, 0x41)),
	CASE("window is empty", BAD_WINDOW, P16(window_size, 0)),
	CASE("window of 4097 ports", BAD_WINDOW, P16(window_size, 4097)),
	CASE("window ends beyond the last port", BAD_WINDOW, P16(window, 0xf001)),
	CASE("port's width is 0", BAD_WIDTH, P8(port_width, 0)),
	CASE("port's width is 3", BAD_WIDTH, P8(port_width, 3)),
	CASE("port's width is 8", BAD_WIDTH, P8(port_width, 8)),
	CASE("port is below the window", BAD_PORT, P16(port, WINDOW_PORT - 1)),
	CASE("port is above the window", BAD_PORT, P16(port, WINDOW_PORT + WINDOW_SIZE)),
	CASE("port's last byte is above the window", BAD_PORT, P8(port_width, 4),
	     P16(port, WINDOW_PORT + WINDOW_SIZE - 4), P16(window_size, WINDOW_SIZE - 1)),
	CASE("port is no multiple of its width", BAD_PORT, P8(port_width, 2),
	     P16(port, WINDOW_PORT + 1)),
	CASE("ISR's width is 2", BAD_ISR, P8(isr_width, 2)),
	CASE("ISR is below the window", BAD_ISR, P16(isr_port, WINDOW_PORT - 1)),
	CASE("ISR is above the window", BAD_ISR, P16(isr_port, WINDOW_PORT + WINDOW_SIZE)),
	CASE("ISR is the doorbell", BAD_ISR, P16(isr_port, BELL_PORT(0))),
	CASE("ISR is in the doorbell", BAD_ISR, P8(port_width, 2)),
	CASE("a port for an ISR that isn't", BAD_UNUSED, P8(isr_width, 0)),
	NO_PORT("a port, but that way isn't offered", BAD_UNUSED, WINDOW_PORT, 0, 0),
	NO_PORT("its width, but that way isn't offered", BAD_UNUSED, 1 << 16, 0, 0),
	NO_PORT("an ISR, but no port", BAD_UNUSED, 1 << 24, 0, 0),
	NO_PORT("an ISR's port, but no port", BAD_UNUSED, 0, WINDOW_PORT, 0),
	NO_PORT("a window, but no port", BAD_UNUSED, 0, (u32)WINDOW_PORT << 16, 0),
	NO_PORT("a window's size, but no port", BAD_UNUSED, 0, 0, 1),
	CASE("a BAR, but no way that uses it", BAD_UNUSED, P8(ways, PORT), P8(width, 0),
	     P32(offset, 0)),
	CASE("a width, but no way that uses it", BAD_UNUSED, P8(ways, PORT), P8(bar, 0),
	     P32(offset, 0)),
	CASE("an offset, but no way that uses it", BAD_UNUSED, P8(ways, PORT), P16(bar, 0)),
	CASE("reserved bytes", BAD_UNUSED, P16(reserved, 1)),
	CASE("last reserved byte", BAD_UNUSED, P16(reserved, 0x100)),

	CASE("all ways", OK),
	CASE("multi-function device", OK, { CONFIG_HEADER, 1, 0x80 }),
	CASE("only the port", OK, P8(ways, PORT), P16(bar, 0), P32(offset, 0)),
	NO_PORT("all but the port", OK, 0, 0, 0),
	CASE("port without ISR", OK, P8(isr_width, 0), P16(isr_port, 0)),
	CASE("8 bytes wide", OK, P8(width, 8)),
	CASE("last port there is", OK, P16(window, 0xf000), P16(port, 0xffff),
	     P16(isr_port, 0xfffe)),
	CASE("first BAR", OK, P8(bar, 0), BAR(0, 0xfe000000)),
	CASE("BAR after an upper half that reads like a lower one", OK, P8(bar, 2), BAR(0, 4),
	     BAR(1, 4), BAR(2, 0xfe000000)),
};

/* Puts the configuration at the end of readable memory, to catch reads beyond it. */
static u8 *map_config(void)
{
	u8 *page = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	TEST_ASSERT(page != MAP_FAILED, "mmap() must succeed, errno %d", errno);
	TEST_ASSERT(!mprotect(page + PAGE_SIZE, PAGE_SIZE, PROT_NONE), "mprotect() must succeed");
	return page + PAGE_SIZE - KVM_PCI_CONFIG_SIZE;
}

static bool is_sound(const struct kvm_pci_doorbell *bell)
{
	u32 end = bell->window + bell->window_size, last = bell->port + bell->port_width;

	if (!(bell->ways & 7) || bell->ways > 7 || bell->bar > 5 || bell->width > 8)
		return false;
	if (bell->ways & PORT)
		return bell->port >= bell->window && last <= end && end <= 0x10000 &&
		       (!bell->isr_width || (bell->isr_port < end && bell->isr_port != bell->port));
	return bell->width && !(bell->offset % bell->width);
}

/* Random bytes are refused or make sense, and nothing is read beyond their end. */
static void test_random(u8 *config, report_fn *report)
{
	u32 state = 1, taken = 0, unsound = 0, i, n;
	struct kvm_pci_doorbell bell;

	for (i = 0; i < 20000; i++) {
		config_fill_device(config, i % MAX_DEVICES);
		for (n = 0; n < 1 + i % 3; n++) {
			state = state * 1664525 + 1013904223;
			config[state >> 24] = state >> 16;
		}
		if (kvm_pci_doorbell_find(config, &bell))
			continue;
		taken++;
		unsound += !is_sound(&bell);
	}
	if (unsound)
		ksft_print_msg("%u of %u taken were unsound\n", unsound, taken);
	report(!unsound && taken && taken < i, "20000 configurations with random bytes");
}

#define DEVICE(bell, bell_width, isr, start, ports)				\
	{ .ways = PORT, .port = bell, .port_width = bell_width, .isr_port = isr,	\
	  .isr_width = 1, .window = start, .window_size = ports }
#define AT(bell, bell_width, isr) DEVICE(bell, bell_width, isr, WINDOW_PORT, WINDOW_SIZE)

/* Devices of one machine claim their ports, in this order. */
static const struct {
	const char *name;
	struct kvm_pci_doorbell bell;
	enum kvm_pci_doorbell_error error;
} claims[] = {
	{ "a first device's ports", AT(BELL_PORT(7), 1, ISR_PORT(7)), KVM_PCI_DOORBELL_OK },
	{ "two devices at one port", AT(BELL_PORT(7), 1, ISR_PORT(9)), KVM_PCI_DOORBELL_TAKEN },
	{ "a doorbell at another device's ISR", AT(ISR_PORT(7), 1, ISR_PORT(9)),
	  KVM_PCI_DOORBELL_TAKEN },
	{ "an ISR at another device's doorbell", AT(BELL_PORT(9), 1, BELL_PORT(7)),
	  KVM_PCI_DOORBELL_TAKEN },
	{ "a refused device took no port", AT(BELL_PORT(9), 1, ISR_PORT(9)),
	  KVM_PCI_DOORBELL_OK },
	{ "a doorbell of two ports", AT(BELL_PORT(11), 2, ISR_PORT(12)), KVM_PCI_DOORBELL_OK },
	{ "the second of another device's ports", AT(BELL_PORT(11) + 1, 1, ISR_PORT(13)),
	  KVM_PCI_DOORBELL_TAKEN },
	{ "a window that starts elsewhere",
	  DEVICE(BELL_PORT(13), 1, ISR_PORT(13), WINDOW_PORT - 16, WINDOW_SIZE),
	  KVM_PCI_DOORBELL_BAD_WINDOW },
	{ "a window of another size",
	  DEVICE(BELL_PORT(13), 1, ISR_PORT(13), WINDOW_PORT, WINDOW_SIZE - 2),
	  KVM_PCI_DOORBELL_BAD_WINDOW },
	{ "a device without ports", { .ways = STORE }, KVM_PCI_DOORBELL_OK },
	{ "none of them changed the window", AT(BELL_PORT(13), 1, ISR_PORT(13)),
	  KVM_PCI_DOORBELL_OK },
};

static void test_claims(report_fn *report)
{
	struct kvm_pci_doorbell_window window = {};
	enum kvm_pci_doorbell_error error;
	int i;

	for (i = 0; i < ARRAY_SIZE(claims); i++) {
		error = kvm_pci_doorbell_claim(&window, &claims[i].bell);
		if (error != claims[i].error)
			ksft_print_msg("the claim gives %d, not %d\n", error, claims[i].error);
		report(error == claims[i].error, claims[i].name);
	}
}

static void test_address(u8 *config, report_fn *report)
{
	struct kvm_pci_doorbell bell;
	__u64 address = 0;
	bool beyond;

	config_fill_device(config, 7);
	kvm_pci_doorbell_find(config, &bell);
	beyond = kvm_pci_doorbell_address(&bell, BAR_GPA(7), BELL_OFFSET + 1, &address) ==
		 KVM_PCI_DOORBELL_BAD_OFFSET && !address;
	report(beyond, "doorbell beyond the end of its BAR");
}

unsigned int nr_parser_tests(void)
{
	return ARRAY_SIZE(configs) + ARRAY_SIZE(claims) + 2;
}

void test_parser(report_fn *report)
{
	u8 *config = map_config();
	struct kvm_pci_doorbell bell;
	enum kvm_pci_doorbell_error error;
	int i;

	for (i = 0; i < ARRAY_SIZE(configs); i++) {
		config_fill_device(config, 0);
		config_spoil(config, &configs[i]);
		error = kvm_pci_doorbell_find(config, &bell);
		if (error != configs[i].error)
			ksft_print_msg("the parser says %d, not %d\n", error, configs[i].error);
		report(error == configs[i].error, configs[i].name);
	}
	test_random(config, report);
	test_address(config, report);
	test_claims(report);
}
