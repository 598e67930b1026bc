/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Cheap doorbells for x86 KVM guests: the contract with guests and VMMs.
 *
 * There are two ways to ring.  Both do the MMIO write that a plain store by
 * the guest would have done, to the same ioeventfd or device; they only cost
 * the host less, because it need not fetch and decode the guest's code.
 *
 *   PV store    one of four fixed store instructions, announced in RCX.
 *               Needs no negotiation: anywhere else it is a plain store.
 *   Hypercall   KVM_HC_MMIO_WRITE, with address, value and length in
 *               registers.  Needs a VMM that enables it and a guest that
 *               checks CPUID.
 *
 * How the numbers were chosen: upstream KVM hands out capability, hypercall
 * and feature numbers from zero upwards.  Capabilities and the hypercall here
 * are the letters "pvm" followed by a counter, feature bits count down from
 * bit 31, and the signature is random.  None is allocated by upstream.
 */
#ifndef _UAPI_LINUX_KVM_PV_MMIO_H
#define _UAPI_LINUX_KVM_PV_MMIO_H

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
 * A new VM has the PV store on (it changes nothing that a guest can see) and
 * the hypercall off (it is a new interface for the guest).
 */
#define KVM_CAP_X86_PV_MMIO		0x70766d01
#define KVM_CAP_X86_HC_MMIO_WRITE	0x70766d02

/*
 * Bits of KVM_CPUID_FEATURES.EAX.  KVM_GET_SUPPORTED_CPUID reports the PV
 * store's if the host offers it, and never the hypercall's: a VMM that enables
 * the hypercall sets its bit itself.  So one that hands the leaf to the guest
 * as it is promises nothing that fails.  A vCPU with
 * KVM_CAP_ENFORCE_PV_FEATURE_CPUID has only the features that its CPUID shows.
 */
#define KVM_FEATURE_PV_MMIO		31
#define KVM_FEATURE_HC_MMIO_WRITE	30

/*
 * The PV store.  Registers, in 64-bit mode at CPL 0:
 *   RAX   the value; its low 1, 2, 4 or 8 bytes are stored
 *   RDX   the linear address
 *   RCX   (KVM_PV_MMIO_SIGNATURE | width) ^ RDX, width 1, 2, 4 or 8 bytes
 * Instruction, these bytes and no prefix more:
 *   1   mov %al,(%rdx)    88 02
 *   2   mov %ax,(%rdx)    66 89 02
 *   4   mov %eax,(%rdx)   89 02
 *   8   mov %rax,(%rdx)   48 89 02
 * The sequence clears RCX right behind the store, so that no later access
 * carries the signature by chance.  A store that falls short of any of this,
 * or crosses a page, is an ordinary store and has an ordinary store's effect.
 *
 * The host never writes RAM for a PV store, and never alters a register but
 * RIP: the guest sees what the instruction would have done on bare metal.
 */
#define KVM_PV_MMIO_SIGNATURE		0xcea65ca87fcbe460ULL
#define KVM_PV_MMIO_WIDTH_MASK		0xfULL

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

#endif /* _UAPI_LINUX_KVM_PV_MMIO_H */
