/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decode assists: with a nested page fault of a data access, CPUs that have
 * them hand over the code at RIP.  What may be believed of it, and why, is in
 * Documentation/virt/kvm/x86/pv-mmio-internals.rst.
 *
 * No emulator has them.  So there's a fake of such a CPU for tests, which is
 * compiled only where make is told to define KVM_PV_MMIO_FAKE_ASSISTS.
 */
#ifndef __KVM_X86_SVM_PV_MMIO_ASSISTS_H
#define __KVM_X86_SVM_PV_MMIO_ASSISTS_H

#include <linux/kvm_host.h>
#include <asm/svm.h>

#ifdef KVM_PV_MMIO_FAKE_ASSISTS

#include <linux/moduleparam.h>

#include "x86.h"

/* Whether KVM is to see that the CPU has them. */
static bool has_fake_assists;
module_param(has_fake_assists, bool, 0644);
/* The VMCB's insn_len, which is 15 at most, and its insn_bytes. */
static u8 fake_assists[16];
module_param_array(fake_assists, byte, NULL, 0644);
/* Or, as insn_len: whatever is in the guest's memory. */
#define FAKE_BY_MEMORY	0xff

static bool svm_pv_mmio_has_assists(void)
{
	return READ_ONCE(has_fake_assists);
}

/* As CPUs read it: up to the end of the page, or none if that's no use. */
static int fake_fetch(struct kvm_vcpu *vcpu, struct vmcb *vmcb)
{
	struct kvm_pagewalk *pw = kvm_pv_mmio_pagewalk(vcpu);
	unsigned long rip = vmcb->save.rip;
	int nr = min_t(int, PAGE_SIZE - offset_in_page(rip),
		       sizeof(vmcb->control.insn_bytes));
	u64 access = PFERR_FETCH_MASK |
		     (vmcb->save.cpl == 3 ? PFERR_USER_MASK : 0);
	struct x86_exception e;
	gpa_t gpa;

	/* PDPTEs aren't at hand here, and code of 32 bits isn't served. */
	if (!is_long_mode(vcpu))
		return 0;

	/* KVM notes it later on. */
	vcpu->arch.cr3 = vmcb->save.cr3;
	gpa = pw->gva_to_gpa(vcpu, pw, rip, access, &e);
	if (gpa == INVALID_GPA ||
	    kvm_vcpu_read_guest_atomic(vcpu, gpa, vmcb->control.insn_bytes, nr))
		return 0;

	return nr;
}

/*
 * Leaves insn_len as it is, 0: KVM would give the emulator as many bytes of a
 * buffer that it hasn't on this CPU.
 */
static u8 svm_pv_mmio_insn_len(struct kvm_vcpu *vcpu, struct vmcb *vmcb)
{
	int nr;

	if (fake_assists[0] != FAKE_BY_MEMORY) {
		memcpy(vmcb->control.insn_bytes, fake_assists + 1,
		       sizeof(vmcb->control.insn_bytes));
		return fake_assists[0];
	}

	kvm_vcpu_srcu_read_lock(vcpu);
	pagefault_disable();
	nr = fake_fetch(vcpu, vmcb);
	pagefault_enable();
	kvm_vcpu_srcu_read_unlock(vcpu);
	return nr;
}

#else

static __always_inline bool svm_pv_mmio_has_assists(void)
{
	return cpu_feature_enabled(X86_FEATURE_DECODEASSISTS);
}

/* How many insn_bytes there are: none, up to the page's end, or all 15. */
static __always_inline u8 svm_pv_mmio_insn_len(struct kvm_vcpu *vcpu,
					       struct vmcb *vmcb)
{
	return vmcb->control.insn_len;
}

#endif

#endif /* __KVM_X86_SVM_PV_MMIO_ASSISTS_H */
