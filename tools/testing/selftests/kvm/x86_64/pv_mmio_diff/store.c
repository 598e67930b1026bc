// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any mov from a register or an immediate to memory, encoded by the bits of
 * F_ENCODING, and the registers that make it go to the case's address.
 */
#include "diff.h"

/* Bits of F_ENCODING, from 0 on.  An instruction ignores those it has no use for. */
#define ENC_OPCODE(e)	((e) & 7)
#define ENC_PREFIXES(e)	((e) >> 3 & 15)
#define ENC_BAD(e)	((e) >> 7 & 15)		/* a prefix that isn't served */
#define ENC_REX(e)	((e) >> 11 & 15)
#define ENC_STRAY(e)	((e) >> 15 & 15)	/* bits of a REX prefix without effect */
#define ENC_MODRM(e)	((e) >> 24 & 255)
#define ENC_SIB(e)	((e) >> 32 & 255)
#define ENC_DISP(e)	((s32)((e) >> 40))

#define REX		0x40
#define REX_W		8
#define REX_X		2
#define REX_B		1
#define NR_RSP		4
#define NR_RIP		16
#define RM_DISP32	5

enum { END, OWN_REX, STRAY_REX, OPERAND_SIZE, BAD };

static const u8 prefixes[16][4] = {
	{}, { OWN_REX }, { OPERAND_SIZE }, { OPERAND_SIZE, OWN_REX },
	{ OWN_REX }, { OPERAND_SIZE, OPERAND_SIZE, OWN_REX }, {}, { OWN_REX },
	{ STRAY_REX, OWN_REX }, { OWN_REX, OPERAND_SIZE }, { STRAY_REX, OPERAND_SIZE, OWN_REX },
	{ BAD }, { BAD, OWN_REX }, { OPERAND_SIZE, BAD, OWN_REX }, { BAD, OPERAND_SIZE },
	{ STRAY_REX, BAD },
};

static const u8 bad_prefixes[16] = {
	0x67, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x67,
	0xf0, 0xf2, 0xf3, 0x67, 0x3e, 0x64, 0xf3, 0x67,
};

static const u8 opcodes[8] = { 0x88, 0x89, 0xc6, 0xc7, 0xa2, 0xa3, 0x89, 0x88 };

static void put(struct diff_code *code, u64 value, int size)
{
	memcpy(code->bytes + code->len, &value, size);
	code->len += size;
}

/* Returns the REX prefix that takes effect, or 0.  32-bit code has none. */
static u8 put_prefixes(u64 e, bool is_64bit, struct diff_code *code)
{
	const u8 *prefix = prefixes[ENC_PREFIXES(e)];
	u8 rex = 0;

	for (; *prefix != END; prefix++) {
		if (!is_64bit && (*prefix == OWN_REX || *prefix == STRAY_REX))
			continue;
		rex = *prefix == OWN_REX ? REX | ENC_REX(e) : 0;
		if (rex)
			put(code, rex, 1);
		else if (*prefix == STRAY_REX)
			put(code, REX | ENC_STRAY(e), 1);
		else
			put(code, *prefix == BAD ? bad_prefixes[ENC_BAD(e)] : 0x66, 1);
	}
	return rex;
}

/* Size of the displacement, unless the address is relative to RIP. */
static int displacement_size(u8 modrm, u8 sib)
{
	if (modrm >> 6 == 1)
		return 1;

	return modrm >> 6 == 2 || (sib & 7) == RM_DISP32 ? 4 : 0;
}

static void put_sib(u64 e, u8 rex, u8 modrm, struct diff_code *code)
{
	const u8 sib = ENC_SIB(e), index = (sib >> 3 & 7) + (rex & REX_X ? 8 : 0);

	put(code, sib, 1);
	if (index != NR_RSP) {
		code->index = index;
		code->shift = sib >> 6;
	}
	code->base = (sib & 7) + (rex & REX_B ? 8 : 0);
	if (modrm >> 6 == 0 && (sib & 7) == RM_DISP32)
		code->base = NO_REG;
}

