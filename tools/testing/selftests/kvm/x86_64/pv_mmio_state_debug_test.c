// SPDX-License-Identifier: GPL-2.0-only
/*
 * The store under a debugger, the guest's own or the VMM's.
 */
#include "pv_mmio_scene.h"

#define RFLAGS_TF	BIT(8)
#define DR6_HITS	0xf
#define DR6_BS		BIT(14)
#define DR7_EXECUTE(n)	BIT(1 + 2 * (n))
/* DR0 breaks on a write of 4 bytes. */
#define DR7_WRITE_0	(DR7_EXECUTE(0) | 0xdul << 16)

static u64 read_dr6(void)
{
	u64 dr6;

	asm volatile("mov %%db6, %0" : "=r"(dr6));
	return dr6;
}

static void set_dr7(u64 dr7)
{
	asm volatile("mov %0, %%db7" : : "r"(dr7));
}

static void set_breakpoints(u64 dr0, u64 dr1, u64 dr7)
{
	asm volatile("mov %0, %%db0" : : "r"(dr0));
	asm volatile("mov %0, %%db1" : : "r"(dr1));
	set_dr7(dr7);
}

static void guest_log_debug(struct ex_regs *regs)
{
	guest_log(regs->rip);
	guest_log(read_dr6() & (DR6_BS | DR6_HITS));
	asm volatile("mov %0, %%db6" : : "r"(0xffff0ff0ul));
	regs->rflags &= ~RFLAGS_TF;
	regs->rflags |= RFLAGS_RF;
}

static void handle_debug(struct scene *s)
{
	vm_install_exception_handler(s->vm, DB_VECTOR, guest_log_debug);
}

static void handle_debug_other_ways(struct scene *s)
{
	handle_debug(s);
	scene_offer_other_ways(s);
}

static void ring_once(u64 rflags)
{
	guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED | rflags);
	GUEST_DONE();
}

static void guest_single_step(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	ring_once(RFLAGS_TF);
}

static void guest_step_over_out(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	guest_out_popf(X86_EFLAGS_FIXED, SCENE_PORT);
	guest_out_popf(X86_EFLAGS_FIXED | RFLAGS_TF, SCENE_PORT);
	GUEST_DONE();
}

/* Where hardware doesn't tell the length, KVM learns the place by the first. */
static void guest_step_over_call(void)
{
	void (*call)(u64, u64, u64) = host_cpu_is_amd ? guest_vmmcall_popf : guest_vmcall_popf;

	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	call(X86_EFLAGS_FIXED, MMIO_GPA, KVM_HC_MMIO_WRITE);
	call(X86_EFLAGS_FIXED | RFLAGS_TF, MMIO_GPA, KVM_HC_MMIO_WRITE);
	GUEST_DONE();
}

/* Sets a breakpoint that nothing hits. */
static void guest_break_elsewhere(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	set_breakpoints(0x1000, 0, DR7_EXECUTE(0));
	ring_once(0);
}

static void guest_break_after(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	set_breakpoints((u64)guest_popf_end, 0, DR7_EXECUTE(0));
	ring_once(0);
}

/* The exit makes KVM take the debug registers back from the guest. */
static void guest_break_after_exit(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	set_breakpoints((u64)guest_popf_end, 0, DR7_EXECUTE(0));
	GUEST_SYNC(SCENE_STAGE);
	ring_once(0);
}

/* The guest owns the debug registers before it arms them. */
static void guest_break_owned(void)
{
	set_breakpoints((u64)guest_popf_end, 0, 0);
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	read_dr6();
	guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	set_dr7(DR7_EXECUTE(0));
	ring_once(0);
}

/* The handler returns with RFLAGS.RF set, which the store must clear. */
static void guest_break_on_both(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	set_breakpoints((u64)guest_popf_insn, (u64)guest_popf_end,
			DR7_EXECUTE(0) | DR7_EXECUTE(1));
	ring_once(0);
}

static void guest_break_on_data(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	set_breakpoints(MMIO_GPA, 0, DR7_WRITE_0);
	ring_once(0);
}

static void guest_step_and_break(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	set_breakpoints((u64)guest_popf_end, 0, DR7_EXECUTE(0));
	ring_once(RFLAGS_TF);
}

static void guest_plain(void)
{
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	ring_once(0);
}

static void set_guest_debug(struct scene *s, u64 dr0, u64 dr7)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { [0] = dr0, [7] = dr7 },
	};

	if (!dr7)
		debug.control = 0;
	vcpu_guest_debug_set(s->vcpu, &debug);
}

static void vmm_breaks_on_store(struct scene *s, u64 stage)
{
	set_guest_debug(s, (u64)guest_popf_insn, DR7_EXECUTE(0));
}

static void vmm_breaks_after(struct scene *s, u64 stage)
{
	set_guest_debug(s, (u64)guest_popf_end, DR7_EXECUTE(0));
}

static void vmm_breaks_on_data(struct scene *s, u64 stage)
{
	set_guest_debug(s, MMIO_GPA, DR7_WRITE_0);
}

/* No breakpoint is armed: that the VMM debugs at all must be enough. */
static void vmm_debugs(struct scene *s, u64 stage)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
	};

	vcpu_guest_debug_set(s->vcpu, &debug);
}

static void vmm_steps(struct scene *s, u64 stage)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct kvm_regs regs;

	/* Start at the store: popf would overwrite the VMM's RFLAGS.TF. */
	vcpu_run_complete_io(s->vcpu);
	vcpu_regs_get(s->vcpu, &regs);
	regs.rip = (u64)guest_popf_insn;
	regs.rax = SCENE_VALUE;
	regs.rdx = MMIO_GPA;
	vcpu_regs_set(s->vcpu, &regs);
	vcpu_guest_debug_set(s->vcpu, &debug);
}

