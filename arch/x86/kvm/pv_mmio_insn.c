// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder of pv_mmio_insn.h.  It only includes headers that programs
 * outside of the kernel also have.
 */
#include <linux/string.h>
#include <linux/types.h>

#include "pv_mmio_insn.h"

/* Legacy prefixes, as a set. */
#define PREFIX_SEGMENT		0x01
#define PREFIX_OPERAND_SIZE	0x02
#define PREFIX_ADDRESS_SIZE	0x04
#define PREFIX_LOCK		0x08
#define PREFIX_REPEAT		0x10
/* A REX that isn't the last prefix has no effect. */
#define PREFIX_STRAY_REX	0x20

#define REX_B			0x01
#define REX_X			0x02
#define REX_R			0x04
#define REX_W			0x08

#define REG_RAX			0
#define REG_RSP			4

/* Encodings of ModRM and SIB that stand for no register. */
#define MOD_REGISTER		3
#define RM_SIB			4
#define RM_DISP32		5
#define SIB_NO_INDEX		4

#define ANY_REG_FIELD		0xff

/*
 * The instruction, followed by zeros, so that each step can read what it needs
 * without a check.  If @at ends up beyond the code, some of it came from zeros,
 * and the result is dropped.  There are enough zeros: prefixes end with the
 * code at the latest, and opcode, ModRM, SIB, displacement and immediate are 11
 * bytes.
 */
struct insn_bytes {
	u8 code[2 * KVM_PV_MMIO_INSN_MAX];
	int at;
	enum kvm_pv_mmio_mode mode;
	u8 prefixes;
	u8 rex;
};

static u64 take(struct insn_bytes *bytes, int size)
{
	u64 value = 0;
	int i;

	for (i = 0; i < size; i++)
		value |= (u64)bytes->code[bytes->at++] << (8 * i);
	return value;
}

static s64 take_signed(struct insn_bytes *bytes, int size)
{
	int unused = 64 - 8 * size;

	return (s64)(take(bytes, size) << unused) >> unused;
}

static u8 legacy_prefix(u8 byte)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64:
	case 0x65:
		return PREFIX_SEGMENT;
	case 0x66:
		return PREFIX_OPERAND_SIZE;
	case 0x67:
		return PREFIX_ADDRESS_SIZE;
	case 0xf0:
		return PREFIX_LOCK;
	case 0xf2:
	case 0xf3:
		return PREFIX_REPEAT;
	default:
		return 0;
	}
}

/* Bytes that look like REX are instructions outside of 64-bit mode. */
static bool is_rex(const struct insn_bytes *bytes, u8 byte)
{
	return bytes->mode == KVM_PV_MMIO_MODE_64 && (byte & 0xf0) == 0x40;
}

/* This ends at the zeros at the latest, which aren't prefixes. */
static void take_prefixes(struct insn_bytes *bytes)
{
	u8 byte, prefix, rex;

	for (;; bytes->at++) {
		byte = bytes->code[bytes->at];
		prefix = legacy_prefix(byte);
		rex = is_rex(bytes, byte) ? byte : 0;
		if (!prefix && !rex)
			return;

		if (bytes->rex)
			prefix |= PREFIX_STRAY_REX;
		bytes->prefixes |= prefix;
		bytes->rex = rex;
	}
}

static u8 extended(const struct insn_bytes *bytes, u8 reg, u8 rex_bit)
{
	return bytes->rex & rex_bit ? reg + 8 : reg;
}

static u8 reg_field(u8 modrm)
{
	return (modrm >> 3) & 7;
}

/* Returns the base as encoded.  RM_DISP32 means none if mod says so. */
static u8 take_sib(struct insn_bytes *bytes, struct kvm_pv_mmio_insn *insn)
{
	u8 sib = take(bytes, 1);
	u8 index = extended(bytes, reg_field(sib), REX_X);

	if (index != SIB_NO_INDEX) {
		insn->index = index;
		insn->shift = sib >> 6;
	}
	return sib & 7;
}

/* Returns false if ModRM doesn't name memory. */
static bool take_address(struct insn_bytes *bytes, u8 modrm,
			 struct kvm_pv_mmio_insn *insn)
{
	u8 mod = modrm >> 6, rm = modrm & 7;
	bool has_sib = rm == RM_SIB;

	if (mod == MOD_REGISTER)
		return false;

	if (has_sib)
		rm = take_sib(bytes, insn);

	if (mod || rm != RM_DISP32)
		insn->base = extended(bytes, rm, REX_B);
	else if (!has_sib && bytes->mode == KVM_PV_MMIO_MODE_64)
		insn->base = KVM_PV_MMIO_REG_RIP;

	if (mod == 1)
		insn->disp = take_signed(bytes, 1);
	else if (mod == 2 || rm == RM_DISP32)
		insn->disp = take_signed(bytes, 4);
	return true;
}

static u8 store_width(const struct insn_bytes *bytes, u8 opcode)
{
	if (!(opcode & 1))
		return 1;
	if (bytes->rex & REX_W)
		return 8;
	return bytes->prefixes & PREFIX_OPERAND_SIZE ? 2 : 4;
}

static bool store_register(struct insn_bytes *bytes,
			   struct kvm_pv_mmio_insn *insn)
{
	u8 modrm = take(bytes, 1);

	insn->src = extended(bytes, reg_field(modrm), REX_R);
	/* Without REX these are AH, CH, DH and BH. */
	if (insn->width == 1 && !bytes->rex && insn->src >= 4)
		return false;

	return take_address(bytes, modrm, insn);
}

