// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMCS says about an exit that may be a doorbell.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "hc_mmio_write.h"
#include "pv_mmio_32.h"
#include "pv_mmio_turn.h"
#include "vmx.h"
#include "vmx_pv_mmio.h"
#include "x86.h"

/* Of a code segment. */
#define VMX_AR_TYPE_CONFORMING_MASK	BIT(2)

static __always_inline struct kvm_pv_mmio_cpu
vmx_pv_mmio_cpu(struct kvm_vcpu *vcpu)
{
	u32 cs = vmcs_read32(GUEST_CS_AR_BYTES);
	/* The CPL is that of SS, and that of CS, too, unless CS is conforming. */
	u32 cpl = cs & VMX_AR_TYPE_CONFORMING_MASK ?
		  vmcs_read32(GUEST_SS_AR_BYTES) : cs;

	return (struct kvm_pv_mmio_cpu) {
		.rflags = vmcs_readl(GUEST_RFLAGS),
		.interrupt_shadow = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO) &
				    (GUEST_INTR_STATE_STI |
				     GUEST_INTR_STATE_MOV_SS),
		.cpl = VMX_AR_DPL(cpl),
		.mode = kvm_pv_mmio_mode(vcpu, cs & VMX_AR_L_MASK,
					 cs & VMX_AR_DB_MASK),
	};
}

/*
 * An instruction that completes clears RFLAGS.RF.  At an EPT misconfiguration
 * it hasn't completed, so Intel's CPUs save RFLAGS with RF set.
 */
static __always_inline fastpath_t
vmx_completed(struct kvm_vcpu *vcpu, unsigned long rflags, fastpath_t ret)
{
	if (ret == EXIT_FASTPATH_REENTER_GUEST && rflags & X86_EFLAGS_RF) {
		vmcs_writel(GUEST_RFLAGS, rflags & ~X86_EFLAGS_RF);
		/* A tracepoint may have cached RFLAGS before. */
		to_vmx(vcpu)->rflags &= ~X86_EFLAGS_RF;
	}
	return ret;
}

static __always_inline unsigned long vmx_next_rip(unsigned long rip)
{
	return rip + vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
}

/* Outside of 64-bit mode, segments have a base, and PDPTEs are in the VMCS. */
static void vmx_locate_legacy_code(struct kvm_vcpu *vcpu,
				   struct kvm_pv_mmio_exit *exit)
{
	union kvm_cpu_role role = kvm_pv_mmio_pagewalk(vcpu)->cpu_role;

	exit->linear_rip = (u32)(exit->rip + vmcs_readl(GUEST_CS_BASE));
	if (role.base.level == PT32E_ROOT_LEVEL)
		exit->root = vmcs_read64(GUEST_PDPTR0 +
					 2 * (exit->linear_rip >> 30));
	else if (!role.base.direct)
		exit->root = vmcs_readl(GUEST_CR3);
}

/* At an EPT misconfiguration, only real hardware is sure to tell the length. */
static __always_inline fastpath_t
vmx_fast_mmio_fastpath(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_exit *exit)
{
	if (!kvm_ioeventfd_may_find_wildcard(vcpu->kvm, KVM_FAST_MMIO_BUS,
					     exit->gpa))
		return EXIT_FASTPATH_NONE;

	if (!cpu_feature_enabled(X86_FEATURE_HYPERVISOR))
		exit->next_rip = vmx_next_rip(exit->rip);
	return kvm_fast_mmio_fastpath(vcpu, exit);
}

/* Not inline, so that it takes no registers from 64-bit code's. */
static noinline fastpath_t
vmx_legacy_store_fastpath(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned long rip)
{
	struct kvm_pv_mmio_exit exit = {
		.gpa = gpa,
		.rip = rip,
		.cpu = vmx_pv_mmio_cpu(vcpu),
	};
	fastpath_t ret;

	vmx_locate_legacy_code(vcpu, &exit);
	ret = vmx_fast_mmio_fastpath(vcpu, &exit);
	if (ret == EXIT_FASTPATH_NONE)
		ret = kvm_pv_mmio_fastpath_32(vcpu, &exit, KVM_PV_MMIO_NO_CODE);
	return vmx_completed(vcpu, exit.cpu.rflags, ret);
}

static __always_inline fastpath_t
vmx_store_fastpath(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned long rip)
{
	struct kvm_pv_mmio_exit exit = {
		.gpa = gpa,
		.rip = rip,
		.linear_rip = rip,
		.cpu = vmx_pv_mmio_cpu(vcpu),
	};
	fastpath_t ret;

	if (unlikely(exit.cpu.mode != KVM_PV_MMIO_MODE_64))
		return vmx_legacy_store_fastpath(vcpu, gpa, rip);

	exit.root = vmcs_readl(GUEST_CR3);
	ret = vmx_fast_mmio_fastpath(vcpu, &exit);
	if (ret == EXIT_FASTPATH_NONE)
		ret = kvm_pv_mmio_fastpath(vcpu, &exit, KVM_PV_MMIO_NO_CODE);
	return vmx_completed(vcpu, exit.cpu.rflags, ret);
}

