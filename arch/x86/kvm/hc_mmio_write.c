// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hypercall KVM_HC_MMIO_WRITE: does the MMIO write that a store by the
 * guest would have done.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/eventfd.h>
#include <linux/kvm_host.h>

#include "hyperv.h"
#include "pv_mmio_fast.h"
#include "pv_mmio_site.h"
#include "trace.h"
#include "x86.h"
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
		.gpa = hc_register(kvm_rbx_read(vcpu), op_64_bit),
		.val = hc_register(kvm_rcx_read(vcpu), op_64_bit),
		.len = hc_register(kvm_rdx_read(vcpu), op_64_bit),
		.reserved = hc_register(kvm_rsi_read(vcpu), op_64_bit),
	};
}

/* Where the call is decided, so that one the fast path declines shows once. */
static __always_inline void hc_trace(const struct hc_mmio_write *hc)
{
	trace_kvm_hypercall(KVM_HC_MMIO_WRITE, hc->gpa, hc->val, hc->len,
			    hc->reserved);
}

/* What the registers alone say: 0, or the error for the guest. */
static __always_inline long hc_check(struct kvm_vcpu *vcpu,
				     const struct hc_mmio_write *hc)
{
	if (hc->reserved || !is_power_of_2(hc->len) || hc->len > 8 ||
	    offset_in_page(hc->gpa) + hc->len > PAGE_SIZE ||
	    !kvm_vcpu_is_legal_gpa(vcpu, hc->gpa))
		return -KVM_EINVAL;

	return 0;
}

/* The vendor has seen to kvm_pv_mmio_state_is_plain(). */
fastpath_t kvm_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu,
				      unsigned long next_rip,
				      unsigned long rip, unsigned long cr3)
{
	struct kvm_ioeventfd_entry *entry;
	fastpath_t ret = EXIT_FASTPATH_NONE;
	struct hc_mmio_write hc;
	long error;
	int len;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) || !kvm_hc_mmio_write_called(vcpu) ||
	    kvm_xen_hypercall_enabled(vcpu->kvm) ||
	    kvm_hv_hypercall_enabled(vcpu))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	if (!next_rip) {
		len = kvm_pv_mmio_site_recall(vcpu, rip, cr3,
					      KVM_PV_MMIO_HYPERCALL);
		if (!len)
			goto out;
		next_rip = rip + len;
	}

	hc = hc_parse(vcpu, true);
	error = hc_check(vcpu, &hc);
	if (!error) {
		entry = kvm_pv_mmio_find(vcpu, hc.gpa, hc.len, hc.val);
		if (!entry)
			goto out;
		eventfd_signal(entry->eventfd);
	}

	hc_trace(&hc);
	kvm_rax_write(vcpu, error);
	kvm_pv_mmio_retire(vcpu, next_rip);
	++vcpu->stat.hypercalls;
	ret = EXIT_FASTPATH_REENTER_GUEST;
out:
	kvm_vcpu_srcu_read_unlock(vcpu);
	return ret;
}
EXPORT_SYMBOL_GPL(kvm_hc_mmio_write_fastpath);

static int hc_return(struct kvm_vcpu *vcpu, long ret)
{
	kvm_rax_write(vcpu, hc_register(ret, is_64_bit_hypercall(vcpu)));
	++vcpu->stat.hypercalls;
	return kvm_skip_emulated_instruction(vcpu);
}

static int hc_complete_exit(struct kvm_vcpu *vcpu)
{
	/* The VMM may have sent the vCPU elsewhere meanwhile. */
	if (!kvm_is_linear_rip(vcpu, vcpu->arch.pv_mmio.hypercall_rip))
		return 1;

	return hc_return(vcpu, 0);
}

/* Where hardware doesn't tell the length, the fast path asks the site. */
static void hc_learn(struct kvm_vcpu *vcpu)
{
	if (!vcpu->arch.guest_state_protected && !is_smm(vcpu) &&
	    is_64_bit_mode(vcpu))
		kvm_pv_mmio_site_read(vcpu, KVM_PV_MMIO_HYPERCALL);
}

/* Returns as kvm_emulate_hypercall() does: 0 to go to the VMM. */
int kvm_hc_mmio_write(struct kvm_vcpu *vcpu)
{
	struct hc_mmio_write hc = hc_parse(vcpu, is_64_bit_hypercall(vcpu));
	long error;

	hc_trace(&hc);
	if (kvm_x86_call(get_cpl)(vcpu))
		return hc_return(vcpu, -KVM_EPERM);

	hc_learn(vcpu);
	error = hc_check(vcpu, &hc);
	if (!error && kvm_pv_mmio_gpa_is_ram(vcpu, hc.gpa))
		error = -KVM_EFAULT;
	if (error)
		return hc_return(vcpu, error);

	if (kvm_pv_mmio_write(vcpu, hc.gpa, hc.len, hc.val))
		return hc_return(vcpu, 0);

	vcpu->arch.pv_mmio.hypercall_rip = kvm_get_linear_rip(vcpu);
	vcpu->arch.complete_userspace_io = hc_complete_exit;
	return 0;
}
