// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the stores of pv_mmio_insn_test: their bytes, and registers that lead to
 * an address in the MMIO page.
 */
#include "insn.h"

#define NR_RSP		4
#define NR_RIP		16
#define NO_REG		(-1)

#define REX_B		BIT(0)
#define REX_X		BIT(1)
#define REX_R		BIT(2)
#define REX_W		BIT(3)
#define NR_REX		17	/* one of them is none */

/* ModRM's last field: 4 is for SIB. */
static const u8 plain_rms[] = { 0, 1, 2, 3, 5, 6, 7 };

#define NR_PLACES	(ARRAY_SIZE(plain_rms) + 256)
#define NR_MODS		3
#define NR_REG_FIELDS	8
#define IMMEDIATE_SHIFT	32

/* Values that don't depend on the encoding's number come from @salt. */
struct form {
	const char *prefixes;
	u8 opcode, rex, mod, reg, rm, sib;
	u64 salt;
};

static bool is_absolute(u8 opcode)
{
	return opcode == 0xa2 || opcode == 0xa3;
}

static bool is_immediate(u8 opcode)
{
	return opcode == 0xc6 || opcode == 0xc7;
}

static bool is_xchg(u8 opcode)
{
	return opcode == 0x86 || opcode == 0x87;
}

static u64 nr_prefixes(const struct insn_group *group)
{
	u64 nr = 0;

	while (nr < ARRAY_SIZE(group->prefixes) && group->prefixes[nr])
		nr++;
	return nr;
}

static u64 nr_reg_fields(const struct insn_group *group)
{
	return is_immediate(group->opcodes[0] & 0xff) ? 1 : NR_REG_FIELDS;
}

static u64 nr_addresses(const struct insn_group *group)
{
	if (is_absolute(group->opcodes[0] & 0xff))
		return 1;
	return NR_MODS * NR_PLACES * nr_reg_fields(group);
}

u64 insn_group_size(const struct insn_group *group)
{
	return nr_prefixes(group) * strlen(group->opcodes) * NR_REX * nr_addresses(group);
}

static u64 take_digit(u64 *index, u64 base)
{
	u64 digit = *index % base;

	*index /= base;
	return digit;
}

static struct form make_form(const struct insn_group *group, u64 index)
{
	struct form f = { .salt = index * 0x9e3779b97f4a7c15 };
	u64 rex, place;

	f.prefixes = group->prefixes[take_digit(&index, nr_prefixes(group))];
	f.opcode = group->opcodes[take_digit(&index, strlen(group->opcodes))];
	rex = take_digit(&index, NR_REX);
	f.rex = rex ? 0x40 + rex - 1 : 0;
	place = take_digit(&index, NR_PLACES);
	f.reg = take_digit(&index, nr_reg_fields(group));
	if (is_immediate(f.opcode))
		f.reg = 0;
	f.mod = index;
	f.rm = place < ARRAY_SIZE(plain_rms) ? plain_rms[place] : 4;
	f.sib = place - ARRAY_SIZE(plain_rms);
	return f;
}

static bool has_prefix(const struct form *f, int prefix)
{
	return strchr(f->prefixes, prefix);
}

static bool is_locked(const struct form *f)
{
	return has_prefix(f, (char)0xf0);
}

static u32 width_of(const struct form *f)
{
	if (!(f->opcode & 1))
		return 1;
	if (f->rex & REX_W)
		return 8;
	return has_prefix(f, 0x66) ? 2 : 4;
}

/* All registers as x86 numbers them. */
static __u64 *reg_of(struct kvm_regs *r, int number)
{
	__u64 *const regs[] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
		&r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15,
	};

	return regs[number];
}

static bool has_sib(const struct form *f)
{
	return !is_absolute(f->opcode) && f->rm == 4;
}

static bool has_no_base(const struct form *f)
{
	return is_absolute(f->opcode) || (!f->mod && (has_sib(f) ? f->sib & 7 : f->rm) == 5);
}

static int base_of(const struct form *f)
{
	if (has_no_base(f))
		return has_sib(f) || is_absolute(f->opcode) ? NO_REG : NR_RIP;
	return (has_sib(f) ? f->sib & 7 : f->rm) + (f->rex & REX_B ? 8 : 0);
}

static int index_of(const struct form *f)
{
	int index = (f->sib >> 3 & 7) + (f->rex & REX_X ? 8 : 0);

	return has_sib(f) && index != 4 ? index : NO_REG;
}

static unsigned int displacement_size(const struct form *f)
{
	if (is_absolute(f->opcode))
		return has_prefix(f, 0x67) ? 4 : 8;
	if (f->mod == 1)
		return 1;
	return f->mod == 2 || has_no_base(f) ? 4 : 0;
}

static unsigned int immediate_size(const struct form *f)
{
	return is_immediate(f->opcode) ? min_t(u32, width_of(f), 4) : 0;
}

/* It has either sign, and is a multiple of 8, so that scaled registers can add up. */
static s64 any_displacement(const struct form *f)
{
	switch (displacement_size(f)) {
	case 1:
		return (s8)f->salt & ~7l;
	case 4:
		return (s32)f->salt & ~7l;
	default:
		return 0;
	}
}

/* Base and index are one register, which counts 2, 3, 5 or 9 times. */
static u64 divide(u64 product, int shift)
{
	static const u64 inverses[] = {
		0, 0xaaaaaaaaaaaaaaab, 0xcccccccccccccccd, 0x8e38e38e38e38e39,
	};

	return shift ? product * inverses[shift] : product / 2;
}

