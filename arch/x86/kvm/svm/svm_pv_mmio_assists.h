/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decode assists: with a nested page fault of a data access, CPUs that have them
 * hand over the code at RIP.  What may be believed of it, and why, is in
 * Documentation/virt/kvm/x86/pv-mmio-internals.rst.
 */
#ifndef __KVM_X86_SVM_PV_MMIO_ASSISTS_H
#define __KVM_X86_SVM_PV_MMIO_ASSISTS_H

#include <linux/kvm_host.h>
#include <asm/svm.h>

static __always_inline bool svm_pv_mmio_has_assists(void)
{
	return static_cpu_has(X86_FEATURE_DECODEASSISTS);
}

/* How many insn_bytes there are: none, up to the page's end, or all 15. */
static __always_inline u8 svm_pv_mmio_insn_len(struct kvm_vcpu *vcpu,
					       struct vmcb *vmcb)
{
	return vmcb->control.insn_len;
}

#endif /* __KVM_X86_SVM_PV_MMIO_ASSISTS_H */
