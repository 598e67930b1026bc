// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMCS says about an exit that may be a doorbell.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "hc_mmio_write.h"
#include "vmx.h"
#include "vmx_ops.h"
#include "x86.h"

/* Fields of an I/O instruction's exit qualification. */
#define IO_SIZE		GENMASK(2, 0)
#define IO_IS_IN	BIT(3)
#define IO_IS_STRING	BIT(4)

static __always_inline struct kvm_pv_mmio_cpu vmx_pv_mmio_cpu(void)
{
	return (struct kvm_pv_mmio_cpu) {
		.rflags = vmcs_readl(GUEST_RFLAGS),
		.interrupt_shadow = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO) &
				    (GUEST_INTR_STATE_STI |
				     GUEST_INTR_STATE_MOV_SS),
		.cpl = VMX_AR_DPL(vmcs_read32(GUEST_SS_AR_BYTES)),
		.code_is_64_bit = vmcs_read32(GUEST_CS_AR_BYTES) &
				  VMX_AR_L_MASK,
	};
}

static __always_inline unsigned long vmx_next_rip(unsigned long rip)
{
	return rip + vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
}

bool vmx_fast_mmio_is_load(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return !is_guest_mode(vcpu) &&
	       kvm_ioeventfd_may_find_wildcard(vcpu->kvm, KVM_FAST_MMIO_BUS,
					       gpa) &&
	       __kvm_fast_mmio_is_load(vcpu);
}

/*
 * Any store to a length-0 ioeventfd.  Only real hardware tells its length on
 * an EPT misconfiguration.
 */
static __always_inline fastpath_t
vmx_fast_mmio_fastpath(struct kvm_vcpu *vcpu)
{
	gpa_t gpa = vmcs_read64(GUEST_PHYSICAL_ADDRESS);
	struct kvm_pv_mmio_cpu cpu;
	unsigned long rip;

	if (static_cpu_has(X86_FEATURE_HYPERVISOR) ||
	    !kvm_ioeventfd_may_find_wildcard(vcpu->kvm, KVM_FAST_MMIO_BUS,
					     gpa) ||
	    to_vmx(vcpu)->exit_reason.full != EXIT_REASON_EPT_MISCONFIG)
		return EXIT_FASTPATH_NONE;

	cpu = vmx_pv_mmio_cpu();
	if (!kvm_pv_mmio_may_skip_access(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	rip = vmcs_readl(GUEST_RIP);
	return kvm_fast_mmio_fastpath(vcpu, gpa, (struct kvm_fast_mmio_exit) {
		.rip = rip,
		.next_rip = vmx_next_rip(rip),
		.cr3 = vmcs_readl(GUEST_CR3),
		.rflags = cpu.rflags,
	});
}

/* All of the exit reason: no exit from an enclave, no bus lock. */
fastpath_t vmx_pv_mmio_fastpath(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_cpu cpu;
	int width;

	width = kvm_pv_mmio_width(vcpu);
	if (!width)
		return vmx_fast_mmio_fastpath(vcpu);

	if (to_vmx(vcpu)->exit_reason.full != EXIT_REASON_EPT_MISCONFIG)
		return EXIT_FASTPATH_NONE;

	cpu = vmx_pv_mmio_cpu();
	if (cpu.cpl || !kvm_pv_mmio_may_skip_access(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	return kvm_pv_mmio_fastpath(vcpu, width, (struct kvm_pv_mmio_exit) {
		.gpa = vmcs_read64(GUEST_PHYSICAL_ADDRESS),
		.rip = vmcs_readl(GUEST_RIP),
		.cr3 = vmcs_readl(GUEST_CR3),
		.rflags = cpu.rflags,
	});
}

/* Not inline: other hypercalls shall not save registers for this one. */
static noinline fastpath_t vmx_hc_fastpath(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_cpu cpu;
	unsigned long rip;

	if (to_vmx(vcpu)->exit_reason.full != EXIT_REASON_VMCALL)
		return EXIT_FASTPATH_NONE;

	cpu = vmx_pv_mmio_cpu();
	if (cpu.cpl || !kvm_pv_mmio_may_skip(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	rip = vmcs_readl(GUEST_RIP);
	return kvm_hc_mmio_write_fastpath(vcpu, (struct hc_mmio_write_exit) {
		.next_rip = vmx_next_rip(rip),
		.rflags = cpu.rflags,
	});
}

fastpath_t vmx_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu)
{
	if (kvm_rax_read(vcpu) != KVM_HC_MMIO_WRITE)
		return EXIT_FASTPATH_NONE;

	return vmx_hc_fastpath(vcpu);
}

fastpath_t vmx_pio_fastpath(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_cpu cpu;
	u32 qualification;

	if (to_vmx(vcpu)->exit_reason.full != EXIT_REASON_IO_INSTRUCTION)
		return EXIT_FASTPATH_NONE;

	qualification = vmcs_readl(EXIT_QUALIFICATION);
	if (qualification & (IO_IS_STRING | IO_IS_IN))
		return EXIT_FASTPATH_NONE;

	cpu = vmx_pv_mmio_cpu();
	if (!kvm_pv_mmio_may_skip(vcpu, cpu))
		return EXIT_FASTPATH_NONE;

	return kvm_pio_fastpath(vcpu, qualification >> 16,
				(qualification & IO_SIZE) + 1,
				vmx_next_rip(vmcs_readl(GUEST_RIP)),
				cpu.rflags);
}
