// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints a differential case and what differs, and makes the case smaller.
 */
#include "diff.h"

#define NAMES(...)	{ __VA_ARGS__, NULL }

static const struct {
	const char *name;
	const char *values[9];
} fields[NR_FIELDS] = {
	[F_WIDTH] = { "width", NAMES("1", "2", "4", "8") },
	[F_INSN] = { "instruction" },
	[F_ENCODING] = { "encoding" },
	[F_VALUE] = { "rax" },
	[F_PAGE] = { "page", NAMES("doorbells", "MMIO, no device", "read-only memslot", "RAM",
				   "doorbells, after RAM", "I/O APIC", "local APIC") },
	[F_OFFSET] = { "offset" },
	[F_OTHER] = { "other registers", NAMES("as rdx", "MMIO, no device", "RAM", "offset + 8") },
	[F_HIGH] = { "upper half" },
	[F_CODE_HIGH] = { "code in the upper half" },
	[F_MAP] = { "mapping", NAMES("kernel", "kernel, read-only", "user", "user, read-only",
				     "not present") },
	[F_MODE] = { "mode", NAMES("64-bit kernel", "64-bit user", "compatibility kernel",
				   "compatibility user", "PAE kernel") },
	[F_SEGMENTS] = { "segments", NAMES("flat", "DS has a base", "SS has a base",
			"DS has a limit", "SS has a limit", "DS grows down",
			"DS is read-only", "DS is null") },
	[F_RFLAGS] = { "rflags" },
	[F_CR] = { "1: no CR0.WP, 2: CR4.SMAP, 4: CR0.AM, 8: CR4.PCIDE" },
	[F_SHADOW] = { "interrupt shadow", NAMES("none", "mov ss", "sti", "by a sti",
						"by a mov ss") },
	[F_DR7] = { "breakpoint", NAMES("none", "data", "store", "next instruction",
					"elsewhere") },
	[F_DEBUG] = { "guest debug", NAMES("none", "single step", "next instruction", "store",
					   "enabled only") },
	[F_EVENT] = { "event", NAMES("none", "interrupt", "interrupt, its stack is MMIO") },
	[F_CROSS] = { "bytes before the page's end" },
	[F_CHANGE] = { "in the third run, code", NAMES("stays", "is rewritten",
			"is rewritten, and back", "is that of other tables, and back",
			"is remapped", "has copied tables, and back",
			"has tables with other devices, and back",
			"runs in the other half, and back") },
	[F_NEW_INSN] = { "new instruction" },
	[F_NEW_ENCODING] = { "new encoding" },
	[F_VMM] = { "VMM", NAMES("does nothing", "adds RAM at the address",
				 "removes the ioeventfds", "drops the page of RAM") },
	[F_PRIMED] = { "ran as a plain store before", NAMES("no", "of the kernel", "of a user") },
};

/* The place isn't known here, so print the code as it is at offset 0. */
static void print_code(const struct diff_case *c, int run)
{
	struct diff_case step = diff_step(c, run);
	struct diff_code code;
	unsigned int i;

	diff_code(&step, diff_rip(&step, 0), &code);
	for (i = 0; i < code.len; i++)
		printf(" %02x", (u8)code.bytes[i]);
}

static void print_field(const struct diff_case *c, int field)
{
	const u64 value = c->f[field];

	printf("#   %s:", fields[field].name);
	if (field == F_INSN || field == F_NEW_INSN)
		print_code(c, field == F_INSN ? 0 : DIFF_CHANGES);
	else if (fields[field].values[0])
		printf(" %s", fields[field].values[value]);
	else
		printf(" %#lx", value);
	if (field == F_OFFSET && (c->f[F_PAGE] == P_BELL || c->f[F_PAGE] == P_BELL_AGAIN)) {
		if (value / STATION_SIZE < NR_STATIONS)
			printf(" (%s)", stations[value / STATION_SIZE].name);
	}
	printf("\n");
}

/* Prints the instruction, its width, and whatever else isn't plain. */
void diff_print_case(const struct diff_case *c)
{
	int i;

	for (i = 0; i < NR_FIELDS; i++) {
		if (i == F_NEW_INSN)
			continue;
		if (c->f[i] || i == F_WIDTH || i == F_INSN || i == F_PAGE || i == F_OFFSET)
			print_field(c, i);
	}
	if (c->f[F_CHANGE] && c->f[F_CHANGE] < CHANGE_CR3)
		print_field(c, F_NEW_INSN);
}

static void print_if(u64 stock, u64 pv, int run, const char *what)
{
	if (stock == pv)
		return;
	if (run)
		printf("#   run %d: ", run);
	else
		printf("#   ");
	printf("%s is %#lx without, %#lx with KVM_CAP_X86_PV_MMIO\n", what, stock, pv);
}

static void print_regs(const struct kvm_regs *stock, const struct kvm_regs *pv, int run)
{
	static const char * const names[] = {
		"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8", "r9", "r10", "r11",
		"r12", "r13", "r14", "r15", "rip", "rflags",
	};
	const __u64 *a = (const __u64 *)stock, *b = (const __u64 *)pv;
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		print_if(a[i], b[i], run, names[i]);
}

