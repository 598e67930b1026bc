// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMCB says about an exit that may be a doorbell.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "hc_mmio_write.h"
#include "svm.h"
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

/* Not inline: what is no doorbell shall not save registers for it. */
static noinline fastpath_t svm_store_fastpath(struct kvm_vcpu *vcpu,
					      struct vmcb *vmcb)
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

	return svm_completed(vmcb, kvm_pv_mmio_fastpath(vcpu, &exit));
}

fastpath_t svm_pv_mmio_fastpath(struct kvm_vcpu *vcpu)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	if (!kvm_pv_mmio_is_store(vmcb->control.exit_info_1) ||
	    !kvm_pv_mmio_may_ring(vcpu, vmcb->control.exit_info_2,
				  vmcb->save.rip))
		return EXIT_FASTPATH_NONE;

	return svm_store_fastpath(vcpu, vmcb);
}

/* Not inline: other hypercalls shall not save registers for this one. */
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

fastpath_t svm_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu)
{
	if (kvm_rax_read(vcpu) != KVM_HC_MMIO_WRITE)
		return EXIT_FASTPATH_NONE;

	return svm_hc_fastpath(vcpu);
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

fastpath_t svm_pio_fastpath(struct kvm_vcpu *vcpu)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	u32 info = vmcb->control.exit_info_1;

	if (info & (SVM_IOIO_TYPE_MASK | SVM_IOIO_STR_MASK) ||
	    !kvm_ioeventfd_may_find(vcpu->kvm, KVM_PIO_BUS, info >> 16))
		return EXIT_FASTPATH_NONE;

	return svm_out_fastpath(vcpu, vmcb);
}
