// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 itself: it enters L2 and sees its exits; and how L2 calls it.
 */
#include "pv_mmio_l2.h"
#include "pv_mmio_l2_tables.h"

#define INVEPT_CONTEXT	1ul
#define EVENT_VALID	BIT(31)
#define STACK_SIZE	(4 * PAGE_SIZE)
#define USER_RPL	3
#define USER_DPL	(3 << 5)

struct l2_gprs l2_gprs;
/* For the assembly below. */
u8 l2_launched, l2_entry_failed;

static bool l1_has_no_tdp;
static u8 l2_stack[STACK_SIZE] __aligned(16);

static struct vmcb *l1_vmcb(void)
{
	return ((struct svm_test_data *)l2_tables.cpu)->vmcb;
}

#define SWAP_GPRS			\
	"xchg %%rbx, l2_gprs+0x8\n\t"	\
	"xchg %%rcx, l2_gprs+0x10\n\t"	\
	"xchg %%rdx, l2_gprs+0x18\n\t"	\
	"xchg %%rsi, l2_gprs+0x20\n\t"	\
	"xchg %%rdi, l2_gprs+0x28\n\t"	\
	"xchg %%rbp, l2_gprs+0x30\n\t"	\
	"xchg %%r8, l2_gprs+0x38\n\t"	\
	"xchg %%r9, l2_gprs+0x40\n\t"	\
	"xchg %%r10, l2_gprs+0x48\n\t"	\
	"xchg %%r11, l2_gprs+0x50\n\t"	\
	"xchg %%r12, l2_gprs+0x58\n\t"	\
	"xchg %%r13, l2_gprs+0x60\n\t"	\
	"xchg %%r14, l2_gprs+0x68\n\t"	\
	"xchg %%r15, l2_gprs+0x70\n\t"

static noinline void vmx_enter(void)
{
	asm volatile("vmwrite %%rsp, %[host_rsp]\n\t"
		     "lea 1f(%%rip), %%rax\n\t"
		     "vmwrite %%rax, %[host_rip]\n\t"
		     SWAP_GPRS
		     "xchg %%rax, l2_gprs\n\t"
		     "cmpb $0, l2_launched\n\t"
		     "jne 2f\n\t"
		     "vmlaunch\n\t"
		     "2: vmresume\n\t"
		     "movb $1, l2_entry_failed\n"
		     "1:\n\t"
		     "xchg %%rax, l2_gprs\n\t"
		     SWAP_GPRS
		     : : [host_rsp] "r"((u64)HOST_RSP), [host_rip] "r"((u64)HOST_RIP)
		     : "rax", "memory", "cc");
	l2_launched = true;
}

static noinline void svm_enter(void)
{
	struct svm_test_data *svm = l2_tables.cpu;

	svm->vmcb->save.rax = l2_gprs.rax;
	asm volatile(SWAP_GPRS
		     "vmrun %%rax\n\t"
		     SWAP_GPRS
		     : : "a"(svm->vmcb_gpa) : "memory", "cc");
	l2_gprs.rax = svm->vmcb->save.rax;
	svm->vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
}

static enum l2_exit_reason vmx_reason(u64 raw)
{
	switch (raw) {
	case EXIT_REASON_VMCALL:
		return L2_CALLED;
	case EXIT_REASON_EPT_VIOLATION:
		return L2_TDP_FAULT;
	case EXIT_REASON_IO_INSTRUCTION:
		return L2_OUT;
	case EXIT_REASON_EXCEPTION_NMI:
		return L2_EXCEPTION;
	case EXIT_REASON_MONITOR_TRAP_FLAG:
		return L2_STEPPED;
	default:
		return L2_OTHER;
	}
}

static enum l2_exit_reason svm_reason(u64 raw)
{
	switch (raw) {
	case SVM_EXIT_VMMCALL:
		return L2_CALLED;
	case SVM_EXIT_NPF:
		return L2_TDP_FAULT;
	case SVM_EXIT_IOIO:
		return L2_OUT;
	case SVM_EXIT_EXCP_BASE ... SVM_EXIT_EXCP_BASE + 0x1f:
		return L2_EXCEPTION;
	default:
		return L2_OTHER;
	}
}

