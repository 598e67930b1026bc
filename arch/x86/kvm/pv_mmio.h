/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Doorbells without the emulator: the PV store and the hypercall of
 * <linux/kvm_pv_mmio.h>.  Vendor code says what the exit was, common code
 * decides: pv_mmio_fast.h and hc_mmio_write.h in the exit fast path, pv_mmio.c
 * and hc_mmio_write.c behind it.
 */
#ifndef __KVM_X86_PV_MMIO_H
#define __KVM_X86_PV_MMIO_H

#include <linux/bits.h>
#include <linux/kvm_host.h>
#include <linux/kvm_pv_mmio.h>

#include "cpuid.h"
#include "kvm_cache_regs.h"
#include "smm.h"

#ifdef CONFIG_KVM_PV_MMIO

/* How a guest rang: by PV store, hypercall, port or store to a length 0. */
enum kvm_pv_mmio_kind {
	KVM_PV_MMIO_STORE,
	KVM_PV_MMIO_HC,
	KVM_PV_MMIO_PORT,
	KVM_PV_MMIO_LENGTH0,
};

/* What came of it. */
enum kvm_pv_mmio_result {
	KVM_PV_MMIO_RANG,
	KVM_PV_MMIO_IN_KERNEL,
	KVM_PV_MMIO_TO_VMM,
	/* A hypercall that returns an error. */
	KVM_PV_MMIO_REFUSED,
	/* A store for the emulator: the feature is off or the guest protected; */
	KVM_PV_MMIO_OFF,
	/* the CPU was doing more than that; */
	KVM_PV_MMIO_STATE,
	/* width, or not the address that faulted, or no permission; */
	KVM_PV_MMIO_ADDRESS,
	KVM_PV_MMIO_RAM,
	/* the code is another one. */
	KVM_PV_MMIO_CODE,
};

/* Discovery and control, of both. */
bool kvm_pv_mmio_is_cap(long cap);
int kvm_pv_mmio_check_cap(long cap);
int kvm_pv_mmio_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap);
void kvm_pv_mmio_add_cpuid_features(struct kvm_cpuid_entry2 *entry);

/*
 * The exit fast path: interrupts are off and every register is the guest's.
 * The vendor's part says what the exit was, the common part decides.
 */
fastpath_t vmx_pv_mmio_fastpath(struct kvm_vcpu *vcpu);
fastpath_t vmx_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu);
fastpath_t vmx_pio_fastpath(struct kvm_vcpu *vcpu);
fastpath_t svm_pv_mmio_fastpath(struct kvm_vcpu *vcpu);
fastpath_t svm_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu);
fastpath_t svm_pio_fastpath(struct kvm_vcpu *vcpu);

/*
 * Where KVM would start the emulator for a fault at @addr, a GPA if @direct:
 * true if this was a PV store and is done, with @r as the emulator returns it.
 */
bool __kvm_pv_mmio_store(struct kvm_vcpu *vcpu, gpa_t addr, bool direct,
			 u64 error_code, int *r);

/*
 * Behind that: whether the access to @gpa, where there may be a length-0
 * ioeventfd, is a load.
 */
bool __kvm_fast_mmio_is_load(struct kvm_vcpu *vcpu);
bool vmx_fast_mmio_is_load(struct kvm_vcpu *vcpu, gpa_t gpa);

/* The hypercall, all of it. */
int kvm_hc_mmio_write(struct kvm_vcpu *vcpu);

/* What the fast paths need of kvm.ko, but seldom. */
void kvm_pv_mmio_clear_rf(struct kvm_vcpu *vcpu, unsigned long rflags);
void kvm_pv_mmio_trace_pio(unsigned short port, int size, unsigned long val);

/* What stores and hypercalls share.  Callers are in kvm->srcu. */
bool kvm_pv_mmio_gpa_is_ram(struct kvm_vcpu *vcpu, gpa_t gpa);
bool kvm_pv_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, int len, u64 val);

/* The guest's code may no longer be what it was. */
void kvm_pv_mmio_forget(struct kvm_vcpu *vcpu);

/* The width that RCX announces for a store through RDX, 0 if none. */
static __always_inline int kvm_pv_mmio_width(struct kvm_vcpu *vcpu)
{
	u64 width = kvm_rcx_read(vcpu) ^ kvm_rdx_read(vcpu) ^
		    KVM_PV_MMIO_SIGNATURE;

	if (width > 8 || !(BIT(width) & (BIT(1) | BIT(2) | BIT(4) | BIT(8))))
		return 0;

	return width;
}

/* Whether RCX carries the signature: the cheapest way to see that it doesn't. */
static __always_inline bool kvm_pv_mmio_signed(struct kvm_vcpu *vcpu)
{
	return (kvm_rcx_read(vcpu) ^ kvm_rdx_read(vcpu) ^
		KVM_PV_MMIO_SIGNATURE) <= KVM_PV_MMIO_WIDTH_MASK;
}

static inline bool kvm_pv_mmio_store(struct kvm_vcpu *vcpu, gpa_t addr,
				     bool direct, u64 error_code, int *r)
{
	/* VMX asks ahead of its length-0 ioeventfds, and comes by once more. */
	return unlikely(kvm_pv_mmio_signed(vcpu)) &&
	       error_code != PFERR_RSVD_MASK &&
	       __kvm_pv_mmio_store(vcpu, addr, direct, error_code, r);
}

static __always_inline bool kvm_hc_mmio_write_enabled(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->kvm->arch.pv_mmio.hypercall_on) &&
	       guest_pv_has(vcpu, KVM_FEATURE_HC_MMIO_WRITE);
}

static inline bool kvm_hc_mmio_write_called(struct kvm_vcpu *vcpu)
{
	u64 nr = kvm_rax_read(vcpu);

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

static inline fastpath_t vmx_pv_mmio_fastpath(struct kvm_vcpu *vcpu)
{
	return EXIT_FASTPATH_NONE;
}

static inline fastpath_t vmx_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu)
{
	return EXIT_FASTPATH_NONE;
}

static inline fastpath_t vmx_pio_fastpath(struct kvm_vcpu *vcpu)
{
	return EXIT_FASTPATH_NONE;
}

static inline fastpath_t svm_pv_mmio_fastpath(struct kvm_vcpu *vcpu)
{
	return EXIT_FASTPATH_NONE;
}

static inline fastpath_t svm_hc_mmio_write_fastpath(struct kvm_vcpu *vcpu)
{
	return EXIT_FASTPATH_NONE;
}

static inline fastpath_t svm_pio_fastpath(struct kvm_vcpu *vcpu)
{
	return EXIT_FASTPATH_NONE;
}

static inline bool kvm_hc_mmio_write_called(struct kvm_vcpu *vcpu)
{
	return false;
}

static inline int kvm_hc_mmio_write(struct kvm_vcpu *vcpu)
{
	return -EIO;
}

static inline bool kvm_pv_mmio_store(struct kvm_vcpu *vcpu, gpa_t addr,
				     bool direct, u64 error_code, int *r)
{
	return false;
}

static inline bool vmx_fast_mmio_is_load(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return false;
}

static inline void kvm_pv_mmio_forget(struct kvm_vcpu *vcpu) { }

#endif /* CONFIG_KVM_PV_MMIO */

#endif /* __KVM_X86_PV_MMIO_H */
