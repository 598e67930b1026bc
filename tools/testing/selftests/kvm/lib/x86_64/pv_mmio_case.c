// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs one guest access and compares all that came of it.
 */
#include "pv_mmio_case.h"

u64 count_decodes(struct case_vm *cvm)
{
	return read_vcpu_stat(cvm->stats_fd, cvm->decodes_offset);
}

/* Turns a case that is written for all widths into one of @width. */
void case_set_width(struct access_case *c, u32 width)
{
	int i;

	c->ram_after &= WIDTH_MASK(width);
	for (i = 0; i < MAX_BELLS; i++) {
		if (c->bells[i].len == OWN_WIDTH)
			c->bells[i].len = width;
		c->bells[i].value &= WIDTH_MASK(width);
	}
	for (i = 0; i < MAX_EXITS; i++) {
		if (c->exits[i].len == OWN_WIDTH)
			c->exits[i].len = width;
		c->exits[i].data &= WIDTH_MASK(width);
	}
}

/* Stores of the previous run may have changed it, and loads expect 0. */
static void reset_memory(struct case_vm *cvm)
{
	*(u64 *)addr_gpa2hva(cvm->vm, RAM_GPA) = 0;
	*(u64 *)addr_gpa2hva(cvm->vm, ROM_GPA) = 0;
}

static void check_memory(struct case_vm *cvm, const struct access_case *c)
{
	case_expect(*(u64 *)addr_gpa2hva(cvm->vm, RAM_GPA), c->ram_after, "RAM");
	case_expect(*(u64 *)addr_gpa2hva(cvm->vm, ROM_GPA), 0, "the read-only memslot");
}

/*
 * The exit itself sets RFLAGS.RF.  Upstream's shortcut for ioeventfds of length 0
 * leaves it set; these tests aren't about that.
 */
static u64 ignored_rflags(const struct access_case *c)
{
	u64 ignored = c->changes_flags ? RFLAGS_STATUS : 0;

	if (c->bells[0].kind == ANY_VALUE && !c->bells[0].len)
		ignored |= RFLAGS_RF;
	return ignored;
}

/* 16-bit code runs in a segment with a base, so that RIP fits into 16 bits. */
static u64 rip_in_segment(const struct access_case *c, u64 rip)
{
	return rip - (c->mode == CPL0_16BIT ? CODE_GPA : c->cs_base);
}

void case_set_regs(struct case_vm *cvm, const struct access_case *c, u64 rip)
{
	struct kvm_regs regs = c->regs;

	regs.rip = rip_in_segment(c, rip);
	if (!regs.rsp)
		regs.rsp = cvm->regs.rsp;
	regs.rflags |= CASE_RFLAGS;
	/* A run ends with port I/O, so allow that in user mode. */
	if (is_user_mode(c->mode))
		regs.rflags |= RFLAGS_IOPL;
	vcpu_regs_set(cvm->vcpu, &regs);
}

/* After 32-bit code, the upper halves of registers are undefined. */
static void check_reg(const struct access_case *c, u64 got, u64 expected, const char *name)
{
	u64 mask = c->mode >= CPL0_32BIT ? 0xffffffff : ~0ull;

	case_expect(got & mask, expected & mask, name);
}

static void check_regs(struct case_vm *cvm, const struct access_case *c, u64 rip)
{
	u64 rflags = CASE_RFLAGS | c->rflags_after;
	struct kvm_regs regs;

	if (is_user_mode(c->mode))
		rflags |= RFLAGS_IOPL;
	vcpu_regs_get(cvm->vcpu, &regs);
	check_reg(c, regs.rip, rip_in_segment(c, rip) + c->code_len + DONE_INSN_LEN, "RIP");
	case_expect(regs.rflags & ~ignored_rflags(c), rflags & ~ignored_rflags(c), "RFLAGS");
	check_reg(c, regs.rax, c->changes_rax ? c->rax_after : c->regs.rax, "RAX");
	check_reg(c, regs.rbx, c->regs.rbx, "RBX");
	check_reg(c, regs.rcx, c->regs.rcx, "RCX");
	check_reg(c, regs.rdx, c->regs.rdx, "RDX");
	check_reg(c, regs.rsi, c->regs.rsi, "RSI");
	check_reg(c, regs.rdi, c->regs.rdi, "RDI");
	check_reg(c, regs.rsp, c->regs.rsp ?: cvm->regs.rsp, "RSP");
	if (c->mode < CPL0_32BIT && memcmp(&regs.r8, &c->regs.r8, 8 * sizeof(u64)))
		case_fail("R8 to R15 must stay as they were");
}

