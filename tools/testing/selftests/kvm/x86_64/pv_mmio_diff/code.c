// SPDX-License-Identifier: GPL-2.0-only
/*
 * The code of a differential case: what it is, and where it goes.
 */
#include "diff.h"

#define SLOT_SIZE	64
#define SLOTS_PER_PAGE	(PAGE_SIZE / SLOT_SIZE)
/* The last slot of a page is left for code that crosses into the next page. */
#define NR_SLOTS	((NR_CODE_PAGES - 1) * (SLOTS_PER_PAGE - 1))
/* Half of what KVM can remember: with more, one of its sets might overflow. */
#define MAX_PLACES	256
#define DUMMY_SLOT	10

struct insn {
	u8 len;
	char code[8];
};

#define INSN(bytes)	{ sizeof(bytes) - 1, bytes }
/* The four fixed stores by width, then instructions that resemble them. */
static const struct insn insns[NR_INSNS] = {
	INSN("\x88\x02"), INSN("\x66\x89\x02"), INSN("\x89\x02"), INSN("\x48\x89\x02"),
	INSN("\x8a\x02"), INSN("\x66\x8b\x02"), INSN("\x8b\x02"), INSN("\x48\x8b\x02"),
	INSN("\x40\x88\x02"), INSN("\x3e\x88\x02"), INSN("\x67\x88\x02"), INSN("\x64\x89\x02"),
	INSN("\x66\x66\x89\x02"), INSN("\x66\x48\x89\x02"), INSN("\x48\x66\x89\x02"),
	INSN("\x4c\x89\x02"), INSN("\x41\x89\x02"), INSN("\x42\x89\x02"), INSN("\xf3\x89\x02"),
	INSN("\x89\x42\x00"), INSN("\x89\x06"), INSN("\x48\x89\x1a"), INSN("\x88\x22"),
	INSN("\xc6\x02\x01"), INSN("\x66\xc7\x02\x88\x77"), INSN("\x0f\xc3\x02"),
	INSN("\x86\x02"), INSN("\xf0\x87\x02"), INSN("\x01\x02"), INSN("\xf0\x48\x09\x02"),
	INSN("\xff\x02"), INSN("\xaa"), INSN("\x48\xab"), INSN("\xa4"), INSN("\x85\x02"),
	INSN("\x90\x89\x02"), INSN("\x0f\x38\xf1\x02"), INSN("\x0f\x0b"), INSN("\x90"),
	INSN("\x0f\xb6\x02"), INSN("\x0f\xbf\x02"), INSN("\x48\x63\x02"), INSN("\x3b\x02"),
	INSN("\xc7\x0a\x00\x00\x00\x00"), INSN("\xc6\xf8\x00"), INSN("\x8f\x02"),
	INSN("\x8c\x1a"), INSN("\x0f\xc0\x02"), INSN("\x0f\x11\x02"),
};

void diff_code(const struct diff_case *c, u64 rip, struct diff_code *code)
{
	const struct insn *known;

	*code = (struct diff_code) { .base = NO_REG, .index = NO_REG };
	if (c->f[F_INSN] == INSN_STORE) {
		diff_store(c, rip, code);
		return;
	}
	known = &insns[c->f[F_INSN] ? c->f[F_INSN] - 1 : c->f[F_WIDTH]];
	memcpy(code->bytes, known->code, known->len);
	code->len = known->len;
}

/* The plain store that KVM learns at this place before the case itself runs there. */
static struct diff_case primer(const struct diff_case *c, int run)
{
	struct diff_case plain = {};

	plain.f[F_WIDTH] = c->f[F_WIDTH];
	plain.f[F_INSN] = c->f[F_INSN];
	plain.f[F_ENCODING] = c->f[F_ENCODING];
	plain.f[F_VALUE] = c->f[F_VALUE];
	plain.f[F_CROSS] = c->f[F_CROSS];
	plain.f[F_CODE_HIGH] = c->f[F_CODE_HIGH];
	/* After the VMM's change, KVM has to learn the code again, without a doorbell. */
	if (run && c->f[F_VMM])
		plain.f[F_PAGE] = P_VOID;
	if (c->f[F_PRIMED] == PRIMED_USER) {
		plain.f[F_MODE] = M_64_USER;
		plain.f[F_MAP] = MAP_USER;
	}
	/* A place is another one in another mode. */
	if (!diff_is_64bit(c)) {
		plain.f[F_MODE] = c->f[F_MODE];
		plain.f[F_MAP] = c->f[F_MODE] == M_COMPAT_USER ? MAP_USER : MAP_KERNEL;
	}
	return plain;
}

/* Some changes are undone in the last run, to see what is left of them. */
static bool is_changed(const struct diff_case *c, int run)
{
	if (c->f[F_CHANGE] == CHANGE_REWRITE || c->f[F_CHANGE] == CHANGE_PTE)
		return run >= DIFF_CHANGES;

	return c->f[F_CHANGE] && run == DIFF_CHANGES;
}

