// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs one access of pv_mmio_forgery_test and notes all that comes of it.
 */
#include "pv_mmio_forgery_test.h"

#define FORGERY(name, bytes, width, ...)	\
	{ name, bytes, sizeof(bytes) - 1, width, __VA_ARGS__ }
#define ENTRIES(...)	\
	.nr_entries = sizeof((u8[]){ __VA_ARGS__ }), .entries = { __VA_ARGS__ }
#define TRUE_STORE(name, bytes, width)	FORGERY(name, bytes, width, .is_store = true)
#define STRING(name, bytes, width)	FORGERY(name, bytes, width, .is_string = true)
#define REPEATED(name, bytes, width)	\
	FORGERY(name, bytes, width, .is_string = true, .is_repeated = true)

const struct forgery forgeries[NR_FORGERIES] = {
	TRUE_STORE("store of 1 byte", "\x88\x02", 1),
	TRUE_STORE("store of 2 bytes", "\x66\x89\x02", 2),
	TRUE_STORE("store of 4 bytes", "\x89\x02", 4),
	TRUE_STORE("store of 8 bytes", "\x48\x89\x02", 8),
	FORGERY("load of 1 byte", "\x8a\x02", 1),
	FORGERY("load of 2 bytes", "\x66\x8b\x02", 2),
	FORGERY("load of 4 bytes", "\x8b\x02", 4),
	FORGERY("load of 8 bytes", "\x48\x8b\x02", 8),
	FORGERY("store of RBX", "\x48\x89\x1a", 8),
	FORGERY("store of BL", "\x88\x1a", 1),
	FORGERY("store of an immediate", "\xc7\x02\x11\x22\x33\x44", 4),
	FORGERY("store through RSI", "\x89\x06", 4),
	FORGERY("inc", "\xff\x02", 4),
	FORGERY("add", "\x01\x02", 4),
	FORGERY("locked add", "\xf0\x48\x01\x02", 8),
	FORGERY("xchg", "\x87\x02", 4),
	FORGERY("cmpxchg", "\x0f\xb1\x1a", 4),
	FORGERY("locked cmpxchg", "\xf0\x48\x0f\xb1\x1a", 8),
	FORGERY("bts", "\x0f\xba\x2a\x05", 4),
	FORGERY("not", "\xf6\x12", 1),
	FORGERY("cmp", "\x39\x02", 4),
	FORGERY("test", "\x84\x02", 1),
	FORGERY("push", "\x50", 8),
	FORGERY("pop", "\x58", 8),
	FORGERY("push of memory", "\xff\x32", 8),
	FORGERY("pop to memory", "\x8f\x02", 8),
	STRING("stos", "\xab", 4),
	STRING("movs", "\xa5", 4),
	STRING("lods", "\xac", 1),
	REPEATED("rep stos", "\xf3\xab", 4),
	REPEATED("rep movs", "\xf3\xa4", 1),
	/* Behind its prefix, each of these is a store of the contract. */
	FORGERY("entered behind the prefix of a 2-byte store", "\x66\x89\x02", 2,
		ENTRIES(0, 1, 1)),
	FORGERY("entered behind the prefix of an 8-byte store", "\x48\x89\x02", 8,
		ENTRIES(0, 1, 1)),
	FORGERY("entered behind many prefixes", "\x3e\xf3\x66\x48\x89\x02", 8,
		ENTRIES(0, 1, 2, 4)),
	/* What moves a constant to RAX holds stores, too. */
	FORGERY("entered in the middle of a 4-byte constant", "\xb8\x66\x89\x02\x90", 2,
		ENTRIES(0, 1, 2)),
	FORGERY("entered in the middle of an 8-byte constant",
		"\x48\xb8\x48\x89\x02\x90\x88\x02\x90\x90", 8, ENTRIES(0, 2, 3, 6)),
};

static const struct {
	u64 gpa;
	u32 len;
	bool any_value;
} doorbells[NR_BELLS] = {
	{ READ_ONLY_GPA, 1 }, { READ_ONLY_GPA, 2 }, { READ_ONLY_GPA, 4 }, { READ_ONLY_GPA, 8 },
	{ READ_ONLY_GPA + 8, 4, true }, { READ_ONLY_GPA + 16, 8, true },
	{ WRITE_ONLY_GPA, 1, true }, { WRITE_ONLY_GPA, 2, true }, { WRITE_ONLY_GPA, 4, true },
	{ WRITE_ONLY_GPA, 8, true }, { WRITE_ONLY_GPA + 8, 4 }, { WRITE_ONLY_GPA + 16, 8 },
};

/* Each access ends with the exit of DONE_INSN, and has room for it. */
u64 forgery_rip(int nr, int copy)
{
	return CODE_GPA + PAGE_SIZE + (copy * NR_FORGERIES + nr) * 16;
}

