/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Cheap doorbells for x86 KVM guests: the contract with guests and VMMs.
 *
 * A guest rings a doorbell by a store to device memory, which exits to the
 * host.  To fetch and decode the guest's code costs the host far more than the
 * exit.  There are two ways that avoid this.  Both do the same MMIO write, to
 * the same ioeventfd or device.
 *
 *   Store       KVM learns the plain stores that a guest does to devices.  It
 *               decodes each once, and not again as long as the code and the
 *               page tables that lead to it don't change.  Neither guest nor
 *               VMM has to do anything, or to know about it.
 *   Hypercall   KVM_HC_MMIO_WRITE, with address, value and length in
 *               registers.  Needs a VMM that enables it and a guest that
 *               checks CPUID.
 *
 * How the numbers were chosen: upstream KVM hands out capability, hypercall
 * and feature numbers from zero upwards.  Capabilities and the hypercall here
 * are the letters "pvm" followed by a counter, and feature bits count down from
 * bit 31, as flags of KVM_IOEVENTFD do.  Upstream has allocated none of them.
 */
#ifndef _UAPI_LINUX_KVM_PV_MMIO_H
#define _UAPI_LINUX_KVM_PV_MMIO_H

#include <linux/types.h>

/*
 * Capabilities, for KVM_CHECK_EXTENSION on /dev/kvm or on a VM: 1 if this
 * host offers the feature, 0 if it doesn't (not built in, or turned off with
 * a module parameter of kvm.ko: "pv_mmio" and "hc_mmio_write").
 *
 * KVM_ENABLE_CAP on a VM turns the feature on (args[0] = 1) or off
 * (args[0] = 0) for that VM, at any time, also while vCPUs run.  If it fails,
 * it changes nothing.  Errors:
 *   EINVAL   the feature isn't offered, args[0] is neither 0 nor 1, another
 *            argument or a flag is not zero
 *
 * A new VM has stores on, because a guest can't see them except by time.  When
 * they are off, or the host doesn't offer them, KVM does what it does without
 * this feature: it decodes each store, and on Intel a load from an ioeventfd of
 * length 0 signals it.  When they are on, such a load goes to the VMM where KVM
 * can remember the code, see the limits in pv-mmio.rst.
 *
 * A new VM has the hypercall off, because it is a new interface for the guest.
 */
#define KVM_CAP_X86_PV_MMIO		0x70766d01
#define KVM_CAP_X86_HC_MMIO_WRITE	0x70766d02

/*
 * Bits of KVM_CPUID_FEATURES.EAX.
 *
 * KVM_FEATURE_PV_MMIO tells the guest that KVM serves the four instructions
 * below.  KVM_GET_SUPPORTED_CPUID reports it if the host offers stores.  It is
 * only information: KVM serves stores whether a vCPU shows it or not.
 *
 * KVM_FEATURE_HC_MMIO_WRITE tells the guest that there is the hypercall.  KVM
 * never reports it: a VMM that enables the call sets the bit itself.  So a VMM
 * that passes the leaf to the guest unchanged promises nothing that fails.  A
 * vCPU with KVM_CAP_ENFORCE_PV_FEATURE_CPUID has the hypercall only if its
 * CPUID shows it.
 */
#define KVM_FEATURE_PV_MMIO		31
#define KVM_FEATURE_HC_MMIO_WRITE	30

/*
 * Stores.  This KVM serves any mov of a register or an immediate value to
 * device memory, in 64-bit code and in 32-bit code whose segments are the whole
 * address space; its documentation lists the limits.  A 64-bit guest
 * whose CPUID shows KVM_FEATURE_PV_MMIO can rely on these four, which store RAX
 * to the linear address in RDX, with exactly these bytes and no further prefix:
 *   1 byte    mov %al,(%rdx)    88 02
 *   2 bytes   mov %ax,(%rdx)    66 89 02
 *   4 bytes   mov %eax,(%rdx)   89 02
 *   8 bytes   mov %rax,(%rdx)   48 89 02
 * They are plain stores, and nothing announces them.  Other registers have no
 * meaning: guests that set RCX, as an earlier version of this contract
 * required, ring like any other.
 *
 * KVM emulates all other stores, with the same effect: the first one at each
 * place, one across a page, one in SMM, while the vCPU is single-stepped or
 * debugged, or after the code has changed.  KVM writes no RAM for a store, and
 * changes no register but RIP and RFLAGS.RF: the guest sees what the
 * instruction would have done on bare metal.
 */

/*
 * The hypercall KVM_HC_MMIO_WRITE writes to device memory.
 *   RAX   KVM_HC_MMIO_WRITE
 *   RBX   guest physical address, in bytes
 *   RCX   value; only its low "length" bytes count
 *   RDX   length in bytes: 1, 2, 4 or 8
 *   RSI   reserved, 0
 * A 32-bit caller passes the low 32 bits of each.  Result in RAX, all other
 * registers are kept; the errors are those of <linux/kvm_para.h>:
 *   0              the write was done, by an ioeventfd, by a device in the
 *                  kernel, or by the VMM after KVM_EXIT_MMIO
 *   -KVM_EPERM     the caller isn't at CPL 0
 *   -KVM_EINVAL    length not 1, 2, 4 or 8; RSI not 0; the write crosses a
 *                  4 KiB page; the address exceeds the guest's physical
 *                  address width (CPUID 0x80000008)
 *   -KVM_EFAULT    the address is writable RAM
 *   -KVM_ENOSYS    the VMM hasn't enabled KVM_CAP_X86_HC_MMIO_WRITE, or this
 *                  host doesn't know the call
 * A call that is refused has no other effect.  In a VM that uses Xen's or
 * Hyper-V's hypercalls, those come first and this one isn't reached.
 */
