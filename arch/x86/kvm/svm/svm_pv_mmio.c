// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMCB says about an exit that may be a doorbell.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "hc_mmio_write.h"
#include "pv_mmio_turn.h"
#include "svm.h"
#include "svm_ops.h"
#include "svm_pv_mmio.h"
#include "svm_pv_mmio_assists.h"
#include "x86.h"

static __always_inline struct kvm_pv_mmio_cpu
svm_pv_mmio_cpu(struct kvm_vcpu *vcpu, const struct vmcb *vmcb)
{
	u16 attrib = vmcb->save.cs.attrib;

	return (struct kvm_pv_mmio_cpu) {
		.rflags = vmcb->save.rflags,
		.interrupt_shadow = vmcb->control.int_state &
				    SVM_INTERRUPT_SHADOW_MASK,
		.cpl = vmcb->save.cpl,
		.mode = kvm_pv_mmio_mode(vcpu, attrib & SVM_SELECTOR_L_MASK,
					 attrib & SVM_SELECTOR_DB_MASK),
	};
}

/* An instruction that completes clears RF. */
static __always_inline fastpath_t svm_completed(struct vmcb *vmcb,
						fastpath_t ret)
{
	if (ret == EXIT_FASTPATH_REENTER_GUEST)
		vmcb->save.rflags &= ~X86_EFLAGS_RF;
	return ret;
}

static __always_inline fastpath_t
__svm_store_fastpath(struct kvm_vcpu *vcpu, struct vmcb *vmcb,
		     struct kvm_pv_mmio_code code)
{
	/* Only 64-bit code is served, where the code segment begins at 0. */
	struct kvm_pv_mmio_exit exit = {
		.gpa = vmcb->control.exit_info_2,
		.is_store = true,
		.rip = vmcb->save.rip,
		.linear_rip = vmcb->save.rip,
		.root = vmcb->save.cr3,
		.cpu = svm_pv_mmio_cpu(vcpu, vmcb),
	};

	return svm_completed(vmcb, kvm_pv_mmio_fastpath(vcpu, &exit, code));
}

/* Not inline: what is no doorbell shall not save registers for it. */
static noinline fastpath_t svm_store_fastpath(struct kvm_vcpu *vcpu,
					      struct vmcb *vmcb)
{
	return __svm_store_fastpath(vcpu, vmcb, KVM_PV_MMIO_NO_CODE);
}

/*
 * The same where the CPU hands over the code.  It's a copy of its own, as the
 * one above then has no question about bytes in it.
 */
static noinline fastpath_t svm_assisted_store_fastpath(struct kvm_vcpu *vcpu,
						       struct vmcb *vmcb)
{
	struct kvm_pv_mmio_code code = {
		.bytes = vmcb->control.insn_bytes,
		.nr = svm_pv_mmio_insn_len(vcpu, vmcb),
	};

	BUILD_BUG_ON(sizeof(vmcb->control.insn_bytes) < KVM_PV_MMIO_INSN_MAX);
	return __svm_store_fastpath(vcpu, vmcb, code);
}

/* Not inline, either. */
static noinline fastpath_t svm_hc_fastpath(struct kvm_vcpu *vcpu)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	struct kvm_pv_mmio_exit exit = {
		.rip = vmcb->save.rip,
		.linear_rip = vmcb->save.rip,
		.next_rip = nrips ? vmcb->control.next_rip : 0,
		/* Without nested paging, the CPU runs on KVM's tables. */
		.root = npt_enabled ? vmcb->save.cr3 : vcpu->arch.cr3,
		.cpu = svm_pv_mmio_cpu(vcpu, vmcb),
	};

	return svm_completed(vmcb, kvm_hc_mmio_write_fastpath(vcpu, &exit));
}

static noinline fastpath_t svm_out_fastpath(struct kvm_vcpu *vcpu,
					    struct vmcb *vmcb)
{
	struct kvm_pv_mmio_cpu cpu = svm_pv_mmio_cpu(vcpu, vmcb);
	u32 info = vmcb->control.exit_info_1;

