/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Doorbells without the emulator: any plain store, and the hypercall of
 * <linux/kvm_pv_mmio.h>.  Vendor code reads what the exit was, and common code
 * decides: pv_mmio_fast.h and hc_mmio_write.h in the exit fast path,
 * pv_mmio_store.c and hc_mmio_write.c where KVM may sleep.
 */
#ifndef __KVM_X86_PV_MMIO_H
#define __KVM_X86_PV_MMIO_H

#include <linux/bits.h>
#include <linux/kvm_host.h>
#include <linux/kvm_pv_mmio.h>

#include "cpuid.h"
#include "pv_mmio_compat.h"
#include "smm.h"

/* These outcomes of an exit are no fastpath_t.  Enter the guest again at once. */
#define KVM_PV_MMIO_TURN_AGAIN	(-1)
/* The exit is certainly no doorbell. */
#define KVM_PV_MMIO_NO_DOORBELL	(-2)
/* Decide later, after the rest of KVM has seen the exit. */
#define KVM_PV_MMIO_UNDECIDED	(-3)

#ifdef CONFIG_KVM_PV_MMIO

/* How a guest rang; the last is a store to an ioeventfd of length 0. */
enum kvm_pv_mmio_way {
	KVM_PV_MMIO_STORE,
	KVM_PV_MMIO_HC,
	KVM_PV_MMIO_PORT,
	KVM_PV_MMIO_LENGTH0,
};

/* The outcome of a doorbell. */
enum kvm_pv_mmio_result {
	KVM_PV_MMIO_RANG,
	KVM_PV_MMIO_IN_KERNEL,
	KVM_PV_MMIO_TO_VMM,
	/* A hypercall that returns an error. */
	KVM_PV_MMIO_REFUSED,
	/* Done by the emulator, and learned from it. */
	KVM_PV_MMIO_LEARNED,
	/*
	 * KVM knows the place, but leaves the store to the emulator, because of
	 * the CPU's state, the address (another one faulted, the store crosses
	 * a page, or isn't permitted), RAM at the address, or code or page
	 * tables that have changed.
	 */
	KVM_PV_MMIO_STATE,
	KVM_PV_MMIO_ADDRESS,
	KVM_PV_MMIO_RAM,
	KVM_PV_MMIO_CODE,
};

/* Discovery and control of stores and the hypercall. */
bool kvm_pv_mmio_is_cap(long cap);
int kvm_pv_mmio_check_cap(long cap);
int kvm_pv_mmio_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap);
void kvm_pv_mmio_add_cpuid_features(struct kvm_cpuid_entry2 *entry);

/*
 * The exit fast path: interrupts are off and the guest controls every register.
 * These see only exits that vmx_pv_mmio.h and svm_pv_mmio.h let pass, either
 * right after the world switch, see pv_mmio_turn.h, or else at the place of the
 * kernel's exit fast path.
 */
fastpath_t __vmx_pv_mmio_fastpath(struct kvm_vcpu *vcpu);
fastpath_t __svm_pv_mmio_fastpath(struct kvm_vcpu *vcpu);

/*
 * Do the store that faulted at @addr, a GPA if @direct, if KVM knows it.
 * Returns false if not.  Otherwise @r is what the emulator would return: 0 to
 * go to the VMM.
 */
bool kvm_pv_mmio_serve(struct kvm_vcpu *vcpu, gpa_t addr, bool direct,
		       u64 error_code, int *r);

/* Learn the store at @rip, which the emulator has just done. */
void kvm_pv_mmio_learn(struct kvm_vcpu *vcpu, unsigned long rip,
		       u64 error_code);

/* Do the hypercall, where KVM may sleep. */
int kvm_hc_mmio_write(struct kvm_vcpu *vcpu);

/* The guest's memory is encrypted, and will be until the VM goes. */
static inline void kvm_pv_mmio_exclude_sev(struct kvm *kvm)
{
	set_bit(KVM_PV_MMIO_NO_STORES_SEV, &kvm->arch.pv_mmio.no_stores);
}

/* Whether KVM may remember code of this vCPU for stores. */
bool kvm_pv_mmio_store_may_learn(struct kvm_vcpu *vcpu);

/* What stores and hypercalls share.  The caller is in kvm->srcu. */
bool kvm_pv_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, int len, u64 val);

/* Forget all places: the guest's code may have changed. */
void kvm_pv_mmio_forget(struct kvm_vcpu *vcpu);

static __always_inline bool kvm_hc_mmio_write_enabled(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->kvm->arch.pv_mmio.hypercall_on) &&
	       guest_pv_has(vcpu, KVM_FEATURE_HC_MMIO_WRITE);
}

static inline bool kvm_hc_mmio_write_called(struct kvm_vcpu *vcpu)
{
	u64 nr = kvm_rax_read_raw(vcpu);

	return (u32)nr == KVM_HC_MMIO_WRITE &&
	       kvm_hc_mmio_write_enabled(vcpu) && !is_guest_mode(vcpu) &&
	       (nr == KVM_HC_MMIO_WRITE || !is_64_bit_hypercall(vcpu));
}

#else /* !CONFIG_KVM_PV_MMIO */

static inline bool kvm_pv_mmio_is_cap(long cap)
{
	return false;
}

static inline int kvm_pv_mmio_check_cap(long cap)
{
	return 0;
}

static inline int kvm_pv_mmio_enable_cap(struct kvm *kvm,
					 struct kvm_enable_cap *cap)
{
	return -EINVAL;
}

static inline void
kvm_pv_mmio_add_cpuid_features(struct kvm_cpuid_entry2 *entry)
{
}

static inline bool kvm_hc_mmio_write_called(struct kvm_vcpu *vcpu)
{
	return false;
}

static inline int kvm_hc_mmio_write(struct kvm_vcpu *vcpu)
{
	return -EIO;
}

static inline void kvm_pv_mmio_forget(struct kvm_vcpu *vcpu) { }

static inline void kvm_pv_mmio_exclude_sev(struct kvm *kvm) { }

#endif /* CONFIG_KVM_PV_MMIO */

#endif /* __KVM_X86_PV_MMIO_H */
