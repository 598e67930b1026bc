// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest: finds devices behind their ports through configuration space, as
 * a PCI driver would, and rings each in all ways that it offers.
 */
#include "doorbell_ways.h"

struct found_machine guest_found;

static u32 read_config(u64 function, u32 at)
{
	return READ_ONCE(*(u32 *)(function + at));
}

static void write_config(u64 function, u32 at, u32 value)
{
	WRITE_ONCE(*(u32 *)(function + at), value);
}

static bool is_root_port(u64 bridge)
{
	u32 express = read_config(bridge, CONFIG_EXPRESS);

	return read_config(bridge, CONFIG_CLASS) >> 16 == CLASS_BRIDGE &&
	       (express & 0xff) == 0x10 && (express >> 20 & 0xf) == EXPRESS_ROOT_PORT;
}

/* The bits of a BAR that can be set tell its size. */
static u64 measure_bar(u64 device, u32 bar, u64 *start)
{
	u32 command = read_config(device, CONFIG_COMMAND);
	u32 low = read_config(device, CONFIG_BAR(bar));
	u32 mask;

	write_config(device, CONFIG_COMMAND, command & ~2);
	write_config(device, CONFIG_BAR(bar), ~0u);
	mask = read_config(device, CONFIG_BAR(bar)) & ~0xfu;
	write_config(device, CONFIG_BAR(bar), low);
	write_config(device, CONFIG_COMMAND, command);

	*start = (u64)read_config(device, CONFIG_BAR(bar + 1)) << 32 | (low & ~0xfu);
	return ~mask + 1;
}

static bool is_behind(u64 bridge, u64 start, u64 size)
{
	u32 window = read_config(bridge, CONFIG_MEMORY_BASE);
	u64 base = (u64)read_config(bridge, CONFIG_MEMORY_BASE_HIGH) << 32 |
		   (window & 0xfff0) << 16;
	u64 limit = (u64)read_config(bridge, CONFIG_MEMORY_LIMIT_HIGH) << 32 |
		    (window & 0xfff00000) | 0xfffff;

	return start >= base && start + size - 1 <= limit;
}

static void read_device(struct found_device *found, u64 bridge, u64 device)
{
	u8 config[KVM_PCI_CONFIG_SIZE];
	u64 start, size;
	u32 at;

	for (at = 0; at < sizeof(config); at += 4)
		config_put(config, at, 4, read_config(device, at));

	found->error = kvm_pci_doorbell_find(config, &found->bell);
	if (found->error)
		return;

	size = measure_bar(device, found->bell.bar, &start);
	guest_found.nr_outside += !is_behind(bridge, start, size);
	found->error = kvm_pci_doorbell_address(&found->bell, start, size, &found->address);
	if (!found->error)
		found->error = kvm_pci_doorbell_claim(&guest_found.window, &found->bell);
}

static void scan_segment(u64 ecam)
{
	u32 devfn, bus, io;
	u64 bridge, device;

	for (devfn = 0; devfn < BUS_FUNCTIONS; devfn++) {
		bridge = ecam + ECAM_OFFSET(0u, devfn);
		if (read_config(bridge, 0) == ~0u || !is_root_port(bridge))
			continue;

		guest_found.nr_ports++;
		io = read_config(bridge, CONFIG_IO_BASE);
		guest_found.nr_io_windows += (io & 0xf0) <= (io >> 8 & 0xf0);
		bus = read_config(bridge, CONFIG_SECONDARY & ~3) >> 8 & 0xff;
		device = ecam + ECAM_OFFSET(bus, 0);
		if (read_config(device, 0) != ~0u)
			read_device(&guest_found.devices[guest_found.nr_devices++], bridge, device);
	}
}

/* The value tells the host which device was meant. */
static void ring(enum way way, const struct found_device *found, u32 value)
{
	switch (way) {
	case STORE_WAY:
		guest_pv_store_2(found->address, value);
		break;
	case HYPERCALL_WAY:
		GUEST_ASSERT_EQ(kvm_hypercall(KVM_HC_MMIO_WRITE, found->address, value,
					      found->bell.width, 0), 0);
		break;
	default:
		asm volatile("outb %%al, %%dx" : : "a"(value), "d"(found->bell.port) : "memory");
	}
}

static void ring_all(enum way way)
{
	const struct found_device *found;
	u32 i, n;

	for (n = 0; n < RINGS; n++) {
		for (i = 0; i < guest_found.nr_devices; i++) {
			found = &guest_found.devices[i];
			if (!found->error && found->bell.ways & 1 << way)
				ring(way, found, i);
		}
	}
}

static u8 guest_inb(u16 port)
{
	u8 value;

	asm volatile("inb %%dx, %%al" : "=a"(value) : "d"(port) : "memory");
	return value;
}

static u64 read_isrs(void)
{
	const struct found_device *found = guest_found.devices;
	u64 sum = 0;
	u32 i;

	for (i = 0; i < guest_found.nr_devices; i++)
		if (!found[i].error)
			sum += guest_inb(found[i].bell.isr_port);
	return sum;
}

void guest_scan_and_ring(u64 nr_segments)
{
	enum way way;
	u32 i;

	for (i = 0; i < nr_segments; i++)
		scan_segment(ECAM_GPA(i));
	GUEST_SYNC(STAGE_SCANNED);

	for (way = 0; way < NR_WAYS; way++) {
		ring_all(way);
		GUEST_SYNC(STAGE_WAY(way));
	}

	for (i = 0; i < ARRAY_SIZE(guest_found.isr_sum); i++)
		guest_found.isr_sum[i] = read_isrs();
	GUEST_SYNC(STAGE_ISR);
	GUEST_DONE();
}
