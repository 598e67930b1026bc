/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small decoder: it says whether some bytes of the guest's code are a plain
 * store, and which one, or a load.
 *
 * It accesses neither a vCPU nor memory, so that programs that test it can
 * compile it unchanged.  Whatever it has doubts about is neither a store nor a
 * load, and left to the emulator.
 */
#ifndef __KVM_X86_PV_MMIO_INSN_H
#define __KVM_X86_PV_MMIO_INSN_H

#include <linux/types.h>

/* No instruction of x86 is longer. */
#define KVM_PV_MMIO_INSN_MAX	15

enum kvm_pv_mmio_insn_kind {
	KVM_PV_MMIO_INSN_OTHER,
	/* In code of 64 and 32 bits: mov from a register or an immediate to memory. */
	KVM_PV_MMIO_INSN_STORE,
	/* Reads its memory operand, and writes no memory. */
	KVM_PV_MMIO_INSN_LOAD,
	/* Never found by the decoder: callers who know one fill it in. */
	KVM_PV_MMIO_INSN_HYPERCALL,
};

enum kvm_pv_mmio_mode {
	KVM_PV_MMIO_MODE_16,
	KVM_PV_MMIO_MODE_32,
	KVM_PV_MMIO_MODE_64,
};

#define KVM_PV_MMIO_NO_REG	0xff
/* As @base, this stands for the address of the next instruction. */
#define KVM_PV_MMIO_REG_RIP	16

/* Only a store has the members after @len. */
struct kvm_pv_mmio_insn {
	/* Of enum kvm_pv_mmio_insn_kind. */
	u8 kind;
	/*
	 * A store's length in bytes.  Of others, how many bytes identify it:
	 * prefixes, opcode, and ModRM if the opcode alone isn't enough.
	 */
	u8 len;
	/* Bytes stored: 1, 2, 4 or 8. */
	u8 width;
	/* Registers as x86 numbers them.  Without @src, it stores @imm. */
	u8 src;
	u8 base;
	u8 index;
	u8 shift;
	/* It is sign-extended to the store's width. */
	s32 imm;
	u64 disp;
	/* Which bits of the value are stored. */
	u64 mask;
};

/*
 * Decode the instruction at @code, of which @n bytes are available.  If that is
 * too few, the kind is KVM_PV_MMIO_INSN_OTHER, and the length 0.
 */
void kvm_pv_mmio_decode(const u8 *code, int n, enum kvm_pv_mmio_mode mode,
			struct kvm_pv_mmio_insn *insn);

/* All bits of an address. */
static __always_inline unsigned long
kvm_pv_mmio_address_mask(enum kvm_pv_mmio_mode mode)
{
	return mode == KVM_PV_MMIO_MODE_64 ? ~0ul : (u32)~0;
}

/*
 * The linear address that a store at @rip goes to, if its segment begins at 0.
 * In 64-bit mode it does, as the store has no prefix for another one.  In other
 * modes, bits beyond kvm_pv_mmio_address_mask() are undefined.
 */
static __always_inline u64
kvm_pv_mmio_insn_address(const struct kvm_pv_mmio_insn *insn,
			 const unsigned long *regs, unsigned long rip)
{
	u64 address = insn->disp;

	if (insn->base < KVM_PV_MMIO_REG_RIP)
		address += regs[insn->base];
	else if (insn->base == KVM_PV_MMIO_REG_RIP)
		address += rip + insn->len;

	if (insn->index != KVM_PV_MMIO_NO_REG)
		address += (u64)regs[insn->index] << insn->shift;

	return address;
}

/* The value that it stores; bytes beyond the width are 0. */
static __always_inline u64
kvm_pv_mmio_insn_value(const struct kvm_pv_mmio_insn *insn,
		       const unsigned long *regs)
{
	u64 value = (s64)insn->imm;

	if (insn->src != KVM_PV_MMIO_NO_REG)
		value = regs[insn->src];

	return value & insn->mask;
}

#endif /* __KVM_X86_PV_MMIO_INSN_H */