static void check_interrupt_shadow(struct case_vm *cvm)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(cvm->vcpu, &events);
	case_expect(events.interrupt.shadow, 0, "the interrupt shadow");
}

static void handle_mmio(struct kvm_run *run, const struct mmio_exit *expected)
{
	const char *kind = run->mmio.is_write ? "store" : "load";
	u64 data = 0;

	if (!run->mmio.is_write)
		memset(run->mmio.data, LOADED_BYTE, sizeof(run->mmio.data));
	if (expected->kind == NO_EXIT) {
		case_fail("KVM_EXIT_MMIO must not happen, it came for a %s of %u bytes at %#llx",
			  kind, run->mmio.len, run->mmio.phys_addr);
		return;
	}

	case_expect(run->mmio.is_write, expected->kind == STORE_EXIT, "mmio.is_write");
	case_expect(run->mmio.phys_addr, expected->gpa, "mmio.phys_addr");
	case_expect(run->mmio.len, expected->len, "mmio.len");
	if (expected->kind == STORE_EXIT) {
		memcpy(&data, run->mmio.data, min_t(u32, run->mmio.len, sizeof(data)));
		case_expect(data, expected->data, "mmio.data");
	}
}

static bool is_done(struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.port == DONE_PORT;
}

/* Let KVM finish the exit, so that registers are final. */
static void complete_exit(struct kvm_vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	__vcpu_run(vcpu);
	vcpu->run->immediate_exit = 0;
}

/* Returns false if the guest doesn't come to the end of its code. */
static bool run_to_done(struct case_vm *cvm, const struct access_case *c)
{
	static const struct mmio_exit none;
	struct kvm_run *run = cvm->vcpu->run;
	int i, err;

	for (i = 0; i <= MAX_EXITS; i++) {
		err = vcpu_run_bounded(cvm->vcpu);
		if (err) {
			case_fail("KVM_RUN must come back by itself, it ended with errno %d", err);
			return false;
		}
		if (run->exit_reason != KVM_EXIT_MMIO)
			break;
		handle_mmio(run, i < MAX_EXITS ? &c->exits[i] : &none);
	}
	if (!is_done(run)) {
		case_fail("the guest must come to the end of its code, it left with exit %u (%s)",
			  run->exit_reason, exit_reason_str(run->exit_reason));
		return false;
	}
	complete_exit(cvm->vcpu);
	if (i < MAX_EXITS && c->exits[i].kind != NO_EXIT)
		case_fail("exit %d to the VMM must happen, it did not", i + 1);
	return true;
}

static void check_bells(struct case_vm *cvm, const struct access_case *c)
{
	u64 rings;
	int i;

	for (i = 0; i < MAX_BELLS; i++) {
		rings = eventfd_take(cvm->bell_fds[i]);
		if (rings != c->bells[i].rings)
			case_fail("eventfd %d must be signalled %u times, it was %lu times",
				  i, c->bells[i].rings, rings);
	}
}

void run_case_once(struct case_vm *cvm, const struct access_case *c, u64 rip)
{
	reset_memory(cvm);
	case_set_regs(cvm, c, rip);
	if (run_to_done(cvm, c)) {
		check_regs(cvm, c, rip);
		check_interrupt_shadow(cvm);
	}
	check_memory(cvm, c);
	check_bells(cvm, c);
}

