// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMCB says about an exit that may be a doorbell.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "hc_mmio_write.h"
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
	int width;

	width = kvm_pv_mmio_width(vcpu);
	if (!width)
		return EXIT_FASTPATH_NONE;

	cpu = svm_pv_mmio_cpu(vmcb);
	if (!kvm_pv_mmio_is_store(vmcb->control.exit_info_1) || cpu.cpl ||
	    !kvm_pv_mmio_may_skip_access(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	return kvm_pv_mmio_fastpath(vcpu, width, (struct kvm_pv_mmio_exit) {
		.gpa = vmcb->control.exit_info_2,
		.translated = true,
		.rip = vmcb->save.rip,
		.cr3 = vmcb->save.cr3,
		.rflags = cpu.rflags,
	});
}

/* Not inline: other hypercalls shall not save registers for this one. */
static noinline fastpath_t svm_hc_fastpath(struct kvm_vcpu *vcpu)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	struct kvm_pv_mmio_cpu cpu;

	cpu = svm_pv_mmio_cpu(vmcb);
	if (cpu.cpl || !kvm_pv_mmio_may_skip(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	return kvm_hc_mmio_write_fastpath(vcpu, (struct hc_mmio_write_exit) {
		.rip = vmcb->save.rip,
		.next_rip = nrips ? vmcb->control.next_rip : 0,
		/* Without nested paging, the CPU runs on KVM's tables. */
		.cr3 = npt_enabled ? vmcb->save.cr3 : vcpu->arch.cr3,
		.rflags = cpu.rflags,
	});
}

fastpath_t svm_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu)
{
	if (kvm_rax_read(vcpu) != KVM_HC_MMIO_WRITE)
		return EXIT_FASTPATH_NONE;

	return svm_hc_fastpath(vcpu);
}

fastpath_t svm_pio_fastpath(struct kvm_vcpu *vcpu)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	u32 info = vmcb->control.exit_info_1;
	struct kvm_pv_mmio_cpu cpu;

	if (info & (SVM_IOIO_TYPE_MASK | SVM_IOIO_STR_MASK))
		return EXIT_FASTPATH_NONE;

	cpu = svm_pv_mmio_cpu(vmcb);
	if (!kvm_pv_mmio_may_skip(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	return kvm_pio_fastpath(vcpu, info >> 16,
				(info & SVM_IOIO_SIZE_MASK) >>
				SVM_IOIO_SIZE_SHIFT,
				vmcb->control.exit_info_2, cpu.rflags);
}
