// SPDX-License-Identifier: GPL-2.0-only
/*
 * Draws the cases of the differential test.  Most are a store to a device, with
 * at most one deviation: fully random cases would hardly ever be stores.
 */
#include "diff.h"

const char * const diff_kind_names[NR_KINDS] = {
	[K_PLAIN] = "fixed instructions",
	[K_STORE] = "any store",
	[K_INSN] = "other instructions",
	[K_ADDRESS] = "address",
	[K_MAP] = "mapping",
	[K_MODE] = "CPU mode",
	[K_CODE32] = "32-bit code",
	[K_FLAGS] = "RFLAGS and control registers",
	[K_SHADOW] = "interrupt shadow",
	[K_BREAKPOINT] = "breakpoints of the guest",
	[K_DEBUG] = "guest debug",
	[K_EVENT] = "event delivery",
	[K_CROSS] = "code across a page",
	[K_REWRITE] = "rewritten code",
	[K_REMAP] = "remapped code",
	[K_CR3] = "other page tables and addresses",
	[K_VMM] = "changes by the VMM",
	[K_ALL] = "everything at once",
};

u64 diff_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static u64 below(u64 *rng, u64 n)
{
	return (diff_random(rng) >> 16) % n;
}

static bool one_in(u64 *rng, u64 n)
{
	return !below(rng, n);
}

static u64 draw_value(u64 *rng)
{
	switch (below(rng, 8)) {
	case 0:
		return diff_random(rng);
	case 1:
		return DIFF_VALUE ^ BIT_ULL(below(rng, 64));
	case 2:
		return DIFF_VALUE + below(rng, 2 * DIFF_VALUES);
	case 3:
		return 0;
	default:
		return DIFF_VALUE;
	}
}

static u64 draw_offset(u64 *rng)
{
	static const u8 deltas[] = { 0, 0, 0, 0, 0, 4, 8, 1, 2, 3, 7, 16 };

	return below(rng, NR_STATIONS) * STATION_SIZE + deltas[below(rng, ARRAY_SIZE(deltas))];
}

static u64 draw_insn(u64 *rng)
{
	return 1 + below(rng, NR_INSNS);
}

/* See store.c.  Most of these are stores that KVM serves. */
static u64 draw_encoding(u64 *rng)
{
	u64 encoding = diff_random(rng);

	/* Few have prefixes that KVM leaves to the emulator, or don't access memory. */
	if (!one_in(rng, 6))
		encoding &= ~BIT_ULL(6);
	if (!one_in(rng, 16) && (encoding >> 30 & 3) == 3)
		encoding &= ~BIT_ULL(31);
	/* An address relative to RIP, or of 32 bits. */
	if (one_in(rng, 6))
		encoding = (encoding & ~(0xc7ull << 24)) | 5 << 24;
	return encoding;
}

static void draw_lapic_offset(u64 *rng, struct diff_case *c)
{
	/* Only registers that don't reset the vCPU or depend on the time. */
	static const u16 registers[] = { 0x20, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x350, 0x360 };

	c->f[F_OFFSET] = registers[below(rng, ARRAY_SIZE(registers))];
}

static void draw_address(u64 *rng, struct diff_case *c)
{
	c->f[F_PAGE] = below(rng, NR_PAGES);
	if (c->f[F_PAGE] == P_LAPIC)
		draw_lapic_offset(rng, c);
	else if (c->f[F_PAGE] == P_IOAPIC)
		c->f[F_OFFSET] = below(rng, 5) * 16;
	else if (one_in(rng, 2))
		c->f[F_OFFSET] = PAGE_SIZE - 1 - below(rng, 9);
	else if (one_in(rng, 2))
		c->f[F_OFFSET] = draw_offset(rng);
	else
		c->f[F_OFFSET] = one_in(rng, 2) ? 0 : below(rng, PAGE_SIZE);
	c->f[F_HIGH] = one_in(rng, 3);
}

static void draw_flags(u64 *rng, struct diff_case *c)
{
	static const u8 bits[] = { 8, 9, 16, 18, 16, 10, 14, 21, 12 };	/* TF, IF, RF, AC, ... */

	c->f[F_RFLAGS] ^= BIT(bits[below(rng, ARRAY_SIZE(bits))]);
	if (one_in(rng, 3))
		c->f[F_RFLAGS] ^= BIT(bits[below(rng, 4)]);
	if (one_in(rng, 2))
		c->f[F_CR] = below(rng, 16);
}

