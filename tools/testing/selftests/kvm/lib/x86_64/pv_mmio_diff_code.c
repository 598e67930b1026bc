// SPDX-License-Identifier: GPL-2.0-only
/*
 * The code of a differential case: what it is, and where it goes.
 */
#include "pv_mmio_diff.h"

#define SLOT_SIZE	32
#define SLOTS_PER_PAGE	(PAGE_SIZE / SLOT_SIZE)
/* The end of a page is for code that crosses into the next. */
#define NR_SLOTS	((NR_CODE_PAGES - 1) * (SLOTS_PER_PAGE - 1))
#define DUMMY_SLOT	10

struct insn {
	u8 len;
	char code[6];
};

#define INSN(bytes)	{ sizeof(bytes) - 1, bytes }
/* The four stores of the contract by width, then what comes close. */
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
};

/* Prefix, opcode and ModRM of @random; what follows them is fixed by ModRM. */
static unsigned int random_insn(u64 random, char *code)
{
	static const u8 prefixes[] = { 0x66, 0x48, 0x3e, 0x40, 0x67, 0x66, 0x48, 0x49 };
	static const u8 opcodes[] = { 0x88, 0x89, 0x88, 0x89, 0x8a, 0x8b, 0x86, 0x31 };
	const u8 modrm = random >> 8, mod = modrm >> 6, rm = modrm & 7;
	unsigned int len = 0, displacement = 0;

	if (random & 0x08)
		code[len++] = prefixes[random & 7];
	code[len++] = opcodes[(random >> 4) & 7];
	code[len++] = modrm;
	if (mod != 3 && rm == 4)
		code[len++] = random >> 16;
	if (mod == 2 || (mod == 0 && (rm == 5 || (rm == 4 && (code[len - 1] & 7) == 5))))
		displacement = 4;
	else if (mod == 1)
		displacement = 1;
	/* Small, and never the code that follows. */
	memset(code + len, 0, displacement);
	if (displacement)
		code[len] = 0x40;
	return len + displacement;
}

/* The bytes of instruction number @insn, 0 for the width's fixed one. */
unsigned int diff_code(const struct diff_case *c, u64 insn, char *code)
{
	const struct insn *known;

	if (insn == INSN_RANDOM)
		return random_insn(c->f[F_MODRM], code);

	known = &insns[insn ? insn - 1 : c->f[F_WIDTH]];
	memcpy(code, known->code, known->len);
	return known->len;
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

	if (p->next_slot == NR_SLOTS || p->next_crossing == NR_CODE_PAGES - 1) {
		change_memory_map(&p->stock);
		change_memory_map(&p->pv);
		p->next_slot = 0;
		p->next_crossing = 0;
	}
	if (crossing)
		return ++p->next_crossing * PAGE_SIZE - crossing;

	slot = p->next_slot++;
	return slot / (SLOTS_PER_PAGE - 1) * PAGE_SIZE + slot % (SLOTS_PER_PAGE - 1) * SLOT_SIZE +
	       SLOT_SIZE / 2;
}

/* What the guest executes ahead of the instruction, to get an interrupt shadow. */
static const char * const leads[NR_SHADOWS] = {
	[INSN_STI] = "\xfb",			/* sti */
	[INSN_MOV_SS] = "\x41\x8e\xd6",	/* mov %r14d,%ss */
};

unsigned int diff_lead_len(const struct diff_case *c)
{
	const char *lead = leads[c->f[F_SHADOW]];

	return lead ? strlen(lead) : 0;
}

/* Behind the instruction: port I/O, also for who ends up between two. */
void diff_place_code(struct diff_vm *v, unsigned int page, u64 offset,
		     const struct diff_case *c, u64 insn)
{
	char *code = SYSTEM_PAGE(v, page) + offset;
	unsigned int i = diff_code(c, insn, code), lead = diff_lead_len(c);

	if (lead)
		memcpy(code - lead, leads[c->f[F_SHADOW]], lead);
	for (; i < SLOT_SIZE / 2; i += 2) {
		code[i] = 0xe6;
		code[i + 1] = (char)END_PORT;
	}
}
