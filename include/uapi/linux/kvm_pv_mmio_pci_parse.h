/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * For guests, in the kernel or in userspace: find and read the capability of
 * kvm_pv_mmio_pci.h, and refuse a malformed one.  Nothing here accesses the
 * device; the caller has read its configuration.
 */
#ifndef _UAPI_LINUX_KVM_PV_MMIO_PCI_PARSE_H
#define _UAPI_LINUX_KVM_PV_MMIO_PCI_PARSE_H

#include <linux/kvm_pv_mmio_pci.h>

#define KVM_PCI_CONFIG_SIZE	256

static inline __u32 kvm_pci_doorbell_get(const __u8 *bytes, int width)
{
	__u32 value = 0;

	while (width--)
		value = value << 8 | bytes[width];

	return value;
}

static inline int kvm_pci_doorbell_is_width(unsigned int width,
					    unsigned int max)
{
	return width && width <= max && !(width & (width - 1));
}

/* Whether BAR @bar of a device with this configuration is a memory BAR. */
static inline int kvm_pci_doorbell_is_memory(const __u8 *config,
					     unsigned int bar)
{
	const __u8 *bars = config + 0x10;
	unsigned int i;

	if (bar > 5)
		return 0;

	/* Bit 0: ports.  Bits 2:1 are 2 for a 64-bit BAR, which takes two. */
	for (i = 0; i < bar; i++)
		if ((bars[4 * i] & 7) == 4 && ++i == bar)
			return 0;

	return !(bars[4 * bar] & 1) && !(bar == 5 && (bars[4 * bar] & 6) == 4);
}

static inline enum kvm_pci_doorbell_error
kvm_pci_doorbell_check_memory(const __u8 *config,
			      const struct kvm_pci_doorbell *bell)
{
	if (!(bell->ways &
	      (KVM_PCI_DOORBELL_STORE | KVM_PCI_DOORBELL_HYPERCALL)))
		return bell->bar || bell->width || bell->offset ?
		       KVM_PCI_DOORBELL_BAD_UNUSED : KVM_PCI_DOORBELL_OK;

	if (!kvm_pci_doorbell_is_memory(config, bell->bar))
		return KVM_PCI_DOORBELL_BAD_BAR;
	if (!kvm_pci_doorbell_is_width(bell->width, 8))
		return KVM_PCI_DOORBELL_BAD_WIDTH;
	if (bell->offset & (bell->width - 1))
		return KVM_PCI_DOORBELL_BAD_OFFSET;

	return KVM_PCI_DOORBELL_OK;
}

static inline int
kvm_pci_doorbell_in_window(const struct kvm_pci_doorbell *bell, __u32 port,
			   __u32 width)
{
	return port >= bell->window &&
	       port + width <= (__u32)bell->window + bell->window_size;
}

static inline enum kvm_pci_doorbell_error
kvm_pci_doorbell_check_isr(const struct kvm_pci_doorbell *bell)
{
	if (!bell->isr_width)
		return bell->isr_port ? KVM_PCI_DOORBELL_BAD_UNUSED :
					KVM_PCI_DOORBELL_OK;

	if (bell->isr_width != 1 ||
	    !kvm_pci_doorbell_in_window(bell, bell->isr_port, 1) ||
	    (bell->isr_port >= bell->port &&
	     bell->isr_port < (__u32)bell->port + bell->port_width))
		return KVM_PCI_DOORBELL_BAD_ISR;

	return KVM_PCI_DOORBELL_OK;
}

static inline enum kvm_pci_doorbell_error
kvm_pci_doorbell_check_port(const struct kvm_pci_doorbell *bell)
{
	if (!(bell->ways & KVM_PCI_DOORBELL_PORT))
		return bell->port || bell->port_width || bell->isr_port ||
		       bell->isr_width || bell->window || bell->window_size ?
		       KVM_PCI_DOORBELL_BAD_UNUSED : KVM_PCI_DOORBELL_OK;

	if (!bell->window_size || bell->window_size > KVM_PCI_DOORBELL_PORTS ||
	    (__u32)bell->window + bell->window_size > 0x10000)
		return KVM_PCI_DOORBELL_BAD_WINDOW;
	if (!kvm_pci_doorbell_is_width(bell->port_width, 4))
		return KVM_PCI_DOORBELL_BAD_WIDTH;
	if (bell->port & (bell->port_width - 1) ||
	    !kvm_pci_doorbell_in_window(bell, bell->port, bell->port_width))
		return KVM_PCI_DOORBELL_BAD_PORT;

	return kvm_pci_doorbell_check_isr(bell);
}

static inline void kvm_pci_doorbell_read(const __u8 *cap,
					 struct kvm_pci_doorbell *bell)
{
	bell->ways = cap[9];
	bell->bar = cap[10];
	bell->width = cap[11];
	bell->offset = kvm_pci_doorbell_get(cap + 12, 4);
	bell->port = kvm_pci_doorbell_get(cap + 16, 2);
	bell->port_width = cap[18];
	bell->isr_width = cap[19];
	bell->isr_port = kvm_pci_doorbell_get(cap + 20, 2);
	bell->window = kvm_pci_doorbell_get(cap + 22, 2);
	bell->window_size = kvm_pci_doorbell_get(cap + 24, 2);
}

/*
 * Read the capability at @at, which has the right ID, type and signature.
 * @config are the first KVM_PCI_CONFIG_SIZE bytes of the device's
 * configuration.  This writes *@bell only if it returns KVM_PCI_DOORBELL_OK.
 */
static inline enum kvm_pci_doorbell_error
kvm_pci_doorbell_parse(const __u8 *config, unsigned int at,
		       struct kvm_pci_doorbell *bell)
{
	const __u8 *cap = config + at;
	enum kvm_pci_doorbell_error error;
	struct kvm_pci_doorbell read;

