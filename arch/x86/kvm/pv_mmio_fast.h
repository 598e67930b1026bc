/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exit fast path of doorbells, but for the hypercall's.  Interrupts are off
 * and every register is the guest's.
 *
 * All of it is inline in the vendor modules: on kernels that are hardened
 * against speculation, calls cost more than what they'd do here.
 */
#ifndef __KVM_X86_PV_MMIO_FAST_H
#define __KVM_X86_PV_MMIO_FAST_H

#include <linux/eventfd.h>
#include <linux/kvm_host.h>
#include <trace/events/kvm.h>

#include "../../../virt/kvm/ioeventfd_index.h"
#include "lapic.h"
#include "pmu.h"
#include "pv_mmio_site.h"
#include "pv_mmio_state.h"
#include "pv_mmio_trace.h"
#include "trace.h"
#include "x86.h"

/* On PREEMPT_RT eventfd_signal() takes a lock that sleeps. */
#define KVM_PV_MMIO_MAY_SIGNAL	(!IS_ENABLED(CONFIG_PREEMPT_RT))

static __always_inline u64 kvm_pv_mmio_truncated(u64 val, int len)
{
	return val & GENMASK_ULL(8 * len - 1, 0);
}

static __always_inline bool kvm_pv_mmio_crosses_page(gpa_t addr, int len)
{
	return offset_in_page(addr) + len > PAGE_SIZE;
}

/* But for the host's switch: with that off, no site of a store is known. */
static __always_inline bool kvm_pv_mmio_store_enabled(struct kvm_vcpu *vcpu)
{
	return !READ_ONCE(vcpu->kvm->arch.pv_mmio.store_off) &&
	       guest_pv_has(vcpu, KVM_FEATURE_PV_MMIO);
}

static __always_inline bool kvm_pv_mmio_is_lapic(struct kvm_vcpu *vcpu,
						 gpa_t gpa)
{
	return lapic_in_kernel(vcpu) &&
	       (gpa & PAGE_MASK) == vcpu->arch.apic->base_address;
}

/* Memslots are rarely changed: remember the answer for their generation. */
static __always_inline bool
kvm_pv_mmio_entry_is_mmio(struct kvm_vcpu *vcpu, gpa_t gpa,
			  struct kvm_ioeventfd_entry *entry, u64 generation)
{
	if (likely(READ_ONCE(entry->mmio_generation) == generation))
		return true;

	if (kvm_pv_mmio_gpa_is_ram(vcpu, gpa))
		return false;

	WRITE_ONCE(entry->mmio_generation, generation);
	return true;
}

/*
 * The ioeventfd that a write to @gpa signals, if the fast path may do that.
 * The caller is in kvm->srcu.
 */
static __always_inline struct kvm_ioeventfd_entry *
kvm_pv_mmio_find(struct kvm_vcpu *vcpu, gpa_t gpa, int len, u64 val,
		 u64 generation)
{
	struct kvm_ioeventfd_entry *entry;

	entry = kvm_ioeventfd_find(vcpu->kvm, KVM_MMIO_BUS, gpa, len,
				   kvm_pv_mmio_truncated(val, len));
	if (!entry || kvm_pv_mmio_is_lapic(vcpu, gpa) ||
	    !kvm_pv_mmio_entry_is_mmio(vcpu, gpa, entry, generation))
		return NULL;

	return entry;
}

/*
 * Go on behind the instruction, and count it where the guest counts.  One that
 * completes clears RF: Intel's CPUs set it in what they save at an EPT
 * misconfiguration, as the instruction hasn't completed.
 */
static __always_inline void kvm_pv_mmio_retire(struct kvm_vcpu *vcpu,
					       unsigned long next_rip,
					       unsigned long rflags)
{
	kvm_rip_write(vcpu, next_rip);
	if (unlikely(rflags & X86_EFLAGS_RF))
		kvm_pv_mmio_clear_rf(vcpu, rflags);
	if (!bitmap_empty(vcpu_to_pmu(vcpu)->all_valid_pmc_idx,
			  X86_PMC_IDX_MAX))
		kvm_pmu_trigger_event(vcpu,
				      kvm_pmu_eventsel.INSTRUCTIONS_RETIRED);
}

/* A PV store as the vendor has read it off the exit. */
struct kvm_pv_mmio_exit {
	gpa_t gpa;
	/* Hardware tells that @gpa is what RDX translates to. */
	bool translated;
	unsigned long rip;
	unsigned long cr3;
	unsigned long rflags;
};

static __always_inline fastpath_t
__kvm_pv_mmio_fastpath(struct kvm_vcpu *vcpu, int width,
		       struct kvm_pv_mmio_exit exit)
{
	u64 generation = kvm_pv_mmio_generation(vcpu);
	unsigned long linear = kvm_rdx_read(vcpu);
	struct kvm_ioeventfd_entry *entry;
	int len;

