// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits and events that L1 intercepts or injects, and doorbells that L0 must not
 * serve.
 */
#include "nested.h"
#include "vmx.h"

#define PORT		0x2000
#define RFLAGS_TF	BIT(8)

static void create(struct scene *s)
{
	l2_create(s->vm);
}

/* Stops L2 right before the store, with L1 in control. */
static void l1_stop_at_store(void)
{
	u64 pte = *l1_pte(MMIO_GPA);
	struct l2_exit exit;

	l1_begin(l2_store);
	*l1_pte(MMIO_GPA) = pte & ~L2_PTE_WRITABLE;
	l1_flush();
	exit = l1_run();
	GUEST_ASSERT(exit.reason == L2_TDP_FAULT);
	*l1_pte(MMIO_GPA) = pte;
	l1_flush();
}

static void guest_inject(void)
{
	l1_stop_at_store();
	/* VMX refuses to enter with an interrupt that L2 wouldn't take. */
	l1_set_l2_rflags(X86_EFLAGS_FIXED | RFLAGS_IF);
	l1_inject(SCENE_VECTOR);
	l1_end();
}

static void guest_log_event(struct ex_regs *regs)
{
	guest_log(regs->vector);
	guest_log(regs->rip);
}

static void handle_event(struct scene *s)
{
	create(s);
	vm_install_exception_handler(s->vm, SCENE_VECTOR, guest_log_event);
}

static void guest_mtf(void)
{
	l1_stop_at_store();
	l1_intercept_steps(true);
	l1_log_exit();
	guest_log(l1_get_l2_rip());
	l1_intercept_steps(false);
	l1_end();
}

static const char *lacks_mtf(void)
{
	if (host_cpu_is_amd)
		return "SVM has no monitor trap flag";
	if (l2_lacks())
		return l2_lacks();

	return kvm_get_feature_msr(MSR_IA32_VMX_TRUE_PROCBASED_CTLS) >> 32 &
	       CPU_BASED_MONITOR_TRAP ? NULL : "KVM offers no monitor trap flag here";
}

static void guest_step(void)
{
	l1_stop_at_store();
	l1_intercept_db();
	l1_set_l2_rflags(X86_EFLAGS_FIXED | RFLAGS_TF);
	l1_log_exit();
	guest_log(l1_get_l2_rip());
	GUEST_DONE();
}

static void l2_hypercall(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	l2_call(KVM_HC_MMIO_WRITE, MMIO_GPA, SCENE_VALUE, 4, 0);
	GUEST_DONE();
}

static void guest_hypercall(void)
{
	l1_prepare(l2_hypercall);
	l1_log_exit();
	guest_log(l2_gprs.rax);
	guest_log(l2_gprs.rbx);
	GUEST_DONE();
}

/* Without L1's intercept, the instruction is undefined, as on bare metal. */
static void guest_hypercall_nobodys(void)
{
	l1_prepare(l2_hypercall);
	l1_intercept_call(false);
	l1_end();
}

static void guest_log_and_skip(struct ex_regs *regs)
{
	guest_log(regs->vector);
	regs->rip += HYPERCALL_INSN_LEN;
}

static const char *lacks_choice(void)
{
	return host_cpu_is_amd ? l2_lacks_cpu() : "with VMX, L1 gets each vmcall";
}

static void enable_hypercall(struct scene *s)
{
	create(s);
	vm_enable_cap(s->vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
}

static void enable_hypercall_handle_ud(struct scene *s)
{
	enable_hypercall(s);
	vm_install_exception_handler(s->vm, UD_VECTOR, guest_log_and_skip);
}

static void l2_out(void)
{
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	l2_call(0, 0, 0, 0, 0);
	asm volatile("outl %%eax, %%dx" : : "a"(SCENE_VALUE), "d"(PORT));
	l2_call(0, 0, 0, 0, 0);
}

static void guest_out(void)
{
	l1_begin(l2_out);
	l1_intercept_out();
	l1_log_exit();
	GUEST_DONE();
}

static void guest_out_not_l1s(void)
{
	l1_begin(l2_out);
	l1_log_exit();
	GUEST_DONE();
}

static void add_port(struct scene *s)
{
	create(s);
	scene_set_bell(s, 1, PORT, 4, KVM_IOEVENTFD_FLAG_PIO);
}

static const struct scene_case scenes[] = {
	{ "L2's hypercall is L1's", guest_hypercall, enable_hypercall, .lacks = l2_lacks_cpu,
	  SCENE_LOG(L2_CALLED, KVM_HC_MMIO_WRITE, MMIO_GPA) },
	{ "L2's hypercall that L1 doesn't want", guest_hypercall_nobodys,
	  enable_hypercall_handle_ud, .lacks = lacks_choice, SCENE_LOG(UD_VECTOR) },
	{ "L2's out is L1's", guest_out, add_port, .lacks = l2_lacks_cpu, SCENE_LOG(L2_OUT) },
	{ "L2's out that L1 leaves to L0", guest_out_not_l1s, add_port, .lacks = l2_lacks_cpu,
	  .rings = { 0, 1 }, SCENE_LOG(L2_CALLED) },
	{ "L1 injects an event before the store", guest_inject, handle_event, .rings = { 1 },
	  .lacks = l2_lacks, SCENE_LOG(SCENE_VECTOR, SCENE_CODE_GPA, SCENE_VALUE) },
	{ "L1 wants an exit after the store", guest_mtf, create, .rings = { 1 },
	  .lacks = lacks_mtf,
	  SCENE_LOG(L2_STEPPED, SCENE_CODE_GPA + L2_STORE_LEN, SCENE_VALUE) },
	{ "L1 single-steps the store", guest_step, create, .rings = { 1 }, .lacks = l2_lacks,
	  SCENE_LOG(L2_EXCEPTION, SCENE_CODE_GPA + L2_STORE_LEN) },
};

const struct scene_table nested_exit_scenes = { scenes, ARRAY_SIZE(scenes) };