	if (cap[2] < 9 || at + cap[2] > KVM_PCI_CONFIG_SIZE)
		return KVM_PCI_DOORBELL_BAD_LENGTH;
	if (cap[8] != KVM_PCI_DOORBELL_VERSION)
		return KVM_PCI_DOORBELL_BAD_VERSION;
	if (cap[2] != sizeof(struct kvm_pci_doorbell_cap))
		return KVM_PCI_DOORBELL_BAD_LENGTH;

	kvm_pci_doorbell_read(cap, &read);
	if (!read.ways || read.ways & ~(KVM_PCI_DOORBELL_STORE |
					KVM_PCI_DOORBELL_HYPERCALL |
					KVM_PCI_DOORBELL_PORT))
		return KVM_PCI_DOORBELL_BAD_WAYS;

	error = kvm_pci_doorbell_check_memory(config, &read);
	if (!error)
		error = kvm_pci_doorbell_check_port(&read);
	if (!error && (cap[26] || cap[27]))
		error = KVM_PCI_DOORBELL_BAD_UNUSED;
	if (!error)
		*bell = read;

	return error;
}

/* Find the capability among the device's and read it, as above. */
static inline enum kvm_pci_doorbell_error
kvm_pci_doorbell_find(const __u8 *config, struct kvm_pci_doorbell *bell)
{
	/* 192 bytes have room for 48 capabilities of 4: more are a loop. */
	unsigned int left = 48, at = config[0x34];

	if (config[0x0e] & 0x7f)
		return KVM_PCI_DOORBELL_BAD_HEADER;
	if (!(config[0x06] & 0x10))
		return KVM_PCI_DOORBELL_NONE;

	for (; at; at = config[at + 1]) {
		if (at & 3 || at < 0x40 || !left--)
			return KVM_PCI_DOORBELL_BAD_LIST;
		if (config[at] != 0x09 || at + 8 > KVM_PCI_CONFIG_SIZE ||
		    config[at + 3] != KVM_PCI_DOORBELL_TYPE ||
		    kvm_pci_doorbell_get(config + at + 4, 4) !=
		    KVM_PCI_DOORBELL_SIGNATURE)
			continue;

		return kvm_pci_doorbell_parse(config, at, bell);
	}

	return KVM_PCI_DOORBELL_NONE;
}

/* Find the address to ring, by store or hypercall, in a BAR at @start. */
static inline enum kvm_pci_doorbell_error
kvm_pci_doorbell_address(const struct kvm_pci_doorbell *bell, __u64 start,
			 __u64 size, __u64 *address)
{
	if ((__u64)bell->offset + bell->width > size)
		return KVM_PCI_DOORBELL_BAD_OFFSET;

	*address = start + bell->offset;
	return KVM_PCI_DOORBELL_OK;
}

static inline __u8 *
kvm_pci_doorbell_byte(struct kvm_pci_doorbell_window *window, __u32 port)
{
	return &window->taken[(port - window->first) / 8];
}

static inline __u8
kvm_pci_doorbell_bit(const struct kvm_pci_doorbell_window *window, __u32 port)
{
	return 1 << ((port - window->first) % 8);
}

/* List the ports of a device in @ports, and return how many these are. */
static inline __u32 kvm_pci_doorbell_ports(const struct kvm_pci_doorbell *bell,
					   __u32 ports[5])
{
	__u32 n = 0;

	while (n < bell->port_width) {
		ports[n] = bell->port + n;
		n++;
	}
	if (bell->isr_width)
		ports[n++] = bell->isr_port;

	return n;
}

/*
 * Take the ports of one more device, or none if it can't have all.  All devices
 * share the window of the first.
 */
static inline enum kvm_pci_doorbell_error
kvm_pci_doorbell_claim(struct kvm_pci_doorbell_window *window,
		       const struct kvm_pci_doorbell *bell)
{
	__u32 ports[5], i, n;

	if (!(bell->ways & KVM_PCI_DOORBELL_PORT))
		return KVM_PCI_DOORBELL_OK;

	if (window->size && (window->first != bell->window ||
			     window->size != bell->window_size))
		return KVM_PCI_DOORBELL_BAD_WINDOW;

	window->first = bell->window;
	window->size = bell->window_size;
	n = kvm_pci_doorbell_ports(bell, ports);
	for (i = 0; i < n; i++)
		if (*kvm_pci_doorbell_byte(window, ports[i]) &
		    kvm_pci_doorbell_bit(window, ports[i]))
			return KVM_PCI_DOORBELL_TAKEN;
	for (i = 0; i < n; i++)
		*kvm_pci_doorbell_byte(window, ports[i]) |=
			kvm_pci_doorbell_bit(window, ports[i]);

	return KVM_PCI_DOORBELL_OK;
}

/*
 * Give back the ports that kvm_pci_doorbell_claim() took for this device, when
 * it is unplugged or its driver goes.  The window stays even without devices:
 * zero @window if the VMM may choose another one.
 */
static inline void
kvm_pci_doorbell_release(struct kvm_pci_doorbell_window *window,
			 const struct kvm_pci_doorbell *bell)
{
	__u32 ports[5], i, n;

	if (!(bell->ways & KVM_PCI_DOORBELL_PORT))
		return;

	n = kvm_pci_doorbell_ports(bell, ports);
	for (i = 0; i < n; i++)
		*kvm_pci_doorbell_byte(window, ports[i]) &=
			(__u8)~kvm_pci_doorbell_bit(window, ports[i]);
}

#endif /* _UAPI_LINUX_KVM_PV_MMIO_PCI_PARSE_H */