static struct l2_exit vmx_exit(void)
{
	u64 raw = vmreadz(VM_EXIT_REASON);
	struct l2_exit exit = { .reason = vmx_reason(raw), .raw_reason = raw };

	GUEST_ASSERT(!l2_entry_failed);
	if (exit.reason == L2_TDP_FAULT) {
		exit.gpa = vmreadz(GUEST_PHYSICAL_ADDRESS);
		exit.info = vmreadz(EXIT_QUALIFICATION);
	}
	return exit;
}

static struct l2_exit svm_exit(void)
{
	struct vmcb_control_area *control = &l1_vmcb()->control;
	struct l2_exit exit = {
		.reason = svm_reason(control->exit_code),
		.raw_reason = control->exit_code,
	};

	if (exit.reason == L2_TDP_FAULT) {
		exit.gpa = control->exit_info_2;
		exit.info = control->exit_info_1;
	}
	return exit;
}

struct l2_exit l1_run(void)
{
	if (l2_tables.is_svm) {
		svm_enter();
		return svm_exit();
	}
	vmx_enter();
	return vmx_exit();
}

void l1_use_tdp(bool on)
{
	l1_has_no_tdp = !on;
}

/* NPT has as many levels as L1's own tables. */
static u64 l1_root(void)
{
	if (l1_has_no_tdp || !l2_tables.root_gpa)
		return 0;
	if (l2_tables.is_svm && get_cr4() & X86_CR4_LA57)
		return l2_tables.root_gpa + FIFTH_LEVEL * PAGE_SIZE;

	return l2_tables.root_gpa;
}

void l1_prepare(void (*code)(void))
{
	/* The ABI wants RSP to be as if @code had been called. */
	u8 *rsp = l2_stack + STACK_SIZE - sizeof(u64);
	u64 root = l1_root();

	if (l2_tables.is_svm) {
		l1_prepare_svm(l2_tables.cpu, code, rsp, root);
		l1_vmcb()->save.rflags = X86_EFLAGS_FIXED;
		return;
	}
	((struct vmx_pages *)l2_tables.cpu)->eptp_gpa = root;
	GUEST_ASSERT(prepare_for_vmx_operation(l2_tables.cpu));
	GUEST_ASSERT(load_vmcs(l2_tables.cpu));
	l1_prepare_vmcs(l2_tables.cpu, code, rsp);
	/* L2 handles its own page faults.  The library's -1 would send them to L1. */
	vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
}

u64 l1_get_l2_rip(void)
{
	return l2_tables.is_svm ? l1_vmcb()->save.rip : vmreadz(GUEST_RIP);
}

void l1_set_l2_rip(u64 rip)
{
	if (l2_tables.is_svm)
		l1_vmcb()->save.rip = rip;
	else
		vmwrite(GUEST_RIP, rip);
}

void l1_skip(u64 len)
{
	l1_set_l2_rip(l1_get_l2_rip() + len);
}

void l1_use_other_tables(void)
{
	l2_tables.table += NR_TABLES * NR_PTES;
	l2_tables.root_gpa += NR_TABLES * PAGE_SIZE;
	if (l2_tables.is_svm)
		l1_vmcb()->control.nested_cr3 = l1_root();
	else
		vmwrite(EPT_POINTER, l1_root() | vmreadz(EPT_POINTER) % PAGE_SIZE);
}

u64 *l1_pte(u64 l2_gpa)
{
	int part = l2_gpa < L2_MMIO_GPA ? PT_CODE : PT_MMIO;

	return l2_tables.table + part * NR_PTES + (l2_gpa >> PAGE_SHIFT) % NR_PTES;
}

