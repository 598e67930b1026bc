/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What doorbell_bench measures: the accesses, and its table of cases.
 */
#ifndef SELFTEST_KVM_DOORBELL_BENCH_CASES_H
#define SELFTEST_KVM_DOORBELL_BENCH_CASES_H

#include "apic.h"
#include "doorbell.h"

#define UNKNOWN_HC	0x70766dff
/* KVM has no device there. */
#define VMM_PORT	0x1000
/* The interrupt mask register of KVM's PIC. */
#define PIC_PORT	0x21
#define PIC_MASK	0xff
/* A masked entry with nothing but a vector, which changes nothing. */
#define LAPIC_LVTERR	0x370
#define LAPIC_VALUE	0x10010

/*
 * All accesses have this shape.  guest_access() jumps to it or to a copy of it,
 * with the registers loaded, but RAX and RDX in R10 and R11, as rdtsc overwrites
 * these two.  R12 holds the address to return to.  There are no fences, because
 * an exit serialises.
 */
#define BUILD_ACCESS_REWRITTEN(name, insn, rewritten)			\
static void __attribute__((naked)) access_code_##name(void)		\
{									\
	asm volatile("rdtsc\n\t"					\
		     "mov %%eax, %%r9d\n\t"				\
		     "mov %%r10, %%rax\n\t"				\
		     "mov %%r11, %%rdx\n\t"				\
		     insn "\n\t"					\
		     "mov %%rax, %%r8\n\t"				\
		     "rdtsc\n\t"					\
		     "sub %%r9d, %%eax\n\t"				\
		     "mov %%r8, %%rdx\n\t"				\
		     "jmp *%%r12\n"					\
		     "access_end_" #name ":"				\
		     : :);						\
}									\
									\
extern const char access_end_##name[];					\
static const struct bench_access access_##name = {			\
	(const char *)access_code_##name, access_end_##name, rewritten	\
}

#define BUILD_ACCESS(name, insn)	BUILD_ACCESS_REWRITTEN(name, insn, NULL)

BUILD_ACCESS(outw, "outw %%ax, %%dx");
BUILD_ACCESS(outb, "outb %%al, %%dx");
BUILD_ACCESS(movw, "movw %%ax, (%%rdx)");
/* The contract's instruction; movw below is what drivers are compiled to. */
BUILD_ACCESS(movw_fast, "movw %%ax, (%%rdx)");
BUILD_ACCESS(vmcall, "vmcall");
BUILD_ACCESS(vmmcall, "vmmcall");
BUILD_ACCESS(cpuid, "cpuid");
BUILD_ACCESS(movl, "movl %%eax, (%%rdx)");
BUILD_ACCESS(movl_imm, "movl $" __stringify(VALUE) ", (%%rdx)");
BUILD_ACCESS(movw_sib, "movw %%ax, -0x10000(%%rdx, %%rsi, 2)");
BUILD_ACCESS(movw_prefixed, ".byte 0x3e\n\tmovw %%ax, (%%rdx)");
BUILD_ACCESS(movw_load, "movw (%%rdx), %%ax");
BUILD_ACCESS(xchgw, "xchgw %%ax, (%%rdx)");
/* movw %ax, (%rdx) with a SIB byte, four values of which mean the same. */
extern const char access_sib_byte[];
BUILD_ACCESS_REWRITTEN(movw_rewritten, ".byte 0x66, 0x89, 0x04\n"
				       "access_sib_byte: .byte 0x22", access_sib_byte);

static bool pic_has_mask(struct bench_vm *b)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	vm_ioctl(b->vm, KVM_GET_IRQCHIP, &chip);
	return chip.chip.pic.imr == PIC_MASK;
}

static bool lapic_has_value(struct bench_vm *b)
{
	struct kvm_lapic_state lapic;
	u32 value;

	vcpu_ioctl(b->vcpu, KVM_GET_LAPIC, &lapic);
	memcpy(&value, lapic.regs + LAPIC_LVTERR, sizeof(value));
	return value == LAPIC_VALUE;
}

#define STORE(name, access, bus, ...) \
	{ name, access, bus, .regs = { VALUE }, .addr_in = ADDR_RDX, __VA_ARGS__ }

#define CALL_POST(name, who) \
	{ name, NULL, MMIO, .regs = { KVM_HC_MMIO_WRITE, 0, VALUE, 2 }, .addr_in = ADDR_RBX, \
	  .needs_hc_mmio_write = true, .checks_result = true, .posts = who }