static void print_exits(const struct diff_run *stock, const struct diff_run *pv, int run)
{
	int i;

	print_if(stock->nr_exits, pv->nr_exits, run, "the number of accesses the VMM sees");
	for (i = 0; i < MAX_DIFF_EXITS; i++) {
		const struct diff_exit *a = &stock->exits[i], *b = &pv->exits[i];

		if (!memcmp(a, b, sizeof(*a)))
			continue;
		print_if(a->reason, b->reason, run, "the exit for an access (0: coalesced)");
		print_if(a->gpa, b->gpa, run, "its address");
		print_if(a->len, b->len, run, "its length");
		print_if(a->is_write, b->is_write, run, "its direction");
		print_if(a->data, b->data, run, "its value");
		print_if(a->rip, b->rip, run, "rip at that exit");
		print_if(a->rflags, b->rflags, run, "rflags at that exit");
	}
}

static void print_bytes(const void *stock, const void *pv, size_t size, int run, const char *what)
{
	const u8 *a = stock, *b = pv;
	char name[64];
	size_t i;

	for (i = 0; i < size; i++) {
		snprintf(name, sizeof(name), "byte %zu of %s", i, what);
		print_if(a[i], b[i], run, name);
	}
}

static void print_run(const struct diff_run *stock, const struct diff_run *pv, int run)
{
	print_if(stock->end, pv->end, run, "the last exit");
	print_if(stock->end_detail, pv->end_detail, run, "its port or suberror");
	print_regs(&stock->regs, &pv->regs, run);
	print_exits(stock, pv, run);
	print_if(stock->events.interrupt.shadow, pv->events.interrupt.shadow, run,
		 "the interrupt shadow");
	print_bytes(&stock->events, &pv->events, sizeof(pv->events), run, "KVM_GET_VCPU_EVENTS");
	print_if(stock->debug.pc, pv->debug.pc, run, "debug.arch.pc");
	print_if(stock->debug.dr6, pv->debug.dr6, run, "debug.arch.dr6");
}

/* Shows what a case does if nothing differs. */
void diff_print_runs(const struct diff_result *result)
{
	const struct diff_run *r;
	int i;

	for (i = 0; i < DIFF_RUNS; i++) {
		r = &result->runs[i];
		printf("#   run %d: %lu accesses, last exit %s, port or suberror %#lx, rip %#llx\n",
		       i + 1, r->nr_exits, exit_reason_str(r->end), r->end_detail, r->regs.rip);
	}
}

void diff_print_differences(struct diff_pair *p)
{
	const struct diff_result *stock = &p->stock_result, *pv = &p->pv_result;
	int i;

	for (i = 0; i < DIFF_RUNS; i++)
		print_run(&stock->runs[i], &pv->runs[i], i + 1);
	for (i = 0; i < MAX_BELLS_IN_ALL; i++)
		print_if(stock->rings[i], pv->rings[i], 0, "the count of an eventfd");
	print_if(stock->post_faults, pv->post_faults, 0, "the count of values not posted");
	print_bytes(&stock->slots, &pv->slots, sizeof(pv->slots), 0, "the slots");
	print_if(stock->retired, pv->retired, 0, "the count of retired instructions");
	print_if(stock->sregs.cr2, pv->sregs.cr2, 0, "cr2");
	print_if(stock->debugregs.dr6, pv->debugregs.dr6, 0, "dr6");
	print_bytes(&stock->sregs, &pv->sregs, sizeof(pv->sregs), 0, "KVM_GET_SREGS");
	print_bytes(&stock->lapic, &pv->lapic, sizeof(pv->lapic), 0, "KVM_GET_LAPIC");
	print_bytes(&stock->ioapic, &pv->ioapic, sizeof(pv->ioapic), 0, "KVM_GET_IRQCHIP");
	if (p->memory_differs)
		printf("#   memory differs\n");
}

/* Does the case also differ in new VMs, which no earlier case has changed? */
static bool differs_afresh(struct diff_pair *p, const struct diff_case *c)
{
	diff_pair_free(p);
	diff_pair_create(p);
	return diff_case_differs(p, c);
}

static bool try(struct diff_pair *p, struct diff_case *c, int field, u64 value)
{
	struct diff_case smaller = *c;

	if (smaller.f[field] == value)
		return false;
	smaller.f[field] = value;
	diff_make_possible(&smaller);
	if (!memcmp(&smaller, c, sizeof(*c)))
		return false;
	if (!differs_afresh(p, &smaller))
		return false;
	*c = smaller;
	return true;
}

static bool shrink_once(struct diff_pair *p, struct diff_case *c)
{
	bool smaller = false;
	int i, bit;

	for (i = 0; i < NR_FIELDS; i++)
		smaller |= try(p, c, i, 0);
	for (bit = 0; bit < 22; bit++)
		smaller |= try(p, c, F_RFLAGS, c->f[F_RFLAGS] & ~BIT_ULL(bit));
	for (bit = 0; bit < 64 && c->f[F_INSN] == INSN_STORE; bit += 4)
		smaller |= try(p, c, F_ENCODING, c->f[F_ENCODING] & ~(0xfull << bit));
	return smaller;
}

/* Returns false if the case alone shows no difference. */
bool diff_shrink(struct diff_pair *p, struct diff_case *c)
{
	if (!differs_afresh(p, c))
		return false;
	while (shrink_once(p, c))
		;
	return differs_afresh(p, c);
}
