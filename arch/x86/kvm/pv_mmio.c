// SPDX-License-Identifier: GPL-2.0-only
/*
 * Discovery and control of stores and the hypercall, and code that both share.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/eventfd.h>
#include <linux/kvm_host.h>
#include <linux/moduleparam.h>
#include <trace/events/kvm.h>

#include "lapic.h"
#include "pv_mmio_find.h"
#include "pv_mmio_state.h"
#include "smm.h"
#include "x86.h"
#include "xen.h"
#include "../../../virt/kvm/ioeventfd_many.h"

static bool pv_mmio = true;
module_param(pv_mmio, bool, 0444);
MODULE_PARM_DESC(pv_mmio, "Serve stores to devices without decoding them");

static bool hc_mmio_write = true;
module_param(hc_mmio_write, bool, 0444);
MODULE_PARM_DESC(hc_mmio_write, "Offer the MMIO write hypercall to VMMs");

bool kvm_pv_mmio_is_cap(long cap)
{
	return cap == KVM_CAP_X86_PV_MMIO || cap == KVM_CAP_X86_HC_MMIO_WRITE ||
	       cap == KVM_CAP_IOEVENTFD_POST || cap == KVM_CAP_IOEVENTFDS;
}

int kvm_pv_mmio_check_cap(long cap)
{
	if (cap == KVM_CAP_X86_PV_MMIO)
		return pv_mmio;
	if (cap == KVM_CAP_IOEVENTFDS)
		return KVM_IOEVENTFDS_MAX;

	return cap == KVM_CAP_IOEVENTFD_POST || hc_mmio_write;
}

int kvm_pv_mmio_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	u64 on = cap->args[0];

	/* These two have nothing to enable: each ioctl asks for them itself. */
	if (on > 1 || cap->args[1] || cap->args[2] || cap->args[3] ||
	    cap->cap == KVM_CAP_IOEVENTFD_POST ||
	    cap->cap == KVM_CAP_IOEVENTFDS ||
	    !kvm_pv_mmio_check_cap(cap->cap))
		return -EINVAL;

	if (cap->cap == KVM_CAP_X86_PV_MMIO)
		assign_bit(KVM_PV_MMIO_NO_STORES_VMM,
			   &kvm->arch.pv_mmio.no_stores, !on);
	else
		WRITE_ONCE(kvm->arch.pv_mmio.hypercall_on, on);
	return 0;
}

bool kvm_pv_mmio_store_may_learn(struct kvm_vcpu *vcpu)
{
	return pv_mmio && kvm_pv_mmio_store_enabled(vcpu) &&
	       !vcpu->arch.guest_state_protected && !is_smm(vcpu);
}

/*
 * @entry is that of KVM_CPUID_FEATURES.  VMMs pass this leaf to guests
 * unchanged, so the hypercall's bit isn't set here: the call would fail until a
 * VMM enables it.  A VMM that does so also sets the bit.
 */
void kvm_pv_mmio_add_cpuid_features(struct kvm_cpuid_entry2 *entry)
{
	if (pv_mmio)
		entry->eax |= BIT(KVM_FEATURE_PV_MMIO);
}

/* Signal an ioeventfd that the index finds; leave one that posts to the bus. */
static bool signal_ioeventfd(struct kvm_vcpu *vcpu, gpa_t gpa, int len, u64 val)
{
	struct kvm_ioeventfd_entry *entry;

	if (!kvm_ioeventfd_may_find(vcpu->kvm, KVM_MMIO_BUS, gpa))
		return false;

	entry = kvm_pv_mmio_find(vcpu, gpa, len,
				 kvm_pv_mmio_truncated(val, len));
	if (!entry || entry->posts)
		return false;

	eventfd_signal(entry->eventfd);
	return true;
}

/* Returns false if the write goes to the VMM. */
bool kvm_pv_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, int len, u64 val)
{
	struct kvm_run *run = vcpu->run;

	trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, len, gpa, &val);
	if (signal_ioeventfd(vcpu, gpa, len, val))
		return true;

	/* Devices do more than was audited for L1TF, as they do for the emulator. */
	kvm_pv_mmio_request_l1d_flush(vcpu);
	if (lapic_in_kernel(vcpu) &&
	    !kvm_iodevice_write(vcpu, &vcpu->arch.apic->dev, gpa, len, &val))
		return true;

	if (!kvm_io_bus_write(vcpu, KVM_MMIO_BUS, gpa, len, &val))
		return true;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = true;
	memcpy(run->mmio.data, &val, len);
	++vcpu->stat.mmio_exits;
	return false;
}

/* The fast paths in the vendor modules also need this. */
#ifdef CONFIG_KVM_XEN
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_xen_enabled);
#endif
