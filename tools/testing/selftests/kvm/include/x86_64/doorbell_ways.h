/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine that doorbell_ways_test models: PCI Express devices, each behind
 * its own root port, as many as one 4 KiB window of I/O ports has room for.  A
 * segment has up to 250 root ports on bus 0, and a bus behind each of them.
 */
#ifndef SELFTEST_KVM_DOORBELL_WAYS_H
#define SELFTEST_KVM_DOORBELL_WAYS_H

#include <linux/kvm_pv_mmio_pci_parse.h>

#include "pv_mmio.h"

#define MAX_DEVICES	2000
#define SEGMENT_DEVICES	250
#define MAX_SEGMENTS	(MAX_DEVICES / SEGMENT_DEVICES)
/* What a scan of bus 0 may meet: 32 devices of 8 functions. */
#define BUS_FUNCTIONS	256

/* Configuration space: a page for each function, 256 of them for each bus. */
#define ECAM_SIZE	(256ul << 20)
#define ECAM_GPA(segment)	((4ul << 30) + (segment) * ECAM_SIZE)
#define ECAM_OFFSET(bus, devfn)	((bus) << 20 | (devfn) << 12)

/* Bridges pass memory on in steps of 1 MiB; the device uses a page of that. */
#define BAR_INDEX	4
#define BAR_SIZE	4096ul
#define BAR_STRIDE	0x100000ul
#define BAR_GPA(i)	((8ul << 30) + (i) * BAR_STRIDE)
#define BELL_OFFSET	0x40
#define BELL_WIDTH	2

/* Two bytes for each device: the doorbell, then the ISR. */
#define WINDOW_PORT	0xe000
#define WINDOW_SIZE	4096
#define BELL_PORT(i)	(WINDOW_PORT + 2 * (i))
#define ISR_PORT(i)	(BELL_PORT(i) + 1)

/* Registers of the configuration space. */
#define CONFIG_COMMAND		0x04
#define CONFIG_CLASS		0x08
#define CONFIG_HEADER		0x0e
#define CONFIG_BAR(i)		(0x10 + 4 * (i))
#define CONFIG_SECONDARY	0x19
#define CONFIG_IO_BASE		0x1c
#define CONFIG_MEMORY_BASE	0x24
#define CONFIG_MEMORY_LIMIT	0x26
#define CONFIG_MEMORY_BASE_HIGH	0x28
#define CONFIG_MEMORY_LIMIT_HIGH 0x2c
#define CONFIG_EXPRESS		0x40	/* where this machine has it */
#define CONFIG_DOORBELL		0x80	/* likewise */

#define CLASS_BRIDGE		0x0604
#define EXPRESS_ROOT_PORT	4

/* The two kinds of function; @i is the number of the device and of its bridge. */
void config_put(u8 *config, u32 at, u32 width, u32 value);
void config_fill_bridge(u8 *config, u32 i);
void config_fill_device(u8 *config, u32 i);

/* Fields to overwrite in a configuration, and the error the parser must return. */
struct poke {
	u8 at, width;
	u32 value;
};

#define MAX_POKES	4

struct bad_config {
	const char *name;
	struct poke pokes[MAX_POKES];
	enum kvm_pci_doorbell_error error;
};

void config_spoil(u8 *config, const struct bad_config *bad);

/*
 * Tests the parser without a guest.  Each line of its table reports one result
 * and other tests follow; the caller counts, as kselftest's counters are static.
 */
typedef void report_fn(bool ok, const char *name);
unsigned int nr_parser_tests(void);
void test_parser(report_fn *report);

/* The guest rings every device in each of these ways, RINGS times. */
enum way { STORE_WAY, HYPERCALL_WAY, PORT_WAY, NR_WAYS };

#define RINGS		3
/* GUEST_SYNC stages: one after the scan, one for each way, one for the ISRs. */
#define STAGE_SCANNED	0
#define STAGE_WAY(way)	(1 + (way))
#define STAGE_ISR	STAGE_WAY(NR_WAYS)

/* What the guest found behind each port.  It doesn't ring a device with an error. */
struct found_device {
	__u64 address;
	struct kvm_pci_doorbell bell;
	u32 error;
};

struct found_machine {
	u32 nr_ports;
	u32 nr_io_windows;	/* ports that claim I/O for their bus */
	u32 nr_outside;		/* BARs outside their port's memory window */
	u32 nr_devices;
	u64 isr_sum[2];		/* over all devices, read once and again */
	struct found_device devices[MAX_DEVICES];
	struct kvm_pci_doorbell_window window;
};

extern struct found_machine guest_found;
void guest_scan_and_ring(u64 nr_segments);

#endif /* SELFTEST_KVM_DOORBELL_WAYS_H */
