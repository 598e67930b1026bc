/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * A vendor-specific capability, by which a PCI device tells its driver the ways
 * to ring its doorbell.  kvm_pv_mmio_pci_parse.h reads it.
 *
 *   way         rings at                     needs
 *   store       BAR and offset               nothing
 *   hypercall   BAR and offset               KVM_FEATURE_HC_MMIO_WRITE
 *   port        a port of the window that    ports; not with nested guests
 *               the machine reserves for all or assigned devices
 *
 * Each way has the same effect on the device.  The device defines which values
 * to write, and their meaning.
 *
 * The hypervisor assigns the port, not the guest: it lies in one window that no
 * bridge claims.  So a device takes only the ports it uses, and not 4 KiB for a
 * bridge's I/O window.  The window has at most 4096 ports.
 *
 * The ISR is a byte of interrupt status, which the guest reads at a port of the
 * window.  The device defines its meaning, and whether a read clears it;
 * reading it signals no eventfd.
 *
 * The header is that of virtio's capabilities, with a type that virtio leaves
 * to others: a virtio driver skips it.  All fields are little-endian.
 */
#ifndef _UAPI_LINUX_KVM_PV_MMIO_PCI_H
#define _UAPI_LINUX_KVM_PV_MMIO_PCI_H

#include <linux/types.h>

#define KVM_PCI_DOORBELL_TYPE		0x70
#define KVM_PCI_DOORBELL_SIGNATURE	0x6d6d7670	/* "pvmm" */
#define KVM_PCI_DOORBELL_VERSION	1

#define KVM_PCI_DOORBELL_STORE		0x1
#define KVM_PCI_DOORBELL_HYPERCALL	0x2
#define KVM_PCI_DOORBELL_PORT		0x4

/* Fields that none of the offered ways needs are 0. */
struct kvm_pci_doorbell_cap {
	__u8 id;		/* 0x09, vendor-specific */
	__u8 next;
	__u8 length;		/* of this structure, 28 bytes */
	__u8 type;		/* KVM_PCI_DOORBELL_TYPE */
	__le32 signature;	/* KVM_PCI_DOORBELL_SIGNATURE */
	__u8 version;		/* KVM_PCI_DOORBELL_VERSION */
	__u8 ways;		/* one or more of KVM_PCI_DOORBELL_* */
	/* store and hypercall */
	__u8 bar;		/* 0 to 5, a memory BAR */
	__u8 width;		/* of the write: 1, 2, 4 or 8 bytes */
	__le32 offset;		/* in bytes into the BAR, a multiple of width */
	/* port */
	__le16 port;		/* a multiple of port_width, in the window */
	__u8 port_width;	/* of the write: 1, 2 or 4 bytes */
	__u8 isr_width;		/* of the read: 1 byte, or 0 without ISR */
	__le16 isr_port;	/* in the window, not in the doorbell */
	__le16 window;		/* its first port */
	__le16 window_size;	/* in ports, 1 to 4096; ends at 65536 at most */
	__le16 reserved;	/* 0 */
};

/* What is wrong.  After an error, a guest rings as without the capability. */
enum kvm_pci_doorbell_error {
	KVM_PCI_DOORBELL_OK,
	KVM_PCI_DOORBELL_NONE,		/* the device has no such capability */
	KVM_PCI_DOORBELL_BAD_LIST,	/* pointer out of range, or a loop */
	KVM_PCI_DOORBELL_BAD_HEADER,	/* no device, but a bridge or unknown */
	KVM_PCI_DOORBELL_BAD_LENGTH,
	KVM_PCI_DOORBELL_BAD_VERSION,
	KVM_PCI_DOORBELL_BAD_WAYS,	/* none, or unknown ones */
	KVM_PCI_DOORBELL_BAD_BAR,	/* none, of ports, or an upper half */
	KVM_PCI_DOORBELL_BAD_WIDTH,
	KVM_PCI_DOORBELL_BAD_OFFSET,	/* no multiple of width, past the BAR */
	KVM_PCI_DOORBELL_BAD_WINDOW,	/* empty, too large, beyond 65536 */
	KVM_PCI_DOORBELL_BAD_PORT,	/* outside the window, no multiple */
	KVM_PCI_DOORBELL_BAD_ISR,	/* beyond the window, in the doorbell */
	KVM_PCI_DOORBELL_BAD_UNUSED,	/* not 0 */
	KVM_PCI_DOORBELL_TAKEN,		/* a port is another device's */
	KVM_PCI_DOORBELL_ERRORS
};

/* A capability that was read and is valid. */
struct kvm_pci_doorbell {
	__u8 ways;
	__u8 bar;
	__u8 width;
	__u8 port_width;
	__u8 isr_width;
	__u16 port;
	__u16 isr_port;
	__u16 window;
	__u16 window_size;
	__u32 offset;
};

/* The ports in use, to notice if two devices share one.  Starts as zeroes. */
#define KVM_PCI_DOORBELL_PORTS	4096
struct kvm_pci_doorbell_window {
	__u16 first;
	__u16 size;
	__u8 taken[KVM_PCI_DOORBELL_PORTS / 8];
};

#endif /* _UAPI_LINUX_KVM_PV_MMIO_PCI_H */