	if (cpu.mode != KVM_PV_MMIO_MODE_64 || !kvm_pv_mmio_may_skip(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	return svm_completed(vmcb,
			     kvm_pio_fastpath(vcpu, info >> 16,
					      (info & SVM_IOIO_SIZE_MASK) >>
					      SVM_IOIO_SIZE_SHIFT,
					      vmcb->control.exit_info_2));
}

static __always_inline fastpath_t svm_ring(struct kvm_vcpu *vcpu)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	switch (vmcb->control.exit_code) {
	case SVM_EXIT_NPF:
		if (svm_pv_mmio_has_assists())
			return svm_assisted_store_fastpath(vcpu, vmcb);
		return svm_store_fastpath(vcpu, vmcb);
	case SVM_EXIT_IOIO:
		return svm_out_fastpath(vcpu, vmcb);
	default:
		return svm_hc_fastpath(vcpu);
	}
}

fastpath_t __svm_pv_mmio_fastpath(struct kvm_vcpu *vcpu)
{
	return svm_ring(vcpu);
}

/* What x86_spec_ctrl_set_guest() would have to change, and the reverse. */
static __always_inline bool svm_has_guest_ssbd(struct vcpu_svm *svm)
{
	u64 host = static_cpu_has(X86_FEATURE_SPEC_STORE_BYPASS_DISABLE) ||
		   test_thread_flag(TIF_SSBD) ? SPEC_CTRL_SSBD : 0;

	return (!static_cpu_has(X86_FEATURE_LS_CFG_SSBD) &&
		!static_cpu_has(X86_FEATURE_VIRT_SSBD)) ||
	       (svm->virt_spec_ctrl & SPEC_CTRL_SSBD) == host;
}

/* An entry that flushed the TLB has to be noted by KVM first. */
static __always_inline bool svm_may_turn(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;

	return !(vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID) &&
	       !vmcb->control.tlb_ctl && !svm->nmi_singlestep &&
	       !svm->awaiting_iret_completion && svm_has_guest_ssbd(svm) &&
	       (vmcb->control.virt_ext & LBR_CTL_ENABLE_MASK ||
		vcpu->arch.host_debugctl == vmcb->save.dbgctl) &&
	       kvm_pv_mmio_may_turn(vcpu);
}

/*
 * NMIs are let in, as locks are taken there.  A fastpath_t that goes on, or
 * KVM_PV_MMIO_TURN_AGAIN.
 */
static __always_inline int svm_ring_early(struct kvm_vcpu *vcpu)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	int ret;

	stgi();
	vcpu->arch.regs[VCPU_REGS_RAX] = vmcb->save.rax;
	vcpu->arch.regs[VCPU_REGS_RSP] = vmcb->save.rsp;
	vcpu->arch.regs[VCPU_REGS_RIP] = vmcb->save.rip;
	ret = svm_ring(vcpu);
	if (ret == EXIT_FASTPATH_REENTER_GUEST && kvm_pv_mmio_may_reenter(vcpu))
		ret = KVM_PV_MMIO_TURN_AGAIN;
	vmcb->save.rax = vcpu->arch.regs[VCPU_REGS_RAX];
	vmcb->save.rip = vcpu->arch.regs[VCPU_REGS_RIP];
	clgi();
	return ret;
}

int __svm_pv_mmio_turn(struct kvm_vcpu *vcpu)
{
	int ret;

	if (!svm_may_turn(vcpu))
		return KVM_PV_MMIO_UNDECIDED;

	ret = svm_ring_early(vcpu);
	if (ret == KVM_PV_MMIO_TURN_AGAIN) {
		vmcb_mark_all_clean(to_svm(vcpu)->vmcb);
		kvm_pv_mmio_count_turn(vcpu);
	}
	return ret;
}
