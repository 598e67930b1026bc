/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hypercall KVM_HC_MMIO_WRITE does the MMIO write that a store by the guest
 * would have done.  Its exit fast path is inline, like the others.
 */
#ifndef __KVM_X86_HC_MMIO_WRITE_H
#define __KVM_X86_HC_MMIO_WRITE_H

#include "hyperv.h"
#include "pv_mmio_fast.h"
#include "xen.h"

struct hc_mmio_write {
	u64 gpa;
	u64 val;
	u64 len;
	u64 reserved;
};

static __always_inline u64 hc_register(u64 reg, bool op_64_bit)
{
	return op_64_bit ? reg : (u32)reg;
}

static __always_inline struct hc_mmio_write
hc_parse(struct kvm_vcpu *vcpu, bool op_64_bit)
{
	return (struct hc_mmio_write) {
		.gpa = hc_register(kvm_rbx_read_raw(vcpu), op_64_bit),
		.val = hc_register(kvm_rcx_read_raw(vcpu), op_64_bit),
		.len = hc_register(kvm_rdx_read_raw(vcpu), op_64_bit),
		.reserved = hc_register(kvm_rsi_read_raw(vcpu), op_64_bit),
	};
}

/* Called when the outcome is known, so that each call is traced once. */
static __always_inline void hc_trace(struct kvm_vcpu *vcpu,
				     const struct hc_mmio_write *hc, bool fast,
				     enum kvm_pv_mmio_result result)
{
	if (trace_kvm_hypercall_enabled())
		trace_kvm_hypercall(KVM_HC_MMIO_WRITE, hc->gpa, hc->val,
				    hc->len, hc->reserved);
	if (trace_kvm_pv_mmio_enabled())
		trace_kvm_pv_mmio(vcpu->vcpu_id, KVM_PV_MMIO_HC, fast, hc->gpa,
				  hc->len, hc->val, result);
}

/* Check the registers.  Returns 0, or the error for the guest. */
static __always_inline long hc_check(struct kvm_vcpu *vcpu,
				     const struct hc_mmio_write *hc)
{
	if (hc->reserved || !is_power_of_2(hc->len) || hc->len > 8 ||
	    offset_in_page(hc->gpa) + hc->len > PAGE_SIZE ||
	    !kvm_vcpu_is_legal_gpa(vcpu, hc->gpa))
		return -KVM_EINVAL;

	return 0;
}

static __always_inline unsigned long
hc_next_rip(struct kvm_vcpu *vcpu, const struct kvm_pv_mmio_exit *exit,
	    u64 generation)
{
	const struct kvm_pv_mmio_insn *insn;

	if (exit->next_rip)
		return exit->next_rip;

	if (!kvm_pv_mmio_may_know(vcpu, exit->linear_rip))
		return 0;

	insn = kvm_pv_mmio_insn(vcpu, exit, KVM_PV_MMIO_NO_CODE, generation);
	if (!insn || insn->kind != KVM_PV_MMIO_INSN_HYPERCALL)
		return 0;

	return exit->rip + insn->len;
}

static __always_inline fastpath_t
__kvm_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu,
			     const struct kvm_pv_mmio_exit *exit)
{
	u64 generation = kvm_pv_mmio_generation(vcpu);
	unsigned long next_rip = hc_next_rip(vcpu, exit, generation);
	struct hc_mmio_write hc = hc_parse(vcpu, true);
	struct kvm_ioeventfd_entry *entry;
	long error;

	if (!next_rip)
		return EXIT_FASTPATH_NONE;

	error = hc_check(vcpu, &hc);
	if (error) {
		++vcpu->stat.hc_mmio_write_refused;
		hc_trace(vcpu, &hc, true, KVM_PV_MMIO_REFUSED);
	} else {
		entry = kvm_pv_mmio_find(vcpu, hc.gpa, hc.len,
					 kvm_pv_mmio_truncated(hc.val, hc.len));
		if (!entry ||
		    !kvm_pv_mmio_ring(vcpu, entry, generation, hc.val))
			return EXIT_FASTPATH_NONE;
		++vcpu->stat.hc_mmio_write_fast;
		hc_trace(vcpu, &hc, true, KVM_PV_MMIO_RANG);
	}

	kvm_rax_write_raw(vcpu, error);
	kvm_pv_mmio_retire(vcpu, next_rip);
	++vcpu->stat.hypercalls;
	return EXIT_FASTPATH_REENTER_GUEST;
}

/* Vendor code has checked that RAX is KVM_HC_MMIO_WRITE. */
static __always_inline fastpath_t
kvm_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu,
			   const struct kvm_pv_mmio_exit *exit)
{
	fastpath_t ret;

	if (!kvm_hc_mmio_write_enabled(vcpu) ||
	    (!KVM_PV_MMIO_MAY_SIGNAL &&
	     !kvm_ioeventfd_may_find(vcpu->kvm, KVM_MMIO_BUS,
				     kvm_rbx_read_raw(vcpu))) ||
	    kvm_xen_hypercall_enabled(vcpu->kvm) ||
	    kvm_hv_hypercall_enabled(vcpu) || exit->cpu.cpl ||
	    exit->cpu.mode != KVM_PV_MMIO_MODE_64 ||
	    !kvm_pv_mmio_completes_silently(exit->cpu))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	ret = __kvm_hc_mmio_write_fastpath(vcpu, exit);
	kvm_vcpu_srcu_read_unlock(vcpu);
	return ret;
}

#endif /* __KVM_X86_HC_MMIO_WRITE_H */
