// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMCB says about an exit that may be a doorbell.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "hc_mmio_write.h"
#include "pv_mmio_32.h"
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

/* Only code whose segment begins at 0 is served. */
static __always_inline struct kvm_pv_mmio_exit
svm_store_exit(struct kvm_vcpu *vcpu, const struct vmcb *vmcb)
{
	return (struct kvm_pv_mmio_exit) {
		.gpa = vmcb->control.exit_info_2,
		.is_store = true,
		.rip = vmcb->save.rip,
		.linear_rip = vmcb->save.rip,
		.root = vmcb->save.cr3,
		.cpu = svm_pv_mmio_cpu(vcpu, vmcb),
	};
}

/*
 * With PAE, the translation starts at one of the PDPTEs, which the VMCB doesn't
 * have.  Such stores are served where KVM may sleep.
 */
static noinline fastpath_t
svm_legacy_store_fastpath(struct kvm_vcpu *vcpu, struct vmcb *vmcb,
			  struct kvm_pv_mmio_code code)
{
	struct kvm_pv_mmio_exit exit = svm_store_exit(vcpu, vmcb);

	if (kvm_pv_mmio_pagewalk(vcpu)->cpu_role.base.level ==
	    PT32E_ROOT_LEVEL)
		return EXIT_FASTPATH_NONE;
	/* As in the slow context, which has to find the site to drop it. */
	if (kvm_pv_mmio_pagewalk(vcpu)->cpu_role.base.direct)
		exit.root = 0;

	return svm_completed(vmcb, kvm_pv_mmio_fastpath_32(vcpu, &exit, code));
}

/* KVM looks for ioeventfds of length 0 first where it knows the next RIP. */
static __always_inline fastpath_t
svm_fast_mmio_fastpath(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_exit *exit,
		       const struct vmcb *vmcb)
{
	if (!SVM_HAS_FAST_MMIO || !nrips || !vmcb->control.next_rip ||
	    !kvm_ioeventfd_may_find_wildcard(vcpu->kvm, KVM_FAST_MMIO_BUS,
					     exit->gpa))
		return EXIT_FASTPATH_NONE;

	exit->next_rip = vmcb->control.next_rip;
	return kvm_fast_mmio_fastpath(vcpu, exit);
}

static __always_inline fastpath_t
__svm_store_fastpath(struct kvm_vcpu *vcpu, struct vmcb *vmcb,
		     struct kvm_pv_mmio_code code)
{
	struct kvm_pv_mmio_exit exit = svm_store_exit(vcpu, vmcb);
	fastpath_t ret;

	if (unlikely(exit.cpu.mode != KVM_PV_MMIO_MODE_64))
		return svm_legacy_store_fastpath(vcpu, vmcb, code);

	ret = svm_fast_mmio_fastpath(vcpu, &exit, vmcb);
	if (ret == EXIT_FASTPATH_NONE)
		ret = kvm_pv_mmio_fastpath(vcpu, &exit, code);
	return svm_completed(vmcb, ret);
}

static __always_inline fastpath_t svm_store_fastpath(struct kvm_vcpu *vcpu,
						     struct vmcb *vmcb)
{
	return __svm_store_fastpath(vcpu, vmcb, KVM_PV_MMIO_NO_CODE);
}

/* The same where the CPU hands over the code. */
static __always_inline fastpath_t
svm_assisted_store_fastpath(struct kvm_vcpu *vcpu, struct vmcb *vmcb)
{
	struct kvm_pv_mmio_code code = {
		.bytes = vmcb->control.insn_bytes,
		.nr = svm_pv_mmio_insn_len(vcpu, vmcb),
	};

	BUILD_BUG_ON(sizeof(vmcb->control.insn_bytes) < KVM_PV_MMIO_INSN_MAX);
	return __svm_store_fastpath(vcpu, vmcb, code);
}

static __always_inline fastpath_t svm_hc_fastpath(struct kvm_vcpu *vcpu,
						  struct vmcb *vmcb)
{
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

static __always_inline fastpath_t svm_out_fastpath(struct kvm_vcpu *vcpu,
						   struct vmcb *vmcb)
{
	u32 info = vmcb->control.exit_info_1;
	struct kvm_pv_mmio_exit exit = {
		.next_rip = vmcb->control.exit_info_2,
		.cpu = svm_pv_mmio_cpu(vcpu, vmcb),
	};