static void place_forgeries(struct forgery_vm *fvm)
{
	const struct forgery *f;
	char *code;
	int i;

	for (i = 0; i < NR_FORGERIES * NR_COPIES; i++) {
		f = &forgeries[i % NR_FORGERIES];
		code = addr_gpa2hva(fvm->cvm.vm, forgery_rip(i % NR_FORGERIES, i / NR_FORGERIES));
		memcpy(code, f->code, f->code_len);
		memcpy(code + f->code_len, DONE_INSN, DONE_INSN_LEN);
	}
}

void forgery_vm_create(struct forgery_vm *fvm, bool feature_on)
{
	int i;

	memset(fvm, 0, sizeof(*fvm));
	case_vm_create(&fvm->cvm, NULL);
	case_set_mode(&fvm->cvm, CPL0_64BIT);
	vm_enable_cap(fvm->cvm.vm, KVM_CAP_X86_PV_MMIO, feature_on);
	place_forgeries(fvm);
	/* What crosses the end of a page is to meet a device as well. */
	virt_pg_map(fvm->cvm.vm, WRITE_ONLY_GPA + PAGE_SIZE, WRITE_ONLY_GPA + PAGE_SIZE);
	virt_pg_map(fvm->cvm.vm, RAM_GPA + PAGE_SIZE, RAM_GPA + PAGE_SIZE);
	for (i = 0; i < NR_BELLS; i++) {
		fvm->bells[i] = eventfd_create();
		ioeventfd_set(fvm->cvm.vm, fvm->bells[i], doorbells[i].gpa, doorbells[i].len,
			      doorbells[i].any_value ? 0 : KVM_IOEVENTFD_FLAG_DATAMATCH,
			      DOORBELL_VALUE & WIDTH_MASK(doorbells[i].len));
	}
}

void forgery_vm_free(struct forgery_vm *fvm)
{
	int i;

	for (i = 0; i < NR_BELLS; i++)
		close(fvm->bells[i]);
	case_vm_free(&fvm->cvm);
}

/* The device: notes everything, and answers loads with their own number. */
static void serve_mmio(struct forgery_vm *fvm)
{
	struct kvm_run *run = fvm->cvm.vcpu->run;
	struct forgery_trace *trace = &fvm->trace;
	u32 nr = trace->nr_exits++;
	u64 data = 0;

	if (!run->mmio.is_write)
		memset(run->mmio.data, 0x40 + nr, sizeof(run->mmio.data));
	if (nr >= NR_EXITS)
		return;

	if (run->mmio.is_write)
		memcpy(&data, run->mmio.data, min_t(u32, run->mmio.len, sizeof(data)));
	trace->exits[nr].gpa = run->mmio.phys_addr;
	trace->exits[nr].len = run->mmio.len;
	trace->exits[nr].is_write = run->mmio.is_write;
	trace->exits[nr].data = data;
}

void forgery_run(struct forgery_vm *fvm, const struct kvm_regs *regs)
{
	struct kvm_vcpu *vcpu = fvm->cvm.vcpu;
	u64 decodes = count_decodes(&fvm->cvm);
	u8 *ram = addr_gpa2hva(fvm->cvm.vm, RAM_GPA);
	struct kvm_regs start = *regs;
	int i, err;

	memset(&fvm->trace, 0, sizeof(fvm->trace));
	memset(ram, 0x11, PAGE_SIZE);
	vcpu_regs_set(vcpu, &start);
	do {
		err = vcpu_run_bounded(vcpu);
		if (!err && vcpu->run->exit_reason == KVM_EXIT_MMIO)
			serve_mmio(fvm);
	} while (!err && vcpu->run->exit_reason == KVM_EXIT_MMIO &&
		 fvm->trace.nr_exits < 2 * NR_EXITS);
	TEST_ASSERT(!err, "KVM_RUN must come back by itself, it ended with errno %d", err);
	fvm->trace.last_exit = vcpu->run->exit_reason;
	vcpu_run_complete_io(vcpu);

	vcpu_regs_get(vcpu, &fvm->trace.regs);
	memcpy(fvm->trace.ram, ram, PAGE_SIZE);
	for (i = 0; i < NR_BELLS; i++)
		fvm->trace.bells[i] = eventfd_take(fvm->bells[i]);
	fvm->decodes_saved += count_decodes(&fvm->cvm) == decodes;
}

void forgery_compare(const struct forgery_vm *on, const struct forgery_vm *off)
{
	const struct forgery_trace *a = &on->trace, *b = &off->trace;
	int i;

	for (i = 0; i < NR_BELLS; i++)
		case_expect(a->bells[i], b->bells[i], "signals");
	case_expect(a->nr_exits, b->nr_exits, "the number of exits to the VMM");
	case_expect(a->last_exit, b->last_exit, "the last exit");
	if (memcmp(a->exits, b->exits, sizeof(a->exits)))
		case_fail("the VMM must see the same accesses");
	if (memcmp(&a->regs, &b->regs, sizeof(a->regs)))
		case_fail("registers must be the same, RIP is %#llx and %#llx", a->regs.rip,
			  b->regs.rip);
	if (memcmp(a->ram, b->ram, sizeof(a->ram)))
		case_fail("RAM must be the same");
}