static void draw_map(u64 *rng, struct diff_case *c)
{
	c->f[F_MAP] = 1 + below(rng, NR_MAPS - 1);
	c->f[F_CR] = below(rng, 4);
	if (one_in(rng, 2))
		c->f[F_RFLAGS] |= FLAG_AC;
	if (one_in(rng, 4))
		c->f[F_MODE] = M_64_USER;
}

static void draw_mode(u64 *rng, struct diff_case *c)
{
	c->f[F_MODE] = 1 + below(rng, NR_MODES - 1);
	if (!one_in(rng, 4) && (c->f[F_MODE] == M_64_USER || c->f[F_MODE] == M_COMPAT_USER))
		c->f[F_MAP] = MAP_USER;
}

static void draw_code32(u64 *rng, struct diff_case *c)
{
	c->f[F_MODE] = M_COMPAT_KERNEL + below(rng, NR_MODES - M_COMPAT_KERNEL);
	if (c->f[F_MODE] == M_COMPAT_USER)
		c->f[F_MAP] = MAP_USER;
	if (one_in(rng, 2))
		c->f[F_INSN] = INSN_STORE;
	if (one_in(rng, 3))
		c->f[F_SEGMENTS] = 1 + below(rng, NR_SEGMENTS - 1);
}

static void draw_event(u64 *rng, struct diff_case *c)
{
	c->f[F_EVENT] = 1 + below(rng, NR_EVENTS - 1);
	/* The CPU pushes the first word of the interrupt's frame there. */
	if (c->f[F_EVENT] == EVENT_TO_MMIO)
		c->f[F_OFFSET] = (one_in(rng, 2) ? STATION_AT_8 * STATION_SIZE :
						   c->f[F_OFFSET] & ~0xfull) | 8;
}

static void draw_vmm(u64 *rng, struct diff_case *c)
{
	c->f[F_VMM] = 1 + below(rng, NR_VMMS - 1);
	/* At offset 0 the first runs rang, and RAM has an ioeventfd. */
	if (one_in(rng, 2) || c->f[F_VMM] == VMM_DROPS_RAM)
		c->f[F_OFFSET] = 0;
	if (c->f[F_VMM] == VMM_DROPS_RAM)
		c->f[F_PAGE] = P_RAM;
}

/* Chooses the new code for a place that KVM knows: mostly another store. */
static void draw_change(u64 *rng, struct diff_case *c)
{
	c->f[F_NEW_INSN] = one_in(rng, 2) ? INSN_STORE : draw_insn(rng);
	c->f[F_NEW_ENCODING] = draw_encoding(rng);
}

static void draw_other_tables(u64 *rng, struct diff_case *c)
{
	c->f[F_CHANGE] = CHANGE_CR3 + below(rng, 3);
	if (one_in(rng, 2))
		c->f[F_CR] ^= CR_PCID;
	if (one_in(rng, 4)) {
		c->f[F_MODE] = M_64_USER;
		c->f[F_MAP] = MAP_USER;
	}
}

static void deviate(u64 *rng, struct diff_case *c, enum diff_kind kind)
{
	switch (kind) {
	case K_INSN:
		c->f[F_INSN] = draw_insn(rng);
		break;
	case K_STORE:
		c->f[F_INSN] = INSN_STORE;
		break;
	case K_ADDRESS:
		draw_address(rng, c);
		break;
	case K_MAP:
		draw_map(rng, c);
		break;
	case K_MODE:
		draw_mode(rng, c);
		break;
	case K_CODE32:
		draw_code32(rng, c);
		break;
	case K_FLAGS:
		draw_flags(rng, c);
		break;
	case K_SHADOW:
		c->f[F_SHADOW] = 1 + below(rng, NR_SHADOWS - 1);
		break;
	case K_BREAKPOINT:
		c->f[F_DR7] = 1 + below(rng, NR_DR7S - 1);
		break;
	case K_DEBUG:
		c->f[F_DEBUG] = 1 + below(rng, NR_DEBUGS - 1);
		break;
	case K_EVENT:
		draw_event(rng, c);
		break;
	case K_CROSS:
		c->f[F_CROSS] = 1 + below(rng, c->f[F_INSN] ? 10 : 3);
		break;
	case K_REWRITE:
		c->f[F_CHANGE] = one_in(rng, 2) ? CHANGE_REWRITE : CHANGE_BACK;
		draw_change(rng, c);
		break;
	case K_REMAP:
		c->f[F_CHANGE] = one_in(rng, 2) ? CHANGE_SPACE : CHANGE_PTE;
		draw_change(rng, c);
		break;
	case K_CR3:
		draw_other_tables(rng, c);
		break;
	case K_VMM:
		draw_vmm(rng, c);
		break;
	default:
		break;
	}
}

