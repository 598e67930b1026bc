/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of UEFI's interfaces as uefi.c calls.  What it doesn't is room.
 */
#ifndef GUEST_UEFI_H
#define GUEST_UEFI_H

#include <stdbool.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EFI_EVENT_TIMER		0x80000000
#define EFI_TIMER_PERIODIC	1
#define EFI_BY_PROTOCOL		2
#define EFI_RECEIVE_UNICAST	1

struct efi_guid {
	u32 a;
	u16 b, c;
	u8 d[8];
};

#define EFI_BLOCK_IO_GUID							\
	{ 0x964e5b21, 0x6459, 0x11d2, { 0x8e, 0x39, 0, 0xa0, 0xc9, 0x69, 0x72, 0x3b } }
#define EFI_PCI_IO_GUID								\
	{ 0x4cf5b200, 0x68b8, 0x4ca5, { 0x9e, 0xec, 0xb2, 0x3e, 0x3f, 0x50, 0x02, 0x9a } }
#define EFI_NETWORK_GUID							\
	{ 0xa19832b9, 0xac25, 0x11d3, { 0x9a, 0x2d, 0, 0x90, 0x27, 0x3f, 0xc1, 0x4d } }
#define EFI_SERIAL_IO_GUID							\
	{ 0xbb25cf6f, 0xf1d4, 0x11d2, { 0x9a, 0x0c, 0, 0x90, 0x27, 0x3f, 0xc1, 0xfd } }

#define HEADER		24

struct efi_boot_services {
	u8 header[HEADER];
	void *room0[7];
	u64 (*create_event)(u32 type, u64 priority, void *call, void *context, void **event);
	u64 (*set_timer)(void *event, u64 type, u64 time);
	u64 (*wait_for_event)(u64 count, void **events, u64 *index);
	void *room1[19];
	u64 (*set_watchdog_timer)(u64 seconds, u64 code, u64 len, void *data);
	u64 (*connect_controller)(void *handle, void **drivers, void *path, bool recursive);
	u64 (*disconnect_controller)(void *handle, void *driver, void *child);
	void *room2[4];
	u64 (*locate_handle_buffer)(u64 by, struct efi_guid *guid, void *key, u64 *count,
				    void ***handles);
	u64 (*locate_protocol)(struct efi_guid *guid, void *registration, void **found);
};

struct efi_system_table {
	u8 header[HEADER];
	void *room0[9];
	struct efi_boot_services *boot_services;
};

struct efi_block_io {
	u64 revision;
	struct { u32 media_id; } *media;
	void *room0[1];
	u64 (*read)(struct efi_block_io *disk, u32 media_id, u64 sector, u64 len, void *data);
	u64 (*write)(struct efi_block_io *disk, u32 media_id, u64 sector, u64 len, void *data);
};

struct efi_network_mode {
	u32 numbers[10];
	u8 filters[16][32];
	u8 address[32];
};

struct efi_network {
	u64 revision;
	u64 (*start)(struct efi_network *net);
	void *room0[1];
	u64 (*initialize)(struct efi_network *net, u64 more_to_receive, u64 more_to_send);
	void *room1[2];
	u64 (*receive_filters)(struct efi_network *net, u32 enable, u32 disable, bool reset,
			       u64 count, void *filters);
	void *room2[4];
	u64 (*get_status)(struct efi_network *net, u32 *interrupts, void **sent);
	u64 (*transmit)(struct efi_network *net, u64 header_len, u64 len, void *data,
			void *from, void *to, u16 *type);
	u64 (*receive)(struct efi_network *net, u64 *header_len, u64 *len, void *data,
		       void *from, void *to, u16 *type);
	void *room3[1];
	struct efi_network_mode *mode;
};

#endif /* GUEST_UEFI_H */
