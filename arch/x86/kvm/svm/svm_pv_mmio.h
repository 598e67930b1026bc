/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which exits may be doorbells.  It's asked at each exit there is, so it's
 * inline and takes a few instructions for what isn't one.
 */
#ifndef __KVM_X86_SVM_PV_MMIO_H
#define __KVM_X86_SVM_PV_MMIO_H

#include "fast_mmio.h"
#include "pv_mmio_guest.h"
#include "x86.h"
#include "svm.h"

#ifdef CONFIG_KVM_PV_MMIO

#include "pv_mmio_fast.h"

static __always_inline bool
svm_pv_mmio_may_be_doorbell(typeof_member(struct vmcb_control_area, exit_code) code)
{
	return code == SVM_EXIT_NPF || code == SVM_EXIT_IOIO ||
	       code == SVM_EXIT_VMMCALL;
}

/*
 * What comes of a doorbell.  Each way has a function of its own, in which the
 * compiler puts all that the way needs: calls would cost as much as the checks.
 */
int svm_store_turn(struct kvm_vcpu *vcpu);
int svm_out_turn(struct kvm_vcpu *vcpu);
int svm_hc_turn(struct kvm_vcpu *vcpu);

static __always_inline bool svm_store_may_ring(struct kvm_vcpu *vcpu,
					       const struct vmcb *vmcb)
{
	return kvm_pv_mmio_is_store(vmcb->control.exit_info_1) &&
	       kvm_pv_mmio_may_ring(vcpu, vmcb->control.exit_info_2,
				    vmcb->save.rip);
}

static __always_inline bool svm_out_may_ring(struct kvm_vcpu *vcpu,
					     const struct vmcb *vmcb)
{
	u32 info = vmcb->control.exit_info_1;

	return !(info & (SVM_IOIO_TYPE_MASK | SVM_IOIO_STR_MASK)) &&
	       kvm_ioeventfd_may_find(vcpu->kvm, KVM_PIO_BUS, info >> 16);
}

/* What comes of this exit. */
static __always_inline int svm_pv_mmio_turn(struct kvm_vcpu *vcpu,
					    bool force_immediate_exit)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	const int undecided = force_immediate_exit ? KVM_PV_MMIO_UNDECIDED : 0;

	if (!svm_pv_mmio_may_be_doorbell(vmcb->control.exit_code))
		return KVM_PV_MMIO_NO_DOORBELL;

	if (vmcb->control.exit_code == SVM_EXIT_NPF)
		return !svm_store_may_ring(vcpu, vmcb) ? EXIT_FASTPATH_NONE :
		       undecided ?: svm_store_turn(vcpu);
	if (vmcb->control.exit_code == SVM_EXIT_IOIO)
		return !svm_out_may_ring(vcpu, vmcb) ? EXIT_FASTPATH_NONE :
		       undecided ?: svm_out_turn(vcpu);

	return vmcb->save.rax != KVM_HC_MMIO_WRITE ? EXIT_FASTPATH_NONE :
	       undecided ?: svm_hc_turn(vcpu);
}

/* The same at the place of the kernel's exit fast path. */
static __always_inline fastpath_t
svm_pv_mmio_fastpath(struct kvm_vcpu *vcpu, int turn)
{
	return turn == KVM_PV_MMIO_UNDECIDED ? __svm_pv_mmio_fastpath(vcpu) :
					       turn;
}

#else

static inline int svm_pv_mmio_turn(struct kvm_vcpu *vcpu,
				   bool force_immediate_exit)
{
	return KVM_PV_MMIO_NO_DOORBELL;
}

static inline fastpath_t svm_pv_mmio_fastpath(struct kvm_vcpu *vcpu,
					      int turn)
{
	return EXIT_FASTPATH_NONE;
}

#endif

#endif /* __KVM_X86_SVM_PV_MMIO_H */