/* The displacement of an address with neither base nor index register. */
static s64 absolute(const struct diff_code *code, u64 target, u64 rip, int rest)
{
	return code->base == NR_RIP ? target - (rip + code->len + 4 + rest) : target;
}

/* @rest: how much of the instruction comes after the address. */
static void put_address(const struct diff_case *c, u8 rex, u8 modrm, u64 rip, int rest,
			struct diff_code *code)
{
	const u64 e = c->f[F_ENCODING];
	const u8 rm = modrm & 7;
	int size = displacement_size(modrm, 0);

	code->base = rm + (rex & REX_B ? 8 : 0);
	code->disp = ENC_DISP(e);
	if (rm == NR_RSP) {
		put_sib(e, rex, modrm, code);
		size = displacement_size(modrm, ENC_SIB(e));
	} else if (modrm >> 6 == 0 && rm == RM_DISP32) {
		code->base = diff_is_64bit(c) ? NR_RIP : NO_REG;
		size = 4;
	}
	if (code->base == NR_RIP || (code->base == NO_REG && code->index == NO_REG))
		code->disp = absolute(code, diff_gva(c), rip, rest);

	if (size == 0)
		code->disp = 0;
	else if (size == 1)
		code->disp = (s8)code->disp;
	put(code, code->disp, size);
}

static int immediate_size(const struct diff_code *code, u8 opcode, u8 rex)
{
	if (opcode < 0xc6)
		return 0;
	if (opcode == 0xc6)
		return 1;

	/* A 66 has this effect wherever it is among the prefixes. */
	return !(rex & REX_W) && memchr(code->bytes, 0x66, code->len - 1) ? 2 : 4;
}

/* A 67 has the next smaller one. */
static int address_size(const struct diff_code *code, bool is_64bit)
{
	return (is_64bit ? 8 : 4) >> !!memchr(code->bytes, 0x67, code->len - 1);
}

void diff_store(const struct diff_case *c, u64 rip, struct diff_code *code)
{
	const u64 e = c->f[F_ENCODING];
	const bool is_64bit = diff_is_64bit(c);
	const u8 opcode = opcodes[ENC_OPCODE(e)], rex = put_prefixes(e, is_64bit, code);
	u8 modrm = ENC_MODRM(e);
	int immediate;

	put(code, opcode, 1);
	if (opcode == 0xa2 || opcode == 0xa3) {
		put(code, diff_gva(c), address_size(code, is_64bit));
		return;
	}
	/* With another reg field, these aren't instructions. */
	if (opcode >= 0xc6)
		modrm &= ~0x38;
	put(code, modrm, 1);
	immediate = immediate_size(code, opcode, rex);
	if (modrm >> 6 == 3)
		code->base = NO_REG;
	else
		put_address(c, rex, modrm, rip, immediate, code);
	put(code, c->f[F_VALUE], immediate);
}

/* The inverse of an odd number modulo 2^64, by Newton's method. */
static u64 inverse(u64 n)
{
	u64 x = n;
	int i;

	for (i = 0; i < 5; i++)
		x *= 2 - n * x;
	return x;
}

static __u64 *reg(struct kvm_regs *regs, u8 nr)
{
	__u64 *const regs_of[] = {
		&regs->rax, &regs->rcx, &regs->rdx, &regs->rbx,
		&regs->rsp, &regs->rbp, &regs->rsi, &regs->rdi,
	};

	return nr < 8 ? regs_of[nr] : &regs->r8 + nr - 8;
}

/* Not all addresses are possible, as an odd one is not twice a register: then near it. */
void diff_aim(const struct diff_code *code, u64 target, struct kvm_regs *regs)
{
	u64 rest = target - code->disp;

	if (code->base < 16 && code->base == code->index)
		*reg(regs, code->base) = code->shift ? rest * inverse(1 + (1 << code->shift)) :
						       rest >> 1;
	else if (code->base < 16)
		*reg(regs, code->base) = rest - (code->index == NO_REG ? 0 :
						 *reg(regs, code->index) << code->shift);
	else if (code->index != NO_REG)
		*reg(regs, code->index) = (s64)rest >> code->shift;
}