	return svm_completed(vmcb,
			     kvm_pio_fastpath(vcpu, &exit, info >> 16,
					      (info & SVM_IOIO_SIZE_MASK) >>
					      SVM_IOIO_SIZE_SHIFT));
}

static __always_inline fastpath_t svm_ring(struct kvm_vcpu *vcpu,
					   struct vmcb *vmcb, u32 exit_code,
					   bool has_assists)
{
	switch (exit_code) {
	case SVM_EXIT_NPF:
		return has_assists ? svm_assisted_store_fastpath(vcpu, vmcb) :
				     svm_store_fastpath(vcpu, vmcb);
	case SVM_EXIT_IOIO:
		return svm_out_fastpath(vcpu, vmcb);
	default:
		return svm_hc_fastpath(vcpu, vmcb);
	}
}

fastpath_t __svm_pv_mmio_fastpath(struct kvm_vcpu *vcpu)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	return kvm_pv_mmio_may_decide_late(vcpu) ?
	       svm_ring(vcpu, vmcb, vmcb->control.exit_code,
			svm_pv_mmio_has_assists()) :
	       EXIT_FASTPATH_NONE;
}

/* What x86_spec_ctrl_set_guest() would have to change, and the reverse. */
static __always_inline bool svm_has_guest_ssbd(struct vcpu_svm *svm)
{
	u64 host = cpu_feature_enabled(X86_FEATURE_SPEC_STORE_BYPASS_DISABLE) ||
		   test_thread_flag(TIF_SSBD) ? SPEC_CTRL_SSBD : 0;

	return (!cpu_feature_enabled(X86_FEATURE_LS_CFG_SSBD) &&
		!cpu_feature_enabled(X86_FEATURE_VIRT_SSBD)) ||
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
	       (svm_has_lbrv(vmcb) ||
		vcpu->arch.host_debugctl == vmcb->save.dbgctl) &&
	       kvm_pv_mmio_may_turn(vcpu);
}

/*
 * NMIs are let in, as locks are taken there.  A fastpath_t that goes on, or
 * KVM_PV_MMIO_TURN_AGAIN.
 */
static __always_inline int svm_ring_early(struct kvm_vcpu *vcpu,
					  struct vmcb *vmcb, u32 exit_code,
					  bool has_assists)
{
	int ret;

	stgi();
	vcpu->arch.regs[VCPU_REGS_RAX] = vmcb->save.rax;
	vcpu->arch.regs[VCPU_REGS_RSP] = vmcb->save.rsp;
	*kvm_pv_mmio_rip(vcpu) = vmcb->save.rip;
	ret = svm_ring(vcpu, vmcb, exit_code, has_assists);
	if (ret == EXIT_FASTPATH_REENTER_GUEST && kvm_pv_mmio_may_reenter(vcpu))
		ret = KVM_PV_MMIO_TURN_AGAIN;
	vmcb->save.rax = vcpu->arch.regs[VCPU_REGS_RAX];
	vmcb->save.rip = *kvm_pv_mmio_rip(vcpu);
	clgi();
	return ret;
}

static __always_inline int svm_turn(struct kvm_vcpu *vcpu, u32 exit_code,
				    bool has_assists)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	int ret;

	if (!svm_may_turn(vcpu))
		return KVM_PV_MMIO_UNDECIDED;

	ret = svm_ring_early(vcpu, vmcb, exit_code, has_assists);
	if (ret == KVM_PV_MMIO_TURN_AGAIN) {
		vmcb_mark_all_clean(vmcb);
		kvm_pv_mmio_count_turn(vcpu);
	}
	return ret;
}

/* Not in the function below, so that this one has no question about code in it. */
static noinline __flatten int svm_assisted_store_turn(struct kvm_vcpu *vcpu)
{
	return svm_turn(vcpu, SVM_EXIT_NPF, true);
}

__flatten int svm_store_turn(struct kvm_vcpu *vcpu)
{
	if (svm_pv_mmio_has_assists())
		return svm_assisted_store_turn(vcpu);

	return svm_turn(vcpu, SVM_EXIT_NPF, false);
}

__flatten int svm_out_turn(struct kvm_vcpu *vcpu)
{
	return svm_turn(vcpu, SVM_EXIT_IOIO, false);
}

__flatten int svm_hc_turn(struct kvm_vcpu *vcpu)
{
	return svm_turn(vcpu, SVM_EXIT_VMMCALL, false);
}
