// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doorbells of the stress test, and the guest that rings them.
 */
#include "stress.h"

#define FIXED		BIT(MATCH)
#define BESIDE		(BIT(ABSENT) | BIT(MATCH) | BIT(OTHER_VALUE) | BIT(ALIKE_VALUE))
#define ALL_REGS	(BIT(NR_REGS) - BIT(ABSENT))
#define NO_MATCH	(BIT(ABSENT) | BIT(ALL_LENGTHS) | BIT(OTHER_LENGTH))

/* Passes between two stops, at which a vCPU may be reset. */
#define PASSES		8

const struct stress_bell stress_bells[NR_STRESS_BELLS] = {
	{ "fixed store",		STORE, 2, 0, false, FIXED },
	{ "fixed hypercall",		HYPERCALL, 4, 1, false, FIXED },
	{ "fixed out",			PORT_OUT, 2, 0, false, FIXED },
	{ "compiled store to length 0",	COMPILED_STORE, 4, 2, false, BIT(ALL_LENGTHS) },
	{ "store at a fixed one's",	STORE, 2, 0, false, BESIDE },
	{ "hypercall at a fixed one's",	HYPERCALL, 4, 1, false, BESIDE },
	{ "out at a fixed one's",	PORT_OUT, 2, 0, false, BESIDE },
	{ "store, 1 byte",		STORE, 1, 3, false, ALL_REGS },
	{ "store, 4 bytes",		STORE, 4, 4, false, ALL_REGS },
	{ "store, 8 bytes",		STORE, 8, 5, false, ALL_REGS },
	{ "hypercall, 1 byte",		HYPERCALL, 1, 6, false, ALL_REGS },
	{ "hypercall, 8 bytes",		HYPERCALL, 8, 7, false, ALL_REGS },
	{ "out, 1 byte",		PORT_OUT, 1, 1, false, ALL_REGS },
	{ "out, 4 bytes",		PORT_OUT, 4, 2, false, ALL_REGS },
	{ "compiled store, 4 bytes",	COMPILED_STORE, 4, 8, false, NO_MATCH },
	{ "store, fickle page",	STORE, 4, 0, true, BIT(ALL_VALUES) },
	{ "hypercall, fickle page",	HYPERCALL, 8, 1, true, FIXED },
	/* Not of length 0: on Intel, stock KVM signals that even right after RAM was added. */
	{ "compiled store, fickle page", COMPILED_STORE, 4, 2, true, BIT(ALL_VALUES) },
};

struct stress_shared stress_shared;

/*
 * Addresses don't touch, because the bus fails to sort an 8-byte ioeventfd that
 * ends where one of length 0 begins, and may then find neither.
 */
u64 stress_addr(const struct stress_bell *bell, u32 vcpu)
{
	if (bell->how == PORT_OUT)
		return STRESS_PORT + 16 * bell->cell;

	return 16 * bell->cell + (bell->fickle ? FICKLE_GPA + 64 * vcpu : STRESS_GPA);
}

/* All differ in their last byte, even if bit 7 is toggled. */
static u64 stress_register(u32 bell)
{
	return 0x1122334455667701 + bell;
}

u64 stress_value(u32 bell)
{
	return stress_register(bell) & (~0ull >> (64 - 8 * stress_bells[bell].width));
}

/* Equals the value only if KVM compares too many or too few of its bytes. */
u64 stress_value_alike(u32 bell)
{
	return stress_bells[bell].width < 8 ? stress_register(bell) : (u32)stress_value(bell);
}

void stress_word_set(u64 *word, enum stress_state state)
{
	__atomic_store_n(word, ((*word | 0xff) + 1) | state, __ATOMIC_SEQ_CST);
}

static void guest_pv_store(u32 width, u64 addr, u64 value)
{
	if (width == 1)
		guest_pv_store_1(addr, value);
	else if (width == 2)
		guest_pv_store_2(addr, value);
	else if (width == 4)
		guest_pv_store_4(addr, value);
	else
		guest_pv_store_8(addr, value);
}

static void guest_out(u32 width, u16 port, u64 value)
{
	if (width == 1)
		asm volatile("outb %%al, %%dx" : : "a"(value), "d"(port) : "memory");
	else if (width == 2)
		asm volatile("outw %%ax, %%dx" : : "a"(value), "d"(port) : "memory");
	else
		asm volatile("outl %%eax, %%dx" : : "a"(value), "d"(port) : "memory");
}

/* Returns the hypercall's result, and 0 for all else. */
static u64 guest_ring(enum stress_how how, u32 width, u64 addr, u64 value)
{
	switch (how) {
	case STORE:
		guest_pv_store(width, addr, value);
		break;
	case COMPILED_STORE:
		WRITE_ONCE(*(u32 *)addr, value);
		break;
	case HYPERCALL:
		return kvm_hypercall(KVM_HC_MMIO_WRITE, addr, value, width, 0);
	case PORT_OUT:
		guest_out(width, addr, value);
		break;
	}
	return 0;
}

static bool is_store(const struct stress_bell *bell)
{
	return bell->how == STORE || bell->how == COMPILED_STORE;
}

