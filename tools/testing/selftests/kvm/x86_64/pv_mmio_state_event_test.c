// SPDX-License-Identifier: GPL-2.0-only
/*
 * The store next to an interrupt, after INIT, and while the VMM switches the
 * feature on and off.
 */
#include <pthread.h>

#include "apic.h"
#include "pv_mmio_scene.h"

#define NR_RACING_STORES	400

static void guest_log_irq(struct ex_regs *regs)
{
	guest_log(regs->rip);
	x2apic_write_reg(APIC_EOI, 0);
	regs->rflags &= ~RFLAGS_IF;
}

static void handle_irq(struct scene *s)
{
	vm_install_exception_handler(s->vm, SCENE_VECTOR, guest_log_irq);
}

static void handle_irq_other_ways(struct scene *s)
{
	handle_irq(s);
	scene_offer_other_ways(s);
}

/* From now on the irqfd consumes the signals. */
static void doorbell_interrupts(struct scene *s, u64 stage)
{
	scene_connect_irq(s);
}

static void guest_interrupts_on(void)
{
	x2apic_enable();
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED | RFLAGS_IF);
	GUEST_DONE();
}

static void guest_after_sti(void)
{
	x2apic_enable();
	guest_learn(guest_plain_sti, 0);
	guest_store_sti(MMIO_GPA, SCENE_VALUE, 0);
	GUEST_DONE();
}

static void guest_after_movss(void)
{
	x2apic_enable();
	guest_learn(guest_plain_movss, 0);
	guest_store_movss(MMIO_GPA, SCENE_VALUE, 0);
	GUEST_DONE();
}

static void guest_out_after_sti(void)
{
	x2apic_enable();
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	guest_out_sti(0, SCENE_PORT);
	GUEST_DONE();
}

/* Where hardware doesn't tell the length, KVM learns the place by the first. */
static void guest_call_after_sti(void)
{
	void (*call)(u64, u64, u64) = host_cpu_is_amd ? guest_vmmcall_sti : guest_vmcall_sti;

	x2apic_enable();
	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	call(0, MMIO_GPA, KVM_HC_MMIO_WRITE);
	call(0, MMIO_GPA, KVM_HC_MMIO_WRITE);
	GUEST_DONE();
}

/* An interrupt comes just before the store, and its stack is device memory. */
#define STACK_OFFSET	0x810
#define PUSHED_OFFSET	(STACK_OFFSET - 8)

static void guest_stack_is_mmio(void)
{
	u64 stack[64];
	int i;

	x2apic_enable();
	for (i = 0; i < NR_LEARNS; i++)
		guest_store_stack(MMIO_GPA, SCENE_VALUE, (u64)&stack[32]);
	GUEST_SYNC(SCENE_LEARNT);
	guest_store_stack(MMIO_GPA, SCENE_VALUE, (u64)&stack[32]);
	GUEST_SYNC(SCENE_KNOWN);

	/* KVM has to know that this page is MMIO, or it would decode anyway. */
	WRITE_ONCE(*(u32 *)FAR_GPA, SCENE_VALUE);

	x2apic_write_reg(APIC_ICR, APIC_DEST_SELF | APIC_INT_ASSERT | SCENE_VECTOR);
	guest_store_stack(MMIO_GPA + PUSHED_OFFSET, SCENE_VALUE, FAR_GPA + STACK_OFFSET);
	GUEST_DONE();
}

static void bells_at_stack(struct scene *s, u64 stage)
{
	scene_set_bell(s, 0, MMIO_GPA + PUSHED_OFFSET, 4, 0);
	scene_set_bell(s, 1, FAR_GPA + PUSHED_OFFSET, 4, 0);
}

/* The vCPU sends itself an INIT; the VMM then changes the code and restarts it. */
static void guest_init_self(void)
{
	x2apic_enable();
	guest_learn(guest_store_code, SCENE_CODE_GPA);
	x2apic_write_reg(APIC_ICR, APIC_INT_ASSERT | APIC_DM_INIT);
	GUEST_DONE();
}

static void guest_after_init(void)
{
	guest_log(guest_store_code(MMIO_GPA, SCENE_VALUE, SCENE_CODE_GPA));
	GUEST_DONE();
}

static struct kvm_sregs sregs_before_init;
static struct kvm_regs regs_before_init;

static void save_before_init(struct scene *s, u64 stage)
{
	vcpu_run_complete_io(s->vcpu);
	vcpu_sregs_get(s->vcpu, &sregs_before_init);
	vcpu_regs_get(s->vcpu, &regs_before_init);
}