/* The case with the changes for @run. */
struct diff_case diff_step(const struct diff_case *c, int run)
{
	struct diff_case step = *c;

	if (run < DIFF_CHANGES)
		return c->f[F_PRIMED] ? primer(c, run) : step;
	if (!is_changed(c, run))
		return step;

	if (c->f[F_CHANGE] == CHANGE_ALIAS)
		step.f[F_CODE_HIGH] = !step.f[F_CODE_HIGH];
	if (c->f[F_CHANGE] >= CHANGE_CR3)
		return step;

	step.f[F_INSN] = c->f[F_NEW_INSN];
	step.f[F_ENCODING] = c->f[F_NEW_ENCODING];
	return step;
}

/* The copy serves for CHANGE_PTE, too, as a new CR3 makes KVM flush the TLB. */
enum diff_space diff_space(const struct diff_case *c, int run)
{
	if (!is_changed(c, run))
		return SPACE_OWN;

	switch (c->f[F_CHANGE]) {
	case CHANGE_SPACE:
		return SPACE_CODE;
	case CHANGE_DATA:
		return SPACE_DATA;
	case CHANGE_PTE:
	case CHANGE_CR3:
		return SPACE_COPY;
	default:
		return SPACE_OWN;
	}
}

/* KVM forgets which code it knew when the memory map changes. */
static void change_memory_map(struct diff_vm *v)
{
	const u64 gpa = SYSTEM_GPA - PAGE_SIZE * 16;

	vm_set_user_memory_region(v->vm, DUMMY_SLOT, 0, gpa, PAGE_SIZE, v->rom);
	vm_set_user_memory_region(v->vm, DUMMY_SLOT, 0, gpa, 0, v->rom);
}

/* Each case gets an RIP where nothing ran since the memory map changed. */
u64 diff_next_offset(struct diff_pair *p, u64 crossing)
{
	unsigned int slot;

	if (p->nr_places++ == MAX_PLACES || p->next_crossing == NR_CODE_PAGES - 1) {
		change_memory_map(&p->stock);
		change_memory_map(&p->pv);
		p->nr_places = 0;
		p->next_crossing = 0;
	}
	if (crossing)
		return ++p->next_crossing * PAGE_SIZE - crossing;

	slot = p->next_slot++ % NR_SLOTS;
	return slot / (SLOTS_PER_PAGE - 1) * PAGE_SIZE + slot % (SLOTS_PER_PAGE - 1) * SLOT_SIZE +
	       SLOT_SIZE / 2;
}

u64 diff_rip(const struct diff_case *c, u64 offset)
{
	return SYSTEM_PAGE_GVA(PG_CODE) + offset + (c->f[F_CODE_HIGH] ? HIGH_HALF : 0);
}

/* What the guest executes before the instruction, to get an interrupt shadow. */
static const char * const leads[NR_SHADOWS] = {
	[INSN_STI] = "\xfb",			/* sti */
	[INSN_MOV_SS] = "\x41\x8e\xd6",	/* mov %r14d,%ss */
};

unsigned int diff_lead_len(const struct diff_case *c)
{
	const char *lead = leads[c->f[F_SHADOW]];

	return lead ? strlen(lead) : 0;
}

/* The rest of the slot is port I/O, which ends the run wherever RIP ends up. */
static void place(char *at, const struct diff_case *step, u64 rip)
{
	const unsigned int lead = diff_lead_len(step);
	char bytes[SLOT_SIZE] = {}, *insn = bytes + SLOT_SIZE / 2;
	struct diff_code code;
	int i;

	diff_code(step, rip, &code);
	memcpy(insn, code.bytes, code.len);
	for (i = code.len; i < SLOT_SIZE / 2 - 1; i += 2) {
		insn[i] = 0xe6;
		insn[i + 1] = (char)END_PORT;
	}
	if (lead)
		memcpy(insn - lead, leads[step->f[F_SHADOW]], lead);
	/* Emulated CPUs translate code anew after each write, so avoid needless ones. */
	if (memcmp(at - lead, insn - lead, lead + SLOT_SIZE / 2))
		memcpy(at - lead, insn - lead, lead + SLOT_SIZE / 2);
}

void diff_place_code(struct diff_vm *v, const struct diff_case *c, int run, u64 offset)
{
	const struct diff_case step = diff_step(c, run);
	unsigned int page = PG_CODE;

	if (is_changed(c, run) &&
	    (c->f[F_CHANGE] == CHANGE_SPACE || c->f[F_CHANGE] == CHANGE_PTE))
		page = PG_OTHER_CODE;
	place(SYSTEM_PAGE(v, page) + offset, &step, diff_rip(&step, offset));
	if (c->f[F_CHANGE] == CHANGE_PTE && run == DIFF_CHANGES)
		*diff_code_pte(v, offset / PAGE_SIZE) += NR_CODE_PAGES * PAGE_SIZE;
}