	entry = kvm_pv_mmio_find(vcpu, exit.gpa, width, kvm_rax_read(vcpu),
				 generation);
	if (!entry ||
	    (!exit.translated &&
	     READ_ONCE(entry->linear_page) != linear >> PAGE_SHIFT))
		return EXIT_FASTPATH_NONE;

	len = kvm_pv_mmio_site_recall(vcpu, exit.rip, exit.cr3, width,
				      generation);
	if (!len)
		return EXIT_FASTPATH_NONE;

	eventfd_signal(entry->eventfd);
	++vcpu->stat.pv_mmio_fast;
	trace_kvm_pv_mmio(vcpu->vcpu_id, KVM_PV_MMIO_STORE, true, exit.gpa,
			  width, kvm_rax_read(vcpu), KVM_PV_MMIO_RANG);
	kvm_pv_mmio_retire(vcpu, exit.rip + len, exit.rflags);
	return EXIT_FASTPATH_REENTER_GUEST;
}

/* The vendor has seen to CPL 0 and kvm_pv_mmio_may_skip_access(). */
static __always_inline fastpath_t
kvm_pv_mmio_fastpath(struct kvm_vcpu *vcpu, int width,
		     struct kvm_pv_mmio_exit exit)
{
	fastpath_t ret;

	if (!KVM_PV_MMIO_MAY_SIGNAL ||
	    offset_in_page(kvm_rdx_read(vcpu) ^ exit.gpa) ||
	    kvm_pv_mmio_crosses_page(exit.gpa, width) ||
	    !kvm_vcpu_is_legal_gpa(vcpu, exit.gpa) ||
	    !kvm_pv_mmio_store_enabled(vcpu))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	ret = __kvm_pv_mmio_fastpath(vcpu, width, exit);
	kvm_vcpu_srcu_read_unlock(vcpu);
	return ret;
}

/*
 * Doorbells of unmodified guests: any store to a length-0 ioeventfd, and "out"
 * to a port.  Hardware tells the instruction's length, and the vendor has seen
 * to kvm_pv_mmio_may_skip_access() and kvm_pv_mmio_may_skip().
 */
struct kvm_fast_mmio_exit {
	unsigned long rip;
	unsigned long next_rip;
	unsigned long cr3;
	unsigned long rflags;
};

static __always_inline fastpath_t
kvm_fast_mmio_fastpath(struct kvm_vcpu *vcpu, gpa_t gpa,
		       struct kvm_fast_mmio_exit exit)
{
	struct kvm_ioeventfd_entry *entry;
	u64 generation;

	if (!KVM_PV_MMIO_MAY_SIGNAL)
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	entry = kvm_ioeventfd_find_wildcard(vcpu->kvm, KVM_FAST_MMIO_BUS, gpa,
					    0);
	generation = kvm_pv_mmio_generation(vcpu);
	if (entry &&
	    (!kvm_pv_mmio_entry_is_mmio(vcpu, gpa, entry, generation) ||
	     !kvm_pv_mmio_site_find(vcpu, exit.rip, exit.cr3,
				    KVM_PV_MMIO_ANY_STORE, generation)))
		entry = NULL;
	if (entry) {
		trace_kvm_fast_mmio(gpa);
		trace_kvm_pv_mmio(vcpu->vcpu_id, KVM_PV_MMIO_LENGTH0, true, gpa,
				  0, 0, KVM_PV_MMIO_RANG);
		++vcpu->stat.mmio_doorbell_fast;
		eventfd_signal(entry->eventfd);
		kvm_pv_mmio_retire(vcpu, exit.next_rip, exit.rflags);
	}
	kvm_vcpu_srcu_read_unlock(vcpu);

	return entry ? EXIT_FASTPATH_REENTER_GUEST : EXIT_FASTPATH_NONE;
}

static __always_inline fastpath_t
kvm_pio_fastpath(struct kvm_vcpu *vcpu, unsigned short port, int size,
		 unsigned long next_rip, unsigned long rflags)
{
	unsigned long val = kvm_pv_mmio_truncated(kvm_rax_read(vcpu), size);
	struct kvm_ioeventfd_entry *entry;

	if (!KVM_PV_MMIO_MAY_SIGNAL)
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	entry = kvm_ioeventfd_find(vcpu->kvm, KVM_PIO_BUS, port, size, val);
	if (entry) {
		if (trace_kvm_pio_enabled())
			kvm_pv_mmio_trace_pio(port, size, val);
		trace_kvm_pv_mmio(vcpu->vcpu_id, KVM_PV_MMIO_PORT, true, port,
				  size, val, KVM_PV_MMIO_RANG);
		++vcpu->stat.io_exits;
		++vcpu->stat.pio_doorbell_fast;
		eventfd_signal(entry->eventfd);
		kvm_pv_mmio_retire(vcpu, next_rip, rflags);
	}
	kvm_vcpu_srcu_read_unlock(vcpu);

	return entry ? EXIT_FASTPATH_REENTER_GUEST : EXIT_FASTPATH_NONE;
}

#endif /* __KVM_X86_PV_MMIO_FAST_H */