static u64 segment_base(const struct form *f)
{
	return (has_prefix(f, 0x64) ? INSN_FS_BASE : 0) + (has_prefix(f, 0x65) ? INSN_GS_BASE : 0);
}

/* Returns the displacement. */
static u64 set_address(const struct form *f, struct insn_case *c, u64 next)
{
	int base = base_of(f), index = index_of(f), shift = f->sib >> 6;
	u64 target = c->gpa - segment_base(f), disp = any_displacement(f);

	if (base == NR_RIP)
		return target - next;
	if (base == NO_REG && index == NO_REG)
		return target;

	target -= disp;
	if (base == NO_REG)
		*reg_of(&c->regs, index) = target >> shift;
	else if (base == index)
		*reg_of(&c->regs, base) = divide(target, shift);
	else if (index == NO_REG)
		*reg_of(&c->regs, base) = target;
	else
		*reg_of(&c->regs, base) = target - (*reg_of(&c->regs, index) << shift);
	return disp;
}

static void put(struct insn_case *c, u64 bytes, unsigned int size)
{
	TEST_ASSERT(c->len + size <= sizeof(c->code), "an instruction has 15 bytes at most");
	memcpy(c->code + c->len, &bytes, size);
	c->len += size;
}

static void put_opcode(const struct form *f, struct insn_case *c)
{
	const char *prefix;

	for (prefix = f->prefixes; *prefix; prefix++)
		put(c, *prefix, 1);
	if (f->rex)
		put(c, f->rex, 1);
	put(c, f->opcode, 1);
	if (!is_absolute(f->opcode))
		put(c, f->mod << 6 | f->reg << 3 | f->rm, 1);
	if (has_sib(f))
		put(c, f->sib, 1);
}

static int source_of(const struct form *f)
{
	return is_absolute(f->opcode) ? 0 : f->reg + (f->rex & REX_R ? 8 : 0);
}

/* AH, CH, DH, BH. */
static bool is_high_byte(const struct form *f)
{
	return width_of(f) == 1 && !f->rex && !is_immediate(f->opcode) && source_of(f) >= 4;
}

static u64 value_of(const struct form *f, struct insn_case *c)
{
	u64 value;

	if (is_immediate(f->opcode))
		value = (s32)(f->salt >> IMMEDIATE_SHIFT);
	else if (is_high_byte(f))
		value = *reg_of(&c->regs, source_of(f) - 4) >> 8;
	else
		value = *reg_of(&c->regs, source_of(f));
	return value & WIDTH_MASK(c->width);
}

static void set_loaded(const struct form *f, struct insn_case *c)
{
	u64 loaded = LOADED_BYTE * (~0ull / 0xff) & WIDTH_MASK(c->width);
	int source = source_of(f);
	__u64 *reg;

	if (is_high_byte(f)) {
		reg = reg_of(&c->regs_after, source - 4);
		*reg = (*reg & ~0xff00ull) | loaded << 8;
		return;
	}
	reg = reg_of(&c->regs_after, source);
	*reg = c->width == 4 ? loaded : (*reg & ~WIDTH_MASK(c->width)) | loaded;
}

static bool is_served(const struct form *f)
{
	return strspn(f->prefixes, "\x66") == strlen(f->prefixes) && !is_xchg(f->opcode) &&
	       !is_high_byte(f) && base_of(f) != NR_RSP &&
	       (is_immediate(f->opcode) || source_of(f) != NR_RSP);
}

static void set_regs(struct kvm_regs *regs, u64 rip)
{
	int i;

	for (i = 0; i < 16; i++) {
		if (i != NR_RSP)
			*reg_of(regs, i) = 0x0123456789abcdef * (2 * i + 1);
	}
	regs->rip = rip;
	regs->rflags = CASE_RFLAGS;
}

/* A twin stores another register or immediate. */
static void make_twin(struct form *f)
{
	if (is_immediate(f->opcode))
		f->salt ^= 1ull << IMMEDIATE_SHIFT;
	else
		f->reg ^= 1;
}

bool insn_case_make(const struct insn_group *group, u64 index, u64 rip, bool twin,
		    struct insn_case *c)
{
	struct form f = make_form(group, index);
	unsigned int rest = displacement_size(&f) + immediate_size(&f);
	u64 disp;

	if (twin)
		make_twin(&f);
	c->len = 0;
	c->width = width_of(&f);
	c->gpa = INSN_MMIO_GPA + 0x100 + f.salt % 256 * 8 + (has_sib(&f) ? 0 : f.salt >> 8 & 7);
	c->faults = is_locked(&f) && !is_xchg(f.opcode);
	c->loads = is_xchg(f.opcode);
	c->served = is_served(&f);
	/* The guest needs its stack. */
	if (c->faults && base_of(&f) == NR_RSP)
		return false;

	set_regs(&c->regs, rip);
	put_opcode(&f, c);
	disp = set_address(&f, c, rip + c->len + rest);
	put(c, disp, displacement_size(&f));
	c->value = value_of(&f, c);
	put(c, c->value, immediate_size(&f));
	c->regs_after = c->regs;
	c->regs_after.rip = rip + c->len;
	if (c->loads)
		set_loaded(&f, c);
	return true;
}