/* Compares with what KVM's statistics say about where it served them. */
static void check_served(const struct access_case *c, u64 fast, u64 slow)
{
	u64 expected = 0, rings = 0;
	int i;

	for (i = 0; i < MAX_BELLS; i++)
		rings += c->bells[i].rings;
	if (rings && store_has_fast_path(c->mode))
		expected = NR_RUNS - 1;
	case_expect(fast, expected, "pv_mmio_fast");
	case_expect(slow, NR_RUNS - 1 - expected, "pv_mmio_slow");
}

static void check_decodes(struct case_vm *cvm, const struct access_case *c, u64 rip)
{
	u64 fast = read_vcpu_stat(cvm->stats_fd, cvm->fast_offset);
	u64 slow = read_vcpu_stat(cvm->stats_fd, cvm->slow_offset);
	u64 before = count_decodes(cvm), decodes;
	int i;

	for (i = 1; i < NR_RUNS; i++)
		run_case_once(cvm, c, rip);

	decodes = count_decodes(cvm) - before;
	if (c->decode == DECODE_NEVER && decodes)
		case_fail("known code must not be decoded, %lu of %d accesses were",
			  decodes, NR_RUNS - 1);
	if (c->decode == DECODE_ALWAYS && decodes < NR_RUNS - 1)
		case_fail("every access must be decoded, %lu of %d were", decodes, NR_RUNS - 1);
	if (c->is_served)
		check_served(c, read_vcpu_stat(cvm->stats_fd, cvm->fast_offset) - fast,
			     read_vcpu_stat(cvm->stats_fd, cvm->slow_offset) - slow);
}

static void set_bells(struct case_vm *cvm, const struct access_case *c, u32 flags)
{
	int i;

	for (i = 0; i < MAX_BELLS && c->bells[i].kind != NO_BELL; i++)
		ioeventfd_set(cvm->vm, cvm->bell_fds[i], c->bells[i].gpa, c->bells[i].len,
			      c->bells[i].kind == DATAMATCH ?
			      flags | KVM_IOEVENTFD_FLAG_DATAMATCH : flags,
			      c->bells[i].value);
}

bool run_case(struct case_vm *cvm, const struct access_case *c)
{
	u64 rip = case_place_code(cvm, c);

	case_begin(c->name);
	case_set_mode(cvm, c->mode);
	if (c->adjust)
		case_adjust_mode(cvm, c->adjust);
	set_bells(cvm, c, 0);
	run_case_once(cvm, c, rip);
	check_decodes(cvm, c, rip);
	set_bells(cvm, c, KVM_IOEVENTFD_FLAG_DEASSIGN);
	return case_passed();
}

/*
 * KVM decodes the first access to a page, because it doesn't know yet that there
 * is no RAM; without nested paging, it does so for each linear address.  Get that
 * over with.
 */
static void touch_mmio_pages(struct case_vm *cvm)
{
	static const u64 gvas[] = { MMIO_GPA, MMIO_GPA + PAGE_SIZE, MMIO_HIGH_GVA, MMIO_TOP_GVA };
	struct access_case touch = {
		.name = "touch",
		CODE("\x88\x02"),	/* mov %al,(%rdx) */
		.exits = { { STORE_EXIT, 1, MMIO_GPA } },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(gvas); i++) {
		touch.regs.rdx = gvas[i];
		touch.exits[0].gpa = i == 1 ? MMIO_GPA + PAGE_SIZE : MMIO_GPA;
		TEST_ASSERT(run_case(cvm, &touch), "a plain store must work");
	}
}

void case_vm_create(struct case_vm *cvm, const struct kvm_x86_cpu_feature *hidden)
{
	case_vm_init(cvm, hidden);
	touch_mmio_pages(cvm);
}

void case_vm_forget(struct case_vm *cvm)
{
	const u64 gpa = CODE_GPA + 0x200000;

	vm_userspace_mem_region_add(cvm->vm, VM_MEM_SRC_ANONYMOUS, gpa, 3, 1, 0);
	vm_mem_region_delete(cvm->vm, 3);
	touch_mmio_pages(cvm);
}