/* Of an instruction that exits by itself: hardware tells its length. */
static __always_inline struct kvm_pv_mmio_exit
vmx_insn_exit(struct kvm_vcpu *vcpu)
{
	unsigned long rip = vmcs_readl(GUEST_RIP);

	return (struct kvm_pv_mmio_exit) {
		.rip = rip,
		.next_rip = vmx_next_rip(rip),
		.cpu = vmx_pv_mmio_cpu(vcpu),
	};
}

static __always_inline fastpath_t vmx_hc_fastpath(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_exit exit = vmx_insn_exit(vcpu);

	return vmx_completed(vcpu, exit.cpu.rflags,
			     kvm_hc_mmio_write_fastpath(vcpu, &exit));
}

static __always_inline fastpath_t vmx_out_fastpath(struct kvm_vcpu *vcpu,
						   u32 qualification)
{
	struct kvm_pv_mmio_exit exit = vmx_insn_exit(vcpu);

	return vmx_completed(vcpu, exit.cpu.rflags,
			     kvm_pio_fastpath(vcpu, &exit, qualification >> 16,
					      (qualification & VMX_IO_SIZE) +
					      1));
}

fastpath_t __vmx_pv_mmio_fastpath(struct kvm_vcpu *vcpu)
{
	if (!kvm_pv_mmio_may_decide_late(vcpu))
		return EXIT_FASTPATH_NONE;

	switch (vmx_get_exit_reason(vcpu).full) {
	case EXIT_REASON_EPT_MISCONFIG:
		return vmx_store_fastpath(vcpu,
					  vmcs_read64(GUEST_PHYSICAL_ADDRESS),
					  vmcs_readl(GUEST_RIP));
	case EXIT_REASON_IO_INSTRUCTION:
		return vmx_out_fastpath(vcpu, vmx_get_exit_qual(vcpu));
	default:
		return vmx_hc_fastpath(vcpu);
	}
}

static __always_inline bool vmx_may_turn(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	return !(vmx->idt_vectoring_info & VECTORING_INFO_VALID_MASK) &&
	       !vcpu->arch.host_debugctl && !kvm_is_using_evmcs() &&
	       !vmx->msr_autoload.host.nr &&
	       vmx_pt_mode_is_system() &&
	       !vmx->loaded_vmcs->soft_vnmi_blocked &&
	       kvm_pv_mmio_may_turn(vcpu);
}

/* An eventfd's waiter may have posted an interrupt that is still in the PIR. */
static __always_inline bool vmx_may_reenter(struct kvm_vcpu *vcpu)
{
	return !(kvm_vcpu_apicv_active(vcpu) &&
		 pi_test_on(vmx_pi_desc(vcpu))) &&
	       kvm_pv_mmio_may_reenter(vcpu);
}

/*
 * Enter the guest again at once, if that's what came of the exit.
 *
 * HOST_CR3 and HOST_CR4 are still right, as nothing here sleeps, and so they
 * can't change.  An NMI may stop events of the PMU, which adds nothing to an
 * empty list of MSRs.  With a list that isn't empty, as with PEBS, KVM has to
 * look at each entry, so vmx_may_turn() refuses.
 */
static __always_inline int vmx_turn(struct kvm_vcpu *vcpu, fastpath_t ret)
{
	if (ret != EXIT_FASTPATH_REENTER_GUEST || !vmx_may_reenter(vcpu))
		return ret;

	vmcs_writel(GUEST_RIP, *kvm_pv_mmio_rip(vcpu));
	kvm_reset_dirty_registers(vcpu);
	to_vmx(vcpu)->loaded_vmcs->launched = 1;
	kvm_pv_mmio_count_turn(vcpu);
	return KVM_PV_MMIO_TURN_AGAIN;
}

__flatten int vmx_store_turn(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned long rip)
{
	if (!vmx_may_turn(vcpu))
		return KVM_PV_MMIO_UNDECIDED;

	return vmx_turn(vcpu, vmx_store_fastpath(vcpu, gpa, rip));
}

__flatten int vmx_out_turn(struct kvm_vcpu *vcpu, u32 qualification)
{
	if (!vmx_may_turn(vcpu))
		return KVM_PV_MMIO_UNDECIDED;

	return vmx_turn(vcpu, vmx_out_fastpath(vcpu, qualification));
}

__flatten int vmx_hc_turn(struct kvm_vcpu *vcpu)
{
	if (!vmx_may_turn(vcpu))
		return KVM_PV_MMIO_UNDECIDED;

	return vmx_turn(vcpu, vmx_hc_fastpath(vcpu));
}
