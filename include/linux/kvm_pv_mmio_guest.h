/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's side of <linux/kvm_pv_mmio.h>: stores to device memory that KVM
 * need not decode.  They may be used wherever writeb() to writeq() may be, on
 * any machine: where nobody knows them they are the plain stores they look.
 */
#ifndef _LINUX_KVM_PV_MMIO_GUEST_H
#define _LINUX_KVM_PV_MMIO_GUEST_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <uapi/linux/kvm_pv_mmio.h>

/*
 * The registers leave the assembler no other encoding than the contract's.
 * RCX is cleared right behind the store, whatever the compiler does next.
 */
#define KVM_PV_MMIO_BUILD_WRITE(bits, insn)				\
static __always_inline void						\
kvm_pv_mmio_write##bits(u##bits value, void __iomem *addr)		\
{									\
	u64 linear = (__force u64)addr;					\
	u64 announce = (KVM_PV_MMIO_SIGNATURE | ((bits) / 8)) ^ linear;	\
									\
	asm volatile(insn "\n\txor %%ecx, %%ecx"			\
		     : "+c"(announce) : "a"(value), "d"(linear)		\
		     : "memory", "cc");					\
}

KVM_PV_MMIO_BUILD_WRITE(8, "mov %%al, (%%rdx)")
KVM_PV_MMIO_BUILD_WRITE(16, "mov %%ax, (%%rdx)")
KVM_PV_MMIO_BUILD_WRITE(32, "mov %%eax, (%%rdx)")
KVM_PV_MMIO_BUILD_WRITE(64, "mov %%rax, (%%rdx)")

#undef KVM_PV_MMIO_BUILD_WRITE

#endif /* _LINUX_KVM_PV_MMIO_GUEST_H */