static bool may_load(const struct diff_case *c)
{
	return (c->f[F_INSN] && c->f[F_INSN] != INSN_STORE) ||
	       (c->f[F_CHANGE] && c->f[F_NEW_INSN] != INSN_STORE);
}

/* Does the case's address, or that in its other registers, have length 0? */
static bool has_length_0(const struct diff_case *c)
{
	const u64 station = c->f[F_OFFSET] / STATION_SIZE;

	return station < NR_STATIONS && stations[station].bells[0].used &&
	       !stations[station].bells[0].len;
}

/*
 * Without the capability, KVM on Intel takes a load from an ioeventfd of length 0
 * for a doorbell.  That difference is intended, so avoid it.
 *
 * Intel CPUs refuse to enter a guest in a state that no CPU can be in, and
 * KVM then keeps the event for whatever runs next.
 */
void diff_make_possible(struct diff_case *c)
{
	/* There is nothing at the addresses that others have in the upper half. */
	if (!diff_is_64bit(c)) {
		c->f[F_HIGH] = 0;
		c->f[F_CODE_HIGH] = 0;
	}
	if (c->f[F_EVENT] && c->f[F_SHADOW] <= SHADOW_STI)
		c->f[F_SHADOW] = SHADOW_NONE;
	if (c->f[F_EVENT] || c->f[F_SHADOW] == SHADOW_STI)
		c->f[F_RFLAGS] |= FLAG_IF;
	if (c->f[F_SHADOW] == SHADOW_STI || c->f[F_SHADOW] == SHADOW_MOV_SS)
		c->f[F_RFLAGS] &= ~FLAG_TF;
	if (!host_cpu_is_amd && may_load(c) && has_length_0(c))
		c->f[F_OFFSET] = 0;
}

static enum diff_kind draw_kind(u64 *rng)
{
	u64 pick = below(rng, 100);

	if (pick < 15)
		return K_PLAIN;
	if (pick < 40)
		return K_STORE;
	if (pick >= 95)
		return K_ALL;
	/* These two take long, and little can go wrong in them. */
	if (one_in(rng, 80))
		return K_VMM;
	if (one_in(rng, 40))
		return K_CROSS;
	do {
		pick = K_INSN + below(rng, K_ALL - K_INSN);
	} while (pick == K_VMM || pick == K_CROSS);
	return pick;
}

static void draw_plain(u64 *rng, struct diff_case *c)
{
	c->f[F_WIDTH] = below(rng, 4);
	c->f[F_VALUE] = draw_value(rng);
	c->f[F_OFFSET] = one_in(rng, 3) ? 0 : draw_offset(rng);
	c->f[F_OTHER] = below(rng, NR_OTHERS);
	c->f[F_RFLAGS] = diff_random(rng) & STATUS_FLAGS;
	c->f[F_HIGH] = one_in(rng, 3);
	c->f[F_CODE_HIGH] = one_in(rng, 2) ? c->f[F_HIGH] : one_in(rng, 2);
	c->f[F_ENCODING] = draw_encoding(rng);
	if (one_in(rng, 8))
		c->f[F_RFLAGS] |= FLAG_IF;
	if (one_in(rng, 8))
		c->f[F_RFLAGS] |= FLAG_DF;
	if (one_in(rng, 8))
		c->f[F_PAGE] = P_VOID;
}

enum diff_kind diff_generate(struct diff_case *c, u64 seed, u64 index)
{
	u64 rng = seed ^ (index * 0xd1342543de82ef95ull);
	enum diff_kind kind;
	int i;

	diff_random(&rng);
	memset(c, 0, sizeof(*c));
	kind = draw_kind(&rng);
	draw_plain(&rng, c);
	if (kind != K_PLAIN && one_in(&rng, 2))
		c->f[F_INSN] = INSN_STORE;
	deviate(&rng, c, kind);
	if (one_in(&rng, 4))
		deviate(&rng, c, draw_kind(&rng));
	for (i = 0; kind == K_ALL && i < 8; i++)
		deviate(&rng, c, 1 + below(&rng, K_VMM - 1));
	diff_make_possible(c);
	/* KVM learns only these, so only before these a plain store makes a difference. */
	if (kind > K_STORE && (!c->f[F_INSN] || c->f[F_INSN] == INSN_STORE) && !one_in(&rng, 4))
		c->f[F_PRIMED] = one_in(&rng, 4) ? PRIMED_USER : PRIMED_KERNEL;
	return kind;
}