#define KVM_HC_MMIO_WRITE		0x70766d03

/*
 * Payload.  An ioeventfd only signals that there was a write, and the value is
 * lost.  With KVM_IOEVENTFD_FLAG_POST it hands over the value, too: KVM stores
 * that of each write that matches at "post_addr", in the memory of the process
 * that owns the VM, with one store as wide as the write, and then signals "fd".
 * Readers of this slot see whole values that were written, and the last one
 * stays there.  The effect is the same in whichever way a guest rings.
 *
 * KVM_CHECK_EXTENSION of KVM_CAP_IOEVENTFD_POST is 1 if KVM_IOEVENTFD takes
 * struct kvm_ioeventfd_post, which has the size and fields of struct
 * kvm_ioeventfd, and two more in place of its padding.  Without the flags,
 * these two are still padding.
 *
 *   KVM_IOEVENTFD_FLAG_POST   "len" is 1, 2, 4 or 8, and "post_addr" a multiple
 *                             of it.  "fd" may be -1: then there's no signal.
 *   KVM_IOEVENTFD_FLAG_WAKE   with POST and an "fd" only: "wake_addr" is the
 *                             address, a multiple of 4, of a word of 32 bits.
 *                             KVM reads it after it has stored the value, with
 *                             a full memory barrier in between, and doesn't
 *                             signal "fd" if it's 0.
 *
 * KVM keeps neither page in memory, and accesses them anew for each write.  If
 * one can't be accessed then, the write goes on as if this ioeventfd weren't
 * there: KVM_RUN returns KVM_EXIT_MMIO or KVM_EXIT_IO, with the value.
 *
 * With KVM_IOEVENTFD_FLAG_DEASSIGN, flags and addresses have to be those that
 * the ioeventfd was assigned with.  Errors, in addition to KVM_IOEVENTFD's:
 *   EINVAL   WAKE without POST, or with an "fd" of -1; POST with a "len" of 0,
 *            or for virtio-ccw; an address that is 0, misaligned, or not one
 *            of user space
 */
#define KVM_CAP_IOEVENTFD_POST		0x70766d04

#define KVM_IOEVENTFD_FLAG_POST		0x80000000
#define KVM_IOEVENTFD_FLAG_WAKE		0x40000000

struct kvm_ioeventfd_post {
	__u64 datamatch;
	__u64 addr;
	__u32 len;
	__s32 fd;
	__u32 flags;
	__u32 pad1;
	__u64 post_addr;
	__u64 wake_addr;
	__u8  pad2[16];
};

/*
 * Many at once.  KVM_IOEVENTFDS of a VM does what KVM_IOEVENTFD would do for
 * each struct kvm_ioeventfd of an array, one after the other, or nothing: if
 * one of them fails, none takes effect.  So a VMM can remove and assign the
 * doorbells of a device that moves in one call.  It takes one copy of KVM's
 * list of the VM's devices and one grace period, where single calls take a copy
 * each time, and a grace period for each one that is removed.
 *
 * KVM_CHECK_EXTENSION of KVM_CAP_IOEVENTFDS is the number of entries that an
 * array may have, or 0 if there's no such call.
 *
 * Entries are those of KVM_IOEVENTFD, with all of its flags, including the ones
 * above.  Each sees what those before it did: the array may assign an ioeventfd
 * and remove it again.  For vCPUs that ring meanwhile, doorbells at ports may
 * change before or after those in memory; each write reaches either the old
 * doorbell or the new one.
 *
 * KVM writes "failed" if it can read the structure and finds it valid: the
 * index of the first entry that failed, or "nr" if no entry is to blame.  If
 * the call fails, it changes no ioeventfd.  Errors:
 *   EINVAL   "flags" or "pad" is not zero; or KVM_IOEVENTFD's, for an entry
 *   E2BIG    "nr" is more than KVM_CAP_IOEVENTFDS tells
 *   EFAULT   the structure can't be read or written, or the array can't be read
 *   ENOMEM   no memory, which removing ioeventfds takes as well
 *   EINTR    the process is being killed
 *   any other of KVM_IOEVENTFD, for an entry
 */
#define KVM_CAP_IOEVENTFDS		0x70766d05

struct kvm_ioeventfds {
	__u32 nr;
	__u32 flags;
	/* Address of the array. */
	__u64 entries;
	__u32 failed;
	__u32 pad[3];
};

/* Needs <linux/kvm.h>.  Upstream's numbers count up, this down from 0xff. */
#define KVM_IOEVENTFDS		_IOWR(KVMIO, 0xff, struct kvm_ioeventfds)

#endif /* _UAPI_LINUX_KVM_PV_MMIO_H */
