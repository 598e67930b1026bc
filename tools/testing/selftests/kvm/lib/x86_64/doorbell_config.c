// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration spaces of the machine in doorbell_ways.h, as its firmware
 * leaves them.
 */
#include "doorbell_ways.h"

#define CAP_EXPRESS	0x10
#define CAP_VENDOR	0x09

void config_put(u8 *config, u32 at, u32 width, u32 value)
{
	while (width--) {
		config[at++] = value;
		value >>= 8;
	}
}

static void fill_identity(u8 *config, u32 device, u32 class, u32 header)
{
	memset(config, 0, KVM_PCI_CONFIG_SIZE);
	config_put(config, 0, 2, 0x1af4);
	config_put(config, 2, 2, device);
	config_put(config, CONFIG_COMMAND, 2, 6);	/* memory, bus master */
	config_put(config, 0x06, 2, 0x10);		/* has capabilities */
	config_put(config, CONFIG_CLASS, 4, class << 16 | 1);
	config_put(config, CONFIG_HEADER, 1, header);
	config_put(config, 0x34, 1, CONFIG_EXPRESS);
}

/* No I/O window: its base lies above its limit. */
void config_fill_bridge(u8 *config, u32 i)
{
	u64 base = BAR_GPA(i), limit = base + BAR_STRIDE - 1;

	fill_identity(config, 0x000c, CLASS_BRIDGE, 0x81);
	config_put(config, CONFIG_SECONDARY, 1, 1 + i % SEGMENT_DEVICES);
	config_put(config, CONFIG_SECONDARY + 1, 1, 1 + i % SEGMENT_DEVICES);
	config_put(config, CONFIG_IO_BASE, 2, 0x00f0);
	config_put(config, 0x20, 4, 0x0000fff0);	/* nor one below 4 GiB */
	config_put(config, CONFIG_MEMORY_BASE, 2, (base >> 16 & 0xfff0) | 1);
	config_put(config, CONFIG_MEMORY_LIMIT, 2, (limit >> 16 & 0xfff0) | 1);
	config_put(config, CONFIG_MEMORY_BASE_HIGH, 4, base >> 32);
	config_put(config, CONFIG_MEMORY_LIMIT_HIGH, 4, limit >> 32);
	config_put(config, CONFIG_EXPRESS, 4,
		   (1 << 8 | EXPRESS_ROOT_PORT << 4 | 2) << 16 | CAP_EXPRESS);
	config_put(config, CONFIG_EXPRESS + 0x14, 4, i << 19 | 0x60);	/* hot-plug */
}

static void fill_doorbell(u8 *config, u32 i)
{
	const struct kvm_pci_doorbell_cap cap = {
		.id = CAP_VENDOR,
		.length = sizeof(cap),
		.type = KVM_PCI_DOORBELL_TYPE,
		.signature = KVM_PCI_DOORBELL_SIGNATURE,
		.version = KVM_PCI_DOORBELL_VERSION,
		.ways = KVM_PCI_DOORBELL_STORE | KVM_PCI_DOORBELL_HYPERCALL |
			KVM_PCI_DOORBELL_PORT,
		.bar = BAR_INDEX,
		.width = BELL_WIDTH,
		.offset = BELL_OFFSET,
		.port = BELL_PORT(i),
		.port_width = 1,
		.isr_width = 1,
		.isr_port = ISR_PORT(i),
		.window = WINDOW_PORT,
		.window_size = WINDOW_SIZE,
	};

	memcpy(config + CONFIG_DOORBELL, &cap, sizeof(cap));
}

void config_fill_device(u8 *config, u32 i)
{
	fill_identity(config, 0x1041, 0x0200, 0);
	config_put(config, CONFIG_BAR(BAR_INDEX), 4, BAR_GPA(i) | 0xc);
	config_put(config, CONFIG_BAR(BAR_INDEX + 1), 4, BAR_GPA(i) >> 32);
	config_put(config, CONFIG_EXPRESS, 4, (2u << 16) | 0x60 << 8 | CAP_EXPRESS);
	/* A vendor-specific capability like virtio's, which the parser has to skip. */
	config_put(config, 0x60, 4, 1u << 24 | 16 << 16 | CONFIG_DOORBELL << 8 | CAP_VENDOR);
	fill_doorbell(config, i);
}

void config_spoil(u8 *config, const struct bad_config *bad)
{
	const struct poke *poke;

	for (poke = bad->pokes; poke < bad->pokes + MAX_POKES && poke->width; poke++)
		config_put(config, poke->at, poke->width, poke->value);
}