static struct stress_words guest_words(u32 i)
{
	const struct stress_bell *bell = &stress_bells[i];
	struct stress_shared *shared = &stress_shared;

	asm volatile("mfence" : : : "memory");
	return (struct stress_words) {
		.reg = READ_ONCE(shared->bells[i]),
		.page = bell->fickle ? READ_ONCE(shared->page) : NO_PAGE,
		.hypercalls = bell->how == HYPERCALL ? READ_ONCE(shared->hypercalls) :
						       HYPERCALLS_ON,
		.stores = is_store(bell) ? READ_ONCE(shared->stores) : STORES_ON,
	};
}

static enum stress_state common_state(u64 before, u64 after)
{
	return before == after ? stress_word_state(before) : CHANGING;
}

/* The states that held from before to after. */
static struct stress_words common_words(struct stress_words before, struct stress_words after)
{
	return (struct stress_words) {
		.reg = common_state(before.reg, after.reg),
		.page = common_state(before.page, after.page),
		.hypercalls = common_state(before.hypercalls, after.hypercalls),
		.stores = common_state(before.stores, after.stores),
	};
}

/* w.stores has no say, as a store has the same outcome served or emulated. */
static enum stress_outcome words_outcome(struct stress_words w)
{
	if (w.reg == CHANGING || w.page == CHANGING || w.hypercalls == CHANGING)
		return ANYTHING;
	if (w.hypercalls == HYPERCALLS_OFF)
		return REFUSED;
	if (w.page == RAM)
		return TO_RAM;

	return stress_is_signalled(w.reg) ? SIGNAL : TO_VMM;
}

/* The states that decided the outcome. */
static u64 words_met(struct stress_words w)
{
	switch (words_outcome(w)) {
	case ANYTHING:
		return 0;
	case REFUSED:
		return BIT(HYPERCALLS_OFF);
	case TO_RAM:
		return BIT(RAM) | BIT(w.hypercalls);
	default:
		return BIT(w.reg) | BIT(w.page) | BIT(w.hypercalls) | BIT(w.stores);
	}
}

/* Returns NR_OUTCOMES if what happened isn't a valid outcome. */
static enum stress_outcome guest_outcome(struct stress_vcpu *me, u32 i, u64 addr, u64 exits,
					 u64 ram, u64 ret)
{
	u64 value = stress_value(i);

	exits = READ_ONCE(me->exits) - exits;
	if (ret == -KVM_ENOSYS && !exits && !ram)
		return REFUSED;
	if (ret == -KVM_EFAULT && !exits && !ram)
		return TO_RAM;
	if (ret)
		return NR_OUTCOMES;
	if (!exits && ram == value)
		return TO_RAM;
	if (!exits && !ram)
		return SIGNAL;
	if (exits == 1 && !ram && me->exit_addr == addr && me->exit_value == value &&
	    me->exit_len == stress_bells[i].width)
		return TO_VMM;

	return NR_OUTCOMES;
}

static void guest_note(struct stress_vcpu *me, u32 i, enum stress_outcome expected,
		       enum stress_outcome got)
{
	if (got < NR_OUTCOMES) {
		me->outcomes[i][got]++;
		if (expected == ANYTHING || expected == got)
			return;
	}
	if (!me->mistakes++) {
		me->bell = i;
		me->expected = expected;
		me->got = got;
	}
}

static void guest_ring_bell(u32 vcpu, u32 i)
{
	const struct stress_bell *bell = &stress_bells[i];
	struct stress_vcpu *me = &stress_shared.vcpus[vcpu];
	u64 addr = stress_addr(bell, vcpu), exits = READ_ONCE(me->exits), ret;
	u64 *alias = bell->fickle ? (u64 *)(addr - FICKLE_GPA + ALIAS_GPA) : NULL;
	/* Bits of the register beyond the width aren't part of the value. */
	u64 value = me->rings[i] % 4 ? stress_register(i) : stress_value(i);
	struct stress_words before, after;

	if (alias)
		WRITE_ONCE(*alias, 0);
	before = guest_words(i);
	ret = guest_ring(bell->how, bell->width, addr, value);
	after = guest_words(i);

	me->met[i] |= words_met(common_words(me->words[i], after));
	me->words[i] = before;
	me->rings[i]++;
	guest_note(me, i, words_outcome(common_words(before, after)),
		   guest_outcome(me, i, addr, exits, alias ? READ_ONCE(*alias) : 0, ret));
}

void guest_stress(u64 vcpu)
{
	int pass, i;

	while (!READ_ONCE(stress_shared.stop)) {
		for (pass = 0; pass < PASSES; pass++)
			for (i = 0; i < NR_STRESS_BELLS; i++)
				guest_ring_bell(vcpu, i);
		GUEST_SYNC(0);
	}
	GUEST_DONE();
}

/* The guest of a VM that soon goes away: it rings only the first four doorbells. */
void guest_short_life(u64 rings)
{
	const struct stress_bell *bell;
	int i;

	while (rings--) {
		for (i = 0; i < 4; i++) {
			bell = &stress_bells[i];
			guest_ring(bell->how, bell->width, stress_addr(bell, 0), stress_value(i));
		}
	}
	GUEST_DONE();
}
