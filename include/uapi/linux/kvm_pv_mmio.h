/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Cheap doorbells for x86 KVM guests: the contract with guests and VMMs.
 *
 * A guest rings a doorbell by a store to device memory, which exits to the
 * host.  To fetch and decode the guest's code costs the host far more than the
 * exit.  There are two ways without; both do the same MMIO write, to the same
 * ioeventfd or device.
 *
 *   Store       KVM learns the plain stores that a guest does to devices.  It
 *               decodes each once, and no more for as long as the code and the
 *               page tables that lead to it stay as they were.  Neither guest
 *               nor VMM has to do anything, or to know.
 *   Hypercall   KVM_HC_MMIO_WRITE, with address, value and length in
 *               registers.  Needs a VMM that enables it and a guest that
 *               checks CPUID.
 *
 * How the numbers were chosen: upstream KVM hands out capability, hypercall
 * and feature numbers from zero upwards.  Capabilities and the hypercall here
 * are the letters "pvm" followed by a counter, and feature bits count down from
 * bit 31, as flags of KVM_IOEVENTFD do.  None is allocated by upstream.
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
 * (args[0] = 0) for that VM, at any time, also while vCPUs run.  Errors, of
 * which each leaves all as it was:
 *   EINVAL   the feature isn't offered, args[0] is neither 0 nor 1, another
 *            argument or a flag is not zero
 *
 * A new VM has stores on, as it changes nothing that a guest can see but time.
 * Off, or where the host doesn't offer it, stores are what they are on a KVM
 * that doesn't know of this: decoded each time, and on Intel a load from an
 * ioeventfd of length 0 signals it.  On, such a load goes to the VMM.
 *
 * A new VM has the hypercall off, as it is a new interface for the guest.
 */
#define KVM_CAP_X86_PV_MMIO		0x70766d01
#define KVM_CAP_X86_HC_MMIO_WRITE	0x70766d02

/*
 * Bits of KVM_CPUID_FEATURES.EAX.
 *
 * KVM_FEATURE_PV_MMIO tells the guest that the four instructions below are
 * served.  KVM_GET_SUPPORTED_CPUID reports it if the host offers stores.  It
 * informs, and no more: stores are served whether a vCPU shows it or not.
 *
 * KVM_FEATURE_HC_MMIO_WRITE tells that there is the hypercall.  It's never
 * reported: a VMM that enables the call sets the bit itself.  So one that hands
 * the leaf to the guest as it is promises nothing that fails.  A vCPU with
 * KVM_CAP_ENFORCE_PV_FEATURE_CPUID has the hypercall only if its CPUID shows it.
 */
#define KVM_FEATURE_PV_MMIO		31
#define KVM_FEATURE_HC_MMIO_WRITE	30

/*
 * Stores.  This KVM serves any mov from a register or of an immediate value to
 * device memory, in 64-bit code; where that ends, its documentation tells.  A
 * guest where CPUID shows KVM_FEATURE_PV_MMIO can rely on these, of RAX to the
 * linear address in RDX, with these bytes and no prefix more:
 *   1 byte    mov %al,(%rdx)    88 02
 *   2 bytes   mov %ax,(%rdx)    66 89 02
 *   4 bytes   mov %eax,(%rdx)   89 02
 *   8 bytes   mov %rax,(%rdx)   48 89 02
 * They are plain stores.  Nothing announces them: no other register means
 * anything, and guests that set RCX for them, as an earlier version of this
 * contract asked for, ring as any other.
 *
 * Whatever isn't served is emulated, with the same effect: the first store at
 * each place, one across a page, one in SMM, while the vCPU is single-stepped
 * or debugged, or after the code was changed.  KVM writes no RAM for a store,
 * and alters no register but RIP and RFLAGS.RF: the guest sees what the
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
 * Payload.  An ioeventfd says that it was rung, and loses what was written.
 * With KVM_IOEVENTFD_FLAG_POST it hands that over, too: each write that matches
 * is stored at "post_addr", in the memory of the process that owns the VM, with
 * one store as wide as the write, and then "fd" is signalled.  Who reads the
 * slot sees values that were written, whole, and the last one stays there.
 * By whichever way a guest rings, the effect is the same.
 *
 * KVM_CHECK_EXTENSION of KVM_CAP_IOEVENTFD_POST is 1 if KVM_IOEVENTFD takes
 * struct kvm_ioeventfd_post, which has the size of struct kvm_ioeventfd and its
 * fields, and two more in what is padding there.  Without the flags, they are
 * still that.
 *
 *   KVM_IOEVENTFD_FLAG_POST   "len" is 1, 2, 4 or 8, and "post_addr" a multiple
 *                             of it.  "fd" may be -1: then nobody is signalled.
 *   KVM_IOEVENTFD_FLAG_WAKE   with POST and an "fd" only: "wake_addr" is the
 *                             address, a multiple of 4, of a word of 32 bits.
 *                             KVM reads it after it has stored the value, with
 *                             a full memory barrier in between, and doesn't
 *                             signal "fd" if it's 0.
 *
 * KVM keeps no page of either in memory, and looks at them anew for each write.
 * If one can't be accessed then, the write goes on as if this ioeventfd weren't
 * there: KVM_RUN returns KVM_EXIT_MMIO or KVM_EXIT_IO, with the value.
 *
 * With KVM_IOEVENTFD_FLAG_DEASSIGN, flags and addresses have to be those that
 * the ioeventfd was assigned with.  Errors, beside the ones of KVM_IOEVENTFD:
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
 * each struct kvm_ioeventfd of an array, one after the other, or nothing: if one
 * of them fails, all is as it was.  So the doorbells of a device that moves are
 * removed and assigned in one call.  It costs one copy of what KVM knows of the
 * VM's devices and one grace period, whereas single calls cost those each.
 *
 * KVM_CHECK_EXTENSION of KVM_CAP_IOEVENTFDS is the number of entries that an
 * array may have, or 0 if there's no such call.
 *
 * Entries are those of KVM_IOEVENTFD, with all of its flags, the ones above
 * among them.  Each sees what those before it did: the same ioeventfd may be
 * assigned and removed again.  vCPUs that ring meanwhile may meet the doorbells
 * at ports before or after those in memory; each rings what was there, or what
 * will be.
 *
 * KVM writes "failed" whenever it has read the structure and found no fault in
 * it: the index of the first entry that failed, or "nr" if it was none's fault.
 * Errors, of which each leaves all ioeventfds as they were:
 *   EINVAL   "flags" or "pad" is not zero; or as of KVM_IOEVENTFD, of an entry
 *   E2BIG    "nr" is more than KVM_CAP_IOEVENTFDS tells
 *   EFAULT   the structure can't be read or written, or the array can't be read
 *   ENOMEM   no memory, also where it's less ioeventfds that are wanted
 *   EINTR    the process is being killed
 *   any other of KVM_IOEVENTFD, of an entry
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

/* With <linux/kvm.h>.  Upstream's numbers count up, this one down from 0xff. */
#define KVM_IOEVENTFDS			_IOWR(KVMIO, 0xff, struct kvm_ioeventfds)

#endif /* _UAPI_LINUX_KVM_PV_MMIO_H */
