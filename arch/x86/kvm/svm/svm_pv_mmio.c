// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMCB says about an exit that may be a doorbell.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "svm.h"
#include "x86.h"

static __always_inline struct kvm_pv_mmio_cpu
svm_pv_mmio_cpu(const struct vmcb *vmcb)
{
	return (struct kvm_pv_mmio_cpu) {
		.rflags = vmcb->save.rflags,
		.interrupt_shadow = vmcb->control.int_state &
				    SVM_INTERRUPT_SHADOW_MASK,
		.cpl = vmcb->save.cpl,
		.code_is_64_bit = vmcb->save.cs.attrib & SVM_SELECTOR_L_MASK,
	};
}

fastpath_t svm_pv_mmio_fastpath(struct kvm_vcpu *vcpu)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	struct kvm_pv_mmio_cpu cpu;
	fastpath_t ret;
	int width;

	if (!kvm_pv_mmio_signed(vcpu))
		return EXIT_FASTPATH_NONE;

	width = kvm_pv_mmio_width(vcpu);
	cpu = svm_pv_mmio_cpu(vmcb);
	if (!width || !kvm_pv_mmio_is_store(vmcb->control.exit_info_1) ||
	    !kvm_pv_mmio_state_is_plain(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	ret = kvm_pv_mmio_fastpath(vcpu, width, vmcb->control.exit_info_2,
				   true, vmcb->save.rip, vmcb->save.cr3);
	return kvm_pv_mmio_clear_rf(vcpu, cpu, ret);
}

fastpath_t svm_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	struct kvm_pv_mmio_cpu cpu;
	unsigned long cr3;
	fastpath_t ret;

	if (kvm_rax_read(vcpu) != KVM_HC_MMIO_WRITE)
		return EXIT_FASTPATH_NONE;

	cpu = svm_pv_mmio_cpu(vmcb);
	if (!kvm_pv_mmio_state_is_plain(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	/* Without nested paging, the CPU runs on KVM's tables. */
	cr3 = npt_enabled ? vmcb->save.cr3 : vcpu->arch.cr3;
	ret = kvm_hc_mmio_write_fastpath(vcpu,
					 nrips ? vmcb->control.next_rip : 0,
					 vmcb->save.rip, cr3);
	return kvm_pv_mmio_clear_rf(vcpu, cpu, ret);
}

fastpath_t svm_pio_fastpath(struct kvm_vcpu *vcpu)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	u32 info = vmcb->control.exit_info_1;
	struct kvm_pv_mmio_cpu cpu;
	fastpath_t ret;

	if (info & (SVM_IOIO_TYPE_MASK | SVM_IOIO_STR_MASK))
		return EXIT_FASTPATH_NONE;

	cpu = svm_pv_mmio_cpu(vmcb);
	if (!kvm_pv_mmio_may_skip(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	ret = kvm_pio_fastpath(vcpu, info >> 16,
			       (info & SVM_IOIO_SIZE_MASK) >>
			       SVM_IOIO_SIZE_SHIFT,
			       vmcb->control.exit_info_2);
	return kvm_pv_mmio_clear_rf(vcpu, cpu, ret);
}