/* KVM can't fetch code at the reset vector, so INIT leads to an exit. */
static bool restart_after_init(struct scene *s)
{
	if (s->vcpu->run->exit_reason == KVM_EXIT_IO || s->result.host.nr > 1)
		return false;

	s->result.host.nr = 1;
	SCENE_PUT_CODE(s, 0, STORE_RBX_RET);
	vcpu_sregs_set(s->vcpu, &sregs_before_init);
	regs_before_init.rip = (u64)guest_after_init;
	vcpu_regs_set(s->vcpu, &regs_before_init);
	return true;
}

/* The same without INIT: the VMM sets the registers of a vCPU that has run. */
static void restart_by_registers(struct scene *s, u64 stage)
{
	save_before_init(s, stage);
	SCENE_PUT_CODE(s, 0, STORE_RBX_RET);
	vcpu_sregs_set(s->vcpu, &sregs_before_init);
	regs_before_init.rip = (u64)guest_after_init;
	vcpu_regs_set(s->vcpu, &regs_before_init);
}

static void guest_store_often(void)
{
	int i;

	guest_learn(guest_store_popf, X86_EFLAGS_FIXED);
	for (i = 0; i < NR_RACING_STORES; i++)
		guest_store_popf(MMIO_GPA, SCENE_VALUE, X86_EFLAGS_FIXED);
	GUEST_DONE();
}

static bool stop_switching;
static pthread_t switcher;

static void *switch_feature(void *arg)
{
	struct scene *s = arg;
	u64 on;

	for (on = 0; !READ_ONCE(stop_switching); on = !on) {
		vm_enable_cap(s->vm, KVM_CAP_X86_PV_MMIO, on);
		usleep(50);
	}
	return NULL;
}

static void start_switching(struct scene *s, u64 stage)
{
	if (!s->feature_on)
		return;
	stop_switching = false;
	TEST_ASSERT(!pthread_create(&switcher, NULL, switch_feature, s), "a thread must start");
}

static void stop_switching_feature(struct scene *s)
{
	if (!s->feature_on)
		return;
	WRITE_ONCE(stop_switching, true);
	pthread_join(switcher, NULL);
}

static const struct scene_case scenes[] = {
	{ "doorbell interrupts the guest", guest_interrupts_on, handle_irq, doorbell_interrupts,
	  SCENE_LOG((u64)guest_popf_end) },
	{ "doorbell interrupts the guest, after sti", guest_after_sti, handle_irq,
	  doorbell_interrupts, .decode = DECODE_ALWAYS, .only_tdp_tells = true,
	  SCENE_LOG((u64)guest_sti_end) },
	{ "doorbell interrupts the guest, after mov to SS", guest_after_movss, handle_irq,
	  doorbell_interrupts, .decode = DECODE_ALWAYS, .only_tdp_tells = true,
	  SCENE_LOG((u64)guest_movss_end) },
	{ "out interrupts the guest, after sti", guest_out_after_sti, handle_irq_other_ways,
	  doorbell_interrupts, SCENE_LOG((u64)guest_out_sti_end) },
	{ "vmcall interrupts the guest, after sti", guest_call_after_sti, handle_irq_other_ways,
	  doorbell_interrupts, SCENE_LOG((u64)guest_vmcall_sti_end, (u64)guest_vmcall_sti_end),
	  .lacks = lacks_vmcall },
	{ "vmmcall interrupts the guest, after sti", guest_call_after_sti, handle_irq_other_ways,
	  doorbell_interrupts,
	  SCENE_LOG((u64)guest_vmmcall_sti_end, (u64)guest_vmmcall_sti_end),
	  .lacks = lacks_vmmcall },
	{ "interrupt's stack is at a doorbell", guest_stack_is_mmio, handle_irq, bells_at_stack,
	  .decode = DECODE_ALWAYS, .any_rings = true, .any_log = true },
	{ "other code after INIT", guest_init_self, scene_tell_values, save_before_init,
	  restart_after_init, .rings = { 0, 1 }, SCENE_LOG(SCENE_VALUE) },
	{ "other code after KVM_SET_REGS", guest_init_self, scene_tell_values,
	  restart_by_registers, .rings = { 0, 1 }, SCENE_LOG(SCENE_VALUE) },
	{ "switched on and off meanwhile", guest_store_often, NULL, start_switching,
	  .finish = stop_switching_feature, .rings = { NR_RACING_STORES } },
};

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));

	run_scenes(scenes, ARRAY_SIZE(scenes));
}
