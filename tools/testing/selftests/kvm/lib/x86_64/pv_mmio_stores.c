// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's stores, see pv_mmio_scene.h.
 */
#include "pv_mmio_scene.h"

struct scene_log guest_scene_log;

/* A variable, because the assembler doesn't know the suffixes of C constants. */
const u64 guest_rbx = SCENE_RBX;

/* RDI, RSI, RDX of the C function become RDX, RAX, R8. */
#define LOAD_REGISTERS			\
	"mov %rdx, %r8\n\t"		\
	"mov %rsi, %rax\n\t"		\
	"mov %rdi, %rdx\n\t"

#define STORE(insn_label, end_label)		\
	insn_label ": mov %eax, (%rdx)\n"	\
	end_label ": nop\n\t"			\
	"nop\n\t"

/* KVM_HC_MMIO_WRITE's number is in RDX of the C function, the address in RSI. */
#define CALL(label, before, call, end_label)	\
	label ":\n\t"				\
	"push %rbx\n\t"				\
	"mov %rdx, %rax\n\t"			\
	"mov %rsi, %rbx\n\t"			\
	"mov $4, %edx\n\t"			\
	"xor %esi, %esi\n\t"			\
	before "\n\t"				\
	call "\n"				\
	end_label ": nop\n\t"			\
	"nop\n\t"				\
	"pop %rbx\n\t"				\
	"ret\n"

asm(".pushsection .text\n"
	".globl guest_popf_insn, guest_popf_end, guest_sti_end, guest_movss_end\n"
	".globl guest_store_popf, guest_store_sti, guest_plain_sti\n"
	".globl guest_store_movss, guest_plain_movss\n"
	".globl guest_store_stack, guest_store_code\n"

	"guest_store_popf:\n\t" LOAD_REGISTERS
	"push %r8\n\t"
	"popf\n" STORE("guest_popf_insn", "guest_popf_end")
	"ret\n"

	"guest_plain_sti:\n\t" LOAD_REGISTERS
	"jmp guest_sti_insn\n"
	"guest_store_sti:\n\t" LOAD_REGISTERS
	"sti\n" STORE("guest_sti_insn", "guest_sti_end")
	"ret\n"

	"guest_plain_movss:\n\t" LOAD_REGISTERS
	"jmp guest_movss_insn\n"
	"guest_store_movss:\n\t" LOAD_REGISTERS
	"mov %ss, %r9d\n\t"
	"sti\n\t"
	"nop\n\t"
	"mov %r9d, %ss\n" STORE("guest_movss_insn", "guest_movss_end")
	"ret\n"

	".globl guest_out_popf, guest_out_sti, guest_out_popf_end, guest_out_sti_end\n"
	"guest_out_popf:\n\t"
	"mov %rsi, %rdx\n\t"
	"push %rdi\n\t"
	"popf\n\t"
	"out %al, %dx\n"
	"guest_out_popf_end: nop\n\t"
	"nop\n\t"
	"ret\n"

	"guest_out_sti:\n\t"
	"mov %rsi, %rdx\n\t"
	"sti\n\t"
	"out %al, %dx\n"
	"guest_out_sti_end: nop\n\t"
	"nop\n\t"
	"ret\n"

	".globl guest_vmcall_popf, guest_vmcall_popf_end\n"
	".globl guest_vmmcall_popf, guest_vmmcall_popf_end\n"
	".globl guest_vmcall_sti, guest_vmcall_sti_end\n"
	".globl guest_vmmcall_sti, guest_vmmcall_sti_end\n"
	CALL("guest_vmcall_popf", "push %rdi\n\tpopf", "vmcall", "guest_vmcall_popf_end")
	CALL("guest_vmmcall_popf", "push %rdi\n\tpopf", "vmmcall", "guest_vmmcall_popf_end")
	CALL("guest_vmcall_sti", "sti", "vmcall", "guest_vmcall_sti_end")
	CALL("guest_vmmcall_sti", "sti", "vmmcall", "guest_vmmcall_sti_end")

	"guest_store_stack:\n\t" LOAD_REGISTERS
	"mov %rsp, %r9\n\t"
	"sti\n\t"
	"mov %r8, %rsp\n" STORE("guest_stack_insn", "guest_stack_end")
	"cli\n\t"
	"mov %r9, %rsp\n\t"
	"ret\n"

	"guest_store_code:\n\t"
	"push %rbx\n\t" LOAD_REGISTERS
	"mov guest_rbx, %rbx\n\t"
	"call *%r8\n\t"
	"pop %rbx\n\t"
	"ret\n"
	".popsection");

void guest_log_fault(struct ex_regs *regs)
{
	/* The CPU pushes RSP before RFLAGS, so it comes next in memory. */
	u64 *rsp = (u64 *)&regs->rflags + 1, cr2 = 0;

	/*
	 * QEMU 10 reports any read of a control register as one of CR0, which KVM
	 * intercepts without NPT, and decodes.
	 */
	if (regs->vector == PF_VECTOR)
		asm volatile("mov %%cr2, %0" : "=r"(cr2));
	guest_log(regs->vector);
	guest_log(regs->error_code);
	guest_log(cr2);
	regs->rip = *(u64 *)*rsp;
	*rsp += sizeof(u64);

	/*
	 * At the next exit, QEMU's AMD CPU tells again of what kind an exception was
	 * that KVM has injected, though not that there is one.  Linux 7.3 takes it for
	 * one in delivery, for which it doesn't emulate.  So let that exit be one for
	 * KVM's PIC, which nobody emulates.
	 */
	asm volatile("in $0x21, %%al" : : : "rax");
}