/* Logs the exit, and lets the guest go on without breakpoints. */
static bool log_break(struct scene *s)
{
	struct kvm_run *run = s->vcpu->run;

	if (run->exit_reason != KVM_EXIT_DEBUG)
		return false;

	scene_log(&s->result.host, run->debug.arch.pc);
	scene_log(&s->result.host, run->debug.arch.dr6 & DR6_HITS);
	scene_log(&s->result.host, eventfd_take(s->bells[0]));
	set_guest_debug(s, 0, 0);
	return true;
}

/* A step may end before the store, see step_once() of pv_mmio_test. */
static bool log_steps(struct scene *s)
{
	struct kvm_run *run = s->vcpu->run;

	if (run->exit_reason != KVM_EXIT_DEBUG)
		return false;
	scene_log(&s->result.host, run->debug.arch.pc);
	scene_log(&s->result.host, eventfd_take(s->bells[0]));
	return run->debug.arch.pc == (u64)guest_popf_insn;
}

/* QEMU 7.2 confuses a guest's breakpoints with the host's while they are in DR7. */
static const char *lacks_breakpoints(void)
{
	u32 eax, signature[3];

	__cpuid(KVM_CPUID_SIGNATURE, 0, &eax, &signature[0], &signature[1], &signature[2]);
	if (!memcmp(signature, "TCGTCGTCGTCG", 12))
		return "breakpoints of a guest don't work on this emulated CPU";

	return NULL;
}

#define NEEDS_BREAKPOINTS	.lacks = lacks_breakpoints

static const struct scene_case scenes[] = {
	{ "no debugger", guest_plain, handle_debug, .decode = DECODE_NEVER, .rings = { 1 } },
	{ "guest single-steps", guest_single_step, handle_debug, .decode = DECODE_ALWAYS,
	  .rings = { 1 }, SCENE_LOG((u64)guest_popf_end, DR6_BS) },
	{ "guest single-steps over out", guest_step_over_out, handle_debug_other_ways,
	  .rings = { 2 }, SCENE_LOG((u64)guest_out_popf_end, DR6_BS) },
	{ "guest single-steps over vmcall", guest_step_over_call, handle_debug_other_ways,
	  .rings = { 2 }, SCENE_LOG((u64)guest_vmcall_popf_end, DR6_BS), .lacks = lacks_vmcall },
	{ "guest single-steps over vmmcall", guest_step_over_call, handle_debug_other_ways,
	  .rings = { 2 }, SCENE_LOG((u64)guest_vmmcall_popf_end, DR6_BS),
	  .lacks = lacks_vmmcall },
	{ "guest has a breakpoint elsewhere", guest_break_elsewhere, handle_debug,
	  .decode = DECODE_ALWAYS, .rings = { 1 } },
	{ "guest has a breakpoint after the store", guest_break_after, handle_debug,
	  .decode = DECODE_ALWAYS, .rings = { 1 }, SCENE_LOG((u64)guest_popf_end, 1),
	  NEEDS_BREAKPOINTS },
	{ "guest has a breakpoint after the store, exit in between", guest_break_after_exit,
	  handle_debug, .decode = DECODE_ALWAYS, .rings = { 1 },
	  SCENE_LOG((u64)guest_popf_end, 1),
	  NEEDS_BREAKPOINTS },
	{ "guest arms a breakpoint in registers that it owns", guest_break_owned, handle_debug,
	  .rings = { 2 }, SCENE_LOG((u64)guest_popf_end, 1),
	  NEEDS_BREAKPOINTS },
	{ "guest has breakpoints on the store and after it", guest_break_on_both, handle_debug,
	  .decode = DECODE_ALWAYS, .rings = { 1 },
	  SCENE_LOG((u64)guest_popf_insn, 1, (u64)guest_popf_end, 2),
	  NEEDS_BREAKPOINTS },
	{ "guest has a breakpoint on the doorbell", guest_break_on_data, handle_debug,
	  .decode = DECODE_ALWAYS, .rings = { 1 }, .any_log = true,
	  NEEDS_BREAKPOINTS },
	{ "guest single-steps to a breakpoint", guest_step_and_break, handle_debug,
	  .decode = DECODE_ALWAYS, .rings = { 1 }, .any_log = true,
	  NEEDS_BREAKPOINTS },
	{ "VMM has a breakpoint on the store", guest_plain, handle_debug, vmm_breaks_on_store,
	  log_break, .rings = { 1 },
	  NEEDS_BREAKPOINTS },
	{ "VMM has a breakpoint after the store", guest_plain, handle_debug, vmm_breaks_after,
	  log_break, .decode = DECODE_ALWAYS,
	  NEEDS_BREAKPOINTS },
	{ "VMM has a breakpoint on the doorbell", guest_plain, handle_debug, vmm_breaks_on_data,
	  log_break, .decode = DECODE_ALWAYS, .any_rings = true,
	  NEEDS_BREAKPOINTS },
	{ "VMM debugs", guest_plain, handle_debug, vmm_debugs, .decode = DECODE_ALWAYS,
	  .rings = { 1 } },
	{ "VMM single-steps", guest_plain, handle_debug, vmm_steps, log_steps,
	  .decode = DECODE_ALWAYS },
};

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));

	run_scenes(scenes, ARRAY_SIZE(scenes));
}