void l1_flush(void)
{
	struct {
		u64 eptp, reserved;
	} context = {};

	if (l2_tables.is_svm) {
		l1_vmcb()->control.tlb_ctl = TLB_CONTROL_FLUSH_ASID;
		return;
	}
	context.eptp = vmreadz(EPT_POINTER);
	asm volatile("invept %0, %1" : : "m"(context), "r"(INVEPT_CONTEXT) : "memory", "cc");
}

/* It is an external interrupt, which has type 0 on VMX and on SVM. */
void l1_inject(u8 vector)
{
	if (l2_tables.is_svm)
		l1_vmcb()->control.event_inj = vector | EVENT_VALID;
	else
		vmwrite(VM_ENTRY_INTR_INFO_FIELD, vector | EVENT_VALID);
}

void l1_intercept_out(void)
{
	struct svm_test_data *svm = l2_tables.cpu;

	if (!l2_tables.is_svm) {
		vmwrite(CPU_BASED_VM_EXEC_CONTROL, vmreadz(CPU_BASED_VM_EXEC_CONTROL) |
			CPU_BASED_UNCOND_IO_EXITING);
		return;
	}
	/* The library has no I/O permission map; the one for MSRs, all ones, does as well. */
	svm->vmcb->control.intercept |= BIT_ULL(INTERCEPT_IOIO_PROT);
	memset(svm->msr, 0xff, PAGE_SIZE);
	svm->vmcb->control.iopm_base_pa = svm->msr_gpa;
}

void l1_intercept_db(void)
{
	if (l2_tables.is_svm)
		l1_vmcb()->control.intercept_exceptions |= BIT(DB_VECTOR);
	else
		vmwrite(EXCEPTION_BITMAP, BIT(DB_VECTOR));
}

void l1_intercept_call(bool on)
{
	l1_vmcb()->control.intercept &= ~BIT_ULL(INTERCEPT_VMMCALL);
	l1_vmcb()->control.intercept |= on ? BIT_ULL(INTERCEPT_VMMCALL) : 0;
}

void l1_intercept_steps(bool on)
{
	u64 controls = vmreadz(CPU_BASED_VM_EXEC_CONTROL) & ~CPU_BASED_MONITOR_TRAP;

	vmwrite(CPU_BASED_VM_EXEC_CONTROL, controls | (on ? CPU_BASED_MONITOR_TRAP : 0));
}

void l1_set_l2_rflags(u64 rflags)
{
	if (l2_tables.is_svm)
		l1_vmcb()->save.rflags = rflags;
	else
		vmwrite(GUEST_RFLAGS, rflags);
}

/* The library has no user segments, so change L2's copies of the kernel's. */
void l1_set_l2_user(void)
{
	if (l2_tables.is_svm) {
		l1_vmcb()->save.cs.attrib |= USER_DPL;
		l1_vmcb()->save.ss.attrib |= USER_DPL;
		l1_vmcb()->save.cpl = USER_RPL;
		return;
	}
	vmwrite(GUEST_CS_SELECTOR, vmreadz(GUEST_CS_SELECTOR) | USER_RPL);
	vmwrite(GUEST_SS_SELECTOR, vmreadz(GUEST_SS_SELECTOR) | USER_RPL);
	vmwrite(GUEST_CS_AR_BYTES, vmreadz(GUEST_CS_AR_BYTES) | USER_DPL);
	vmwrite(GUEST_SS_AR_BYTES, vmreadz(GUEST_SS_AR_BYTES) | USER_DPL);
}

const char *l2_call_insn(void)
{
	return l2_tables.is_svm ? "\x0f\x01\xd9" : "\x0f\x01\xc1";
}

void l2_call(u64 rax, u64 rbx, u64 rcx, u64 rdx, u64 rsi)
{
	if (l2_tables.is_svm)
		asm volatile("push %%rbp\n\tvmmcall\n\tpop %%rbp"
			     : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+S"(rsi)
			     : : "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
			     "memory", "cc");
	else
		asm volatile("push %%rbp\n\tvmcall\n\tpop %%rbp"
			     : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+S"(rsi)
			     : : "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
			     "memory", "cc");
}
