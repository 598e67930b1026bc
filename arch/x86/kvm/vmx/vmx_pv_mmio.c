// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMCS says about an exit that may be a doorbell.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "hc_mmio_write.h"
#include "pv_mmio_turn.h"
#include "vmx.h"
#include "vmx_pv_mmio.h"
#include "x86.h"

static __always_inline struct kvm_pv_mmio_cpu
vmx_pv_mmio_cpu(struct kvm_vcpu *vcpu)
{
	u32 cs = vmcs_read32(GUEST_CS_AR_BYTES);

	return (struct kvm_pv_mmio_cpu) {
		.rflags = vmcs_readl(GUEST_RFLAGS),
		.interrupt_shadow = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO) &
				    (GUEST_INTR_STATE_STI |
				     GUEST_INTR_STATE_MOV_SS),
		.cpl = VMX_AR_DPL(vmcs_read32(GUEST_SS_AR_BYTES)),
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

/*
 * Only few exits are for ioeventfds of length 0, so the index spares the others
 * a walk of the bus.  Without an index, the bus has no ioeventfd, unless there
 * was no memory for one.
 */
bool vmx_fast_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	if (is_guest_mode(vcpu))
		return false;

	if (READ_ONCE(vcpu->kvm->ioeventfd_index)) {
		if (!kvm_ioeventfd_may_find_wildcard(vcpu->kvm,
						     KVM_FAST_MMIO_BUS, gpa))
			return false;
		if (kvm_pv_mmio_store_enabled(vcpu) &&
		    kvm_fast_mmio_is_load(vcpu))
			return false;
	}
	return !kvm_io_bus_write(vcpu, KVM_FAST_MMIO_BUS, gpa, 0, NULL);
}

/* Outside of 64-bit mode, segments have a base, and PDPTEs are in the VMCS. */
static noinline void vmx_locate_legacy_code(struct kvm_vcpu *vcpu,
					    struct kvm_pv_mmio_exit *exit)
{
	union kvm_cpu_role role = vcpu->arch.walk_mmu->cpu_role;

	exit->linear_rip = (u32)(exit->rip + vmcs_readl(GUEST_CS_BASE));
	if (role.base.level == PT32E_ROOT_LEVEL)
		exit->root = vmcs_read64(GUEST_PDPTR0 +
					 2 * (exit->linear_rip >> 30));
	else if (!role.base.direct)
		exit->root = vmcs_readl(GUEST_CR3);
}

/* Find the code's linear address, and the root of its translation. */
static __always_inline void vmx_locate_code(struct kvm_vcpu *vcpu,
					    struct kvm_pv_mmio_exit *exit)
{
	if (likely(exit->cpu.mode == KVM_PV_MMIO_MODE_64)) {
		exit->linear_rip = exit->rip;
		exit->root = vmcs_readl(GUEST_CR3);
	} else {
		vmx_locate_legacy_code(vcpu, exit);
	}
}

/* At an EPT misconfiguration, only real hardware is sure to tell the length. */
static __always_inline fastpath_t
vmx_fast_mmio_fastpath(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_exit *exit)
{
	if (!kvm_ioeventfd_may_find_wildcard(vcpu->kvm, KVM_FAST_MMIO_BUS,
					     exit->gpa))
		return EXIT_FASTPATH_NONE;

	if (!static_cpu_has(X86_FEATURE_HYPERVISOR))
		exit->next_rip = vmx_next_rip(exit->rip);
	if (unlikely(exit->cpu.mode != KVM_PV_MMIO_MODE_64))
		exit->next_rip = (u32)exit->next_rip;
	return kvm_fast_mmio_fastpath(vcpu, exit);
}

/* Not inline, so that exits that are no doorbell save no registers for it. */
static noinline fastpath_t
vmx_store_fastpath(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned long rip)
{
	struct kvm_pv_mmio_exit exit = {
		.gpa = gpa,
		.rip = rip,
		.cpu = vmx_pv_mmio_cpu(vcpu),
	};
	fastpath_t ret;

	vmx_locate_code(vcpu, &exit);
	/* With a segment base, kvm_pv_mmio_may_ring() saw another address. */
	if (unlikely(exit.linear_rip != rip) &&
	    !kvm_pv_mmio_may_know(vcpu, exit.linear_rip))
		return EXIT_FASTPATH_NONE;

	ret = vmx_fast_mmio_fastpath(vcpu, &exit);
	if (ret == EXIT_FASTPATH_NONE)
		ret = kvm_pv_mmio_fastpath(vcpu, &exit, KVM_PV_MMIO_NO_CODE);
	return vmx_completed(vcpu, exit.cpu.rflags, ret);
}

/* Not inline for the same reason. */
static noinline fastpath_t vmx_hc_fastpath(struct kvm_vcpu *vcpu)
{
	unsigned long rip = vmcs_readl(GUEST_RIP);
	struct kvm_pv_mmio_exit exit = {
		.rip = rip,
		.next_rip = vmx_next_rip(rip),
		.cpu = vmx_pv_mmio_cpu(vcpu),
	};

	return vmx_completed(vcpu, exit.cpu.rflags,
			     kvm_hc_mmio_write_fastpath(vcpu, &exit));
}

static noinline fastpath_t vmx_out_fastpath(struct kvm_vcpu *vcpu,
					    u32 qualification)
{
	struct kvm_pv_mmio_cpu cpu = vmx_pv_mmio_cpu(vcpu);

	if (cpu.mode != KVM_PV_MMIO_MODE_64 || !kvm_pv_mmio_may_skip(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	return vmx_completed(vcpu, cpu.rflags,
			     kvm_pio_fastpath(vcpu, qualification >> 16,
					      (qualification & VMX_IO_SIZE) + 1,
					      vmx_next_rip(vmcs_readl(GUEST_RIP))));
}

static __always_inline fastpath_t vmx_ring(struct kvm_vcpu *vcpu)
{
	switch (to_vmx(vcpu)->exit_reason.full) {
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

fastpath_t __vmx_pv_mmio_fastpath(struct kvm_vcpu *vcpu)
{
	return vmx_ring(vcpu);
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
		 pi_test_on(&to_vmx(vcpu)->pi_desc)) &&
	       kvm_pv_mmio_may_reenter(vcpu);
}

/*
 * HOST_CR3 and HOST_CR4 are still right, as nothing here sleeps, and so they
 * can't change.  An NMI may stop events of the PMU, which adds nothing to an
 * empty list of MSRs.  With a list that isn't empty, as with PEBS, KVM has to
 * look at each entry, so vmx_may_turn() refuses.
 */
int __vmx_pv_mmio_turn(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	fastpath_t ret;

	if (!vmx_may_turn(vcpu))
		return KVM_PV_MMIO_UNDECIDED;

	ret = vmx_ring(vcpu);
	if (ret != EXIT_FASTPATH_REENTER_GUEST || !vmx_may_reenter(vcpu))
		return ret;

	vmcs_writel(GUEST_RIP, vcpu->arch.regs[VCPU_REGS_RIP]);
	vcpu->arch.regs_dirty = 0;
	vmx->loaded_vmcs->launched = 1;
	kvm_pv_mmio_count_turn(vcpu);
	return KVM_PV_MMIO_TURN_AGAIN;
}