static const struct bench_case cases[] = {
	STORE("outw", &access_outw, PORT),
	STORE("movw", &access_movw, MMIO),
	STORE("movw_wildcard", &access_movw, MMIO_ANY_LENGTH),
	{ "vmcall", NULL, .regs = { UNKNOWN_HC }, .checks_result = true, .result = -KVM_ENOSYS },
	{ "hc_mmio_write", NULL, MMIO, .regs = { KVM_HC_MMIO_WRITE, 0, VALUE, 2 },
	  .addr_in = ADDR_RBX, .needs_hc_mmio_write = true, .checks_result = true },
	STORE("movw_fast", &access_movw_fast, MMIO),
	{ "exit_floor", NULL, .regs = { KVM_HC_MMIO_WRITE, 0, VALUE, 3 },
	  .addr_in = ADDR_RBX, .needs_hc_mmio_write = true, .checks_result = true,
	  .result = -KVM_EINVAL },
	STORE("movw_userspace", &access_movw, NO_DOORBELL, .exits = EXITS_FOR_STORE),
	STORE("movw_fast_userspace", &access_movw_fast, NO_DOORBELL, .exits = EXITS_FOR_STORE),
	{ "cpuid", &access_cpuid },
	STORE("l2_movw", &access_movw, MMIO, .in_l2 = true),
	STORE("l2_movw_fast", &access_movw_fast, MMIO, .in_l2 = true),

	/* Doorbells by stores that drivers don't use. */
	STORE("movl_imm", &access_movl_imm, MMIO_LONG),
	STORE("movw_sib", &access_movw_sib, MMIO, .regs.rsi = 0x8000),
	STORE("movw_user", &access_movw, MMIO, .at_cpl3 = true),
	STORE("movw_prefixed", &access_movw_prefixed, MMIO),
	STORE("xchgw", &access_xchgw, MMIO, .exits = EXITS_FOR_LOAD, .checks_result = true,
	      .result = LOADED),
	STORE("movw_rewritten", &access_movw_rewritten, MMIO),
	STORE("movw_off", &access_movw, MMIO, .turned_off = true),
	STORE("movw_wildcard_off", &access_movw, MMIO_ANY_LENGTH, .turned_off = true),

	/* Doorbells that hand over the value. */
	STORE("movw_post", &access_movw, MMIO, .posts = POSTS_AND_SIGNALS),
	STORE("movw_post_only", &access_movw, MMIO, .posts = POSTS_ONLY),
	STORE("movw_post_awake", &access_movw, MMIO, .posts = POSTS_AWAKE),
	STORE("movw_post_asleep", &access_movw, MMIO, .posts = POSTS_ASLEEP),
	STORE("movw_post_by_vmm", &access_movw, NO_DOORBELL, .exits = EXITS_FOR_STORE,
	      .posts = POSTS_BY_VMM),
	STORE("outw_post", &access_outw, PORT, .posts = POSTS_AND_SIGNALS),
	STORE("outw_post_only", &access_outw, PORT, .posts = POSTS_ONLY),
	STORE("outw_post_awake", &access_outw, PORT, .posts = POSTS_AWAKE),
	STORE("outw_post_asleep", &access_outw, PORT, .posts = POSTS_ASLEEP),
	{ "outw_post_by_vmm", &access_outw, .regs = { VALUE, .rdx = VMM_PORT },
	  .exits = EXITS_FOR_OUT, .posts = POSTS_BY_VMM },
	CALL_POST("hc_mmio_write_post", POSTS_AND_SIGNALS),
	CALL_POST("hc_mmio_write_post_only", POSTS_ONLY),
	CALL_POST("hc_mmio_write_post_awake", POSTS_AWAKE),
	CALL_POST("hc_mmio_write_post_asleep", POSTS_ASLEEP),
	STORE("l2_movw_post", &access_movw, MMIO, .in_l2 = true, .posts = POSTS_AND_SIGNALS),
	STORE("l2_movw_post_only", &access_movw, MMIO, .in_l2 = true, .posts = POSTS_ONLY),

	/* Exits that are no doorbell. */
	{ "out_pic", &access_outb, .regs = { PIC_MASK, .rdx = PIC_PORT },
	  .arrived = pic_has_mask },
	{ "out_userspace", &access_outw, .regs = { VALUE, .rdx = VMM_PORT },
	  .exits = EXITS_FOR_OUT },
	{ "out_coalesced", &access_outw, .regs = { VALUE, .rdx = VMM_PORT }, .zone = PORT_ZONE },
	STORE("load_userspace", &access_movw_load, NO_DOORBELL, .exits = EXITS_FOR_LOAD,
	      .checks_result = true, .result = LOADED),
	STORE("movw_coalesced", &access_movw, NO_DOORBELL, .zone = MMIO_ZONE),
	{ "movl_lapic", &access_movl,
	  .regs = { LAPIC_VALUE, .rdx = APIC_DEFAULT_GPA + LAPIC_LVTERR },
	  .arrived = lapic_has_value },
};

#endif /* SELFTEST_KVM_DOORBELL_BENCH_CASES_H */