static bool store_immediate(struct insn_bytes *bytes,
			    struct kvm_pv_mmio_insn *insn)
{
	u8 modrm = take(bytes, 1);

	if (reg_field(modrm) || !take_address(bytes, modrm, insn))
		return false;

	insn->imm = take_signed(bytes, insn->width == 8 ? 4 : insn->width);
	return true;
}

static bool store_accumulator(struct insn_bytes *bytes,
			      struct kvm_pv_mmio_insn *insn)
{
	insn->src = REG_RAX;
	insn->disp = take(bytes, bytes->mode == KVM_PV_MMIO_MODE_64 ? 8 : 4);
	return true;
}

static bool decode_store(struct insn_bytes *bytes, u8 opcode,
			 struct kvm_pv_mmio_insn *insn)
{
	if (bytes->mode == KVM_PV_MMIO_MODE_16 ||
	    bytes->prefixes & ~PREFIX_OPERAND_SIZE)
		return false;

	insn->width = store_width(bytes, opcode);
	insn->mask = ~0ULL >> (64 - 8 * insn->width);
	switch (opcode) {
	case 0x88:	/* mov %reg,mem */
	case 0x89:
		return store_register(bytes, insn);
	case 0xa2:	/* movabs %rax,mem */
	case 0xa3:
		return store_accumulator(bytes, insn);
	case 0xc6:	/* mov $imm,mem */
	case 0xc7:
		return store_immediate(bytes, insn);
	default:
		return false;
	}
}

/* Returns a bit for each reg field of ModRM with which the opcode is a load. */
static u8 one_byte_loads(const struct insn_bytes *bytes, u8 opcode)
{
	switch (opcode) {
	case 0x00 ... 0x37:	/* add, or, adc, sbb, and, sub, xor */
		return (opcode & 6) == 2 ? ANY_REG_FIELD : 0;
	case 0x38 ... 0x3b:	/* cmp */
	case 0x69:		/* imul */
	case 0x6b:
	case 0x84 ... 0x85:	/* test */
	case 0x8a ... 0x8b:	/* mov */
		return ANY_REG_FIELD;
	case 0x63:		/* movslq; outside of 64-bit mode, arpl */
		return bytes->mode == KVM_PV_MMIO_MODE_64 ? ANY_REG_FIELD : 0;
	case 0x80 ... 0x81:	/* cmp */
	case 0x83:
		return 0x80;
	case 0xf6 ... 0xf7:	/* test, mul, imul, div, idiv */
		return 0xf3;
	default:
		return 0;
	}
}

/* With a repeat prefix it's another instruction. */
static bool is_movbe(const struct insn_bytes *bytes, u8 opcode)
{
	return opcode == 0xf0 && !(bytes->prefixes & PREFIX_REPEAT);
}

/* popcnt is missing, because KVM's emulator doesn't know it. */
static u8 two_byte_loads(struct insn_bytes *bytes)
{
	switch (take(bytes, 1)) {
	case 0x38:
		return is_movbe(bytes, take(bytes, 1)) ? ANY_REG_FIELD : 0;
	case 0x40 ... 0x4f:	/* cmov */
	case 0xa3:		/* bt */
	case 0xaf:		/* imul */
	case 0xb6 ... 0xb7:	/* movzx */
	case 0xbc ... 0xbd:	/* bsf, bsr, tzcnt, lzcnt */
	case 0xbe ... 0xbf:	/* movsx */
		return ANY_REG_FIELD;
	case 0xba:		/* bt */
		return 0x10;
	default:
		return 0;
	}
}

static bool decode_load(struct insn_bytes *bytes, u8 opcode)
{
	u8 loads, modrm;

	if (bytes->prefixes & PREFIX_LOCK)
		return false;
	if (opcode == 0xa0 || opcode == 0xa1)	/* mov mem,%rax */
		return true;

	loads = opcode == 0x0f ? two_byte_loads(bytes) :
				 one_byte_loads(bytes, opcode);
	if (!loads)
		return false;

	modrm = take(bytes, 1);
	return modrm >> 6 != MOD_REGISTER && (loads >> reg_field(modrm)) & 1;
}

/* KVM reads RSP from the VMCS or VMCB only when asked to; regs[] may be old. */
static bool uses_rsp(const struct kvm_pv_mmio_insn *insn)
{
	return insn->src == REG_RSP || insn->base == REG_RSP;
}

void kvm_pv_mmio_decode(const u8 *code, int n, enum kvm_pv_mmio_mode mode,
			struct kvm_pv_mmio_insn *insn)
{
	struct insn_bytes bytes = { .mode = mode };
	u8 opcode;

	*insn = (struct kvm_pv_mmio_insn){
		.kind = KVM_PV_MMIO_INSN_OTHER,
		.src = KVM_PV_MMIO_NO_REG,
		.base = KVM_PV_MMIO_NO_REG,
		.index = KVM_PV_MMIO_NO_REG,
	};
	if (n > KVM_PV_MMIO_INSN_MAX)
		n = KVM_PV_MMIO_INSN_MAX;
	memcpy(bytes.code, code, n);

	take_prefixes(&bytes);
	opcode = take(&bytes, 1);
	if (decode_store(&bytes, opcode, insn) && !uses_rsp(insn))
		insn->kind = KVM_PV_MMIO_INSN_STORE;
	else if (decode_load(&bytes, opcode))
		insn->kind = KVM_PV_MMIO_INSN_LOAD;

	insn->len = bytes.at;
	if (insn->len > n) {
		insn->kind = KVM_PV_MMIO_INSN_OTHER;
		insn->len = 0;
	}
}
