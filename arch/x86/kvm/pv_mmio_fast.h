/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exit fast path of stores and ports.  Interrupts are off, and the guest
 * controls every register.
 *
 * All of it is inline in the vendor modules: on kernels that are hardened
 * against speculation, a call costs more than the work it would do here.
 */
#ifndef __KVM_X86_PV_MMIO_FAST_H
#define __KVM_X86_PV_MMIO_FAST_H

#include <linux/eventfd.h>
#include <linux/kvm_host.h>
#include <trace/events/kvm.h>

#include "pv_mmio_find.h"
#include "pv_mmio_post.h"
#include "pv_mmio_site.h"
#include "pv_mmio_state.h"
#include "pv_mmio_trace.h"
#include "pv_mmio_user.h"
#include "trace.h"
#include "x86.h"
/* After x86.h: pmu.h uses enable_pmu, and doesn't include what declares it. */
#include "pmu.h"

/*
 * Move RIP to the next instruction, and count this one if the guest counts
 * instructions.  Vendor code clears RFLAGS.RF, as an instruction that completes
 * does.
 */
static __always_inline void kvm_pv_mmio_retire(struct kvm_vcpu *vcpu,
					       unsigned long next_rip)
{
	*kvm_pv_mmio_rip(vcpu) = next_rip;
	kvm_pv_mmio_mark_rip(vcpu);
	if (!bitmap_empty(vcpu_to_pmu(vcpu)->all_valid_pmc_idx,
			  X86_PMC_IDX_MAX))
		kvm_pmu_instruction_retired(vcpu);
}

/* An exit that may be a doorbell, as the vendor has read it. */
struct kvm_pv_mmio_exit {
	gpa_t gpa;
	/* Hardware tells that a store to its translated address faulted. */
	bool is_store;
	unsigned long rip;
	/* 0 if hardware doesn't tell. */
	unsigned long next_rip;
	/*
	 * RIP with the code segment's base, and where its translation starts.
	 */
	unsigned long linear_rip;
	u64 root;
	struct kvm_pv_mmio_cpu cpu;
};

/*
 * Whether the access may be a doorbell that KVM knows.  Each MMIO fault comes
 * here first, so this must cost next to nothing.
 */
static __always_inline bool kvm_pv_mmio_may_ring(struct kvm_vcpu *vcpu,
						 gpa_t gpa,
						 unsigned long linear_rip)
{
	return kvm_pv_mmio_may_know(vcpu, linear_rip) &&
	       kvm_pv_mmio_store_enabled(vcpu) &&
	       kvm_ioeventfd_may_find(vcpu->kvm, KVM_MMIO_BUS, gpa);
}

/* The instruction at the exit's place, if KVM knows it. */
static __always_inline const struct kvm_pv_mmio_insn *
kvm_pv_mmio_insn(struct kvm_vcpu *vcpu, const struct kvm_pv_mmio_exit *exit,
		 struct kvm_pv_mmio_code code, u64 generation)
{
	struct kvm_pv_mmio_place place =
		kvm_pv_mmio_place(vcpu, exit->linear_rip, exit->root,
				  exit->cpu);

	return kvm_pv_mmio_site_recall(vcpu, &place, code, generation);
}

static __always_inline void kvm_pv_mmio_trace_store(struct kvm_vcpu *vcpu,
						    gpa_t gpa, int len, u64 val)
{
	if (trace_kvm_mmio_enabled())
		kvm_pv_mmio_trace_mmio(gpa, len, val);
	if (trace_kvm_pv_mmio_enabled())
		trace_kvm_pv_mmio(vcpu->vcpu_id, KVM_PV_MMIO_STORE, true, gpa,
				  len, val, KVM_PV_MMIO_RANG);
}

/*
 * If hardware doesn't say that the access was a store, the site does.  But user
 * space may have loaded where it may not store, and have replaced the load by a
 * store since then.  So KVM has to look at its page tables, too.
 */
static __always_inline bool
kvm_pv_mmio_may_write(struct kvm_vcpu *vcpu,
		      const struct kvm_pv_mmio_exit *exit,
		      struct kvm_ioeventfd_entry *entry, unsigned long linear,
		      u64 generation)
{
	if (exit->is_store)
		return true;

	if (exit->cpu.cpl == 3)
		return kvm_pv_mmio_user_may_write(vcpu, linear, exit->gpa,
						  exit->root, generation);

	return READ_ONCE(entry->linear_page) == linear >> PAGE_SHIFT;
}

static __always_inline fastpath_t
__kvm_pv_mmio_fastpath(struct kvm_vcpu *vcpu,
		       const struct kvm_pv_mmio_exit *exit,
		       struct kvm_pv_mmio_code code, unsigned long address_mask)
{
	u64 val, generation = kvm_pv_mmio_generation(vcpu);
	const struct kvm_pv_mmio_insn *insn;
	struct kvm_ioeventfd_entry *entry;
	unsigned long linear;

	if (!kvm_vcpu_is_legal_gpa(vcpu, exit->gpa))
		return EXIT_FASTPATH_NONE;

	insn = kvm_pv_mmio_insn(vcpu, exit, code, generation);
	if (!insn || insn->kind != KVM_PV_MMIO_INSN_STORE)
		return EXIT_FASTPATH_NONE;

	linear = kvm_pv_mmio_insn_address(insn, vcpu->arch.regs, exit->rip) &
		 address_mask;
	if (offset_in_page(linear ^ exit->gpa) ||
	    kvm_pv_mmio_crosses_page(linear, insn->width))
		return EXIT_FASTPATH_NONE;

	val = kvm_pv_mmio_insn_value(insn, vcpu->arch.regs);
	entry = kvm_pv_mmio_find(vcpu, exit->gpa, insn->width, val);
	if (!entry ||
	    !kvm_pv_mmio_may_write(vcpu, exit, entry, linear, generation) ||
	    !kvm_pv_mmio_ring(vcpu, entry, generation, val))
		return EXIT_FASTPATH_NONE;

	++vcpu->stat.pv_mmio_fast;
	kvm_pv_mmio_trace_store(vcpu, exit->gpa, insn->width, val);
	kvm_pv_mmio_retire(vcpu, (exit->rip + insn->len) & address_mask);
	return EXIT_FASTPATH_REENTER_GUEST;
}

/*
 * Serve a plain store of 64-bit code that KVM has learned;
 * kvm_pv_mmio_may_ring() is true.  @code is no part of @exit, so that on Intel,
 * which never passes any, it costs nothing.
 */
static __always_inline fastpath_t
kvm_pv_mmio_fastpath(struct kvm_vcpu *vcpu,
		     const struct kvm_pv_mmio_exit *exit,
		     struct kvm_pv_mmio_code code)
{
	fastpath_t ret;

	if (!kvm_pv_mmio_completes_silently(exit->cpu))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	ret = __kvm_pv_mmio_fastpath(vcpu, exit, code, ~0ul);
	kvm_vcpu_srcu_read_unlock(vcpu);
	return ret;
}

/*
 * Returns the RIP after an instruction that rings an ioeventfd of length 0, or
 * 0 if that isn't known, or if the slow context has to say.  All instructions
 * ring but loads.  Either hardware tells the length, or the site does.
 */
static __always_inline unsigned long
kvm_fast_mmio_next_rip(const struct kvm_pv_mmio_exit *exit,
		       const struct kvm_pv_mmio_insn *insn)
{
	unsigned long next_rip;

	if (!insn || insn->kind == KVM_PV_MMIO_INSN_LOAD)
		return 0;

	next_rip = insn->kind == KVM_PV_MMIO_INSN_STORE ?
		   exit->rip + insn->len : exit->next_rip;
	return likely(exit->cpu.mode == KVM_PV_MMIO_MODE_64) ? next_rip :
							       (u32)next_rip;
}

static __always_inline fastpath_t
__kvm_fast_mmio_fastpath(struct kvm_vcpu *vcpu,
			 const struct kvm_pv_mmio_exit *exit)
{
	u64 generation = kvm_pv_mmio_generation(vcpu);
	struct kvm_ioeventfd_entry *entry;
	unsigned long next_rip;

	entry = kvm_ioeventfd_find_wildcard(vcpu->kvm, KVM_FAST_MMIO_BUS,
					    exit->gpa, 0);
	if (!entry || !kvm_pv_mmio_is_mmio(vcpu, entry, generation))
		return EXIT_FASTPATH_NONE;

	next_rip = kvm_fast_mmio_next_rip(exit,
					  kvm_pv_mmio_insn(vcpu, exit,
							   KVM_PV_MMIO_NO_CODE,
							   generation));
	if (!next_rip)
		return EXIT_FASTPATH_NONE;

	trace_kvm_fast_mmio(exit->gpa);
	if (trace_kvm_pv_mmio_enabled())
		trace_kvm_pv_mmio(vcpu->vcpu_id, KVM_PV_MMIO_LENGTH0, true,
				  exit->gpa, 0, 0, KVM_PV_MMIO_RANG);
	++vcpu->stat.mmio_doorbell_fast;
	eventfd_signal(entry->eventfd);
	kvm_pv_mmio_retire(vcpu, next_rip);
	return EXIT_FASTPATH_REENTER_GUEST;
}

/*
 * Serve any store to an ioeventfd of length 0, on hardware where KVM looks for
 * those first; kvm_pv_mmio_may_ring() is true.
 */
static __always_inline fastpath_t
kvm_fast_mmio_fastpath(struct kvm_vcpu *vcpu,
		       const struct kvm_pv_mmio_exit *exit)
{
	fastpath_t ret;

	if (!KVM_PV_MMIO_MAY_SIGNAL ||
	    !kvm_pv_mmio_completes_silently(exit->cpu))
		return EXIT_FASTPATH_NONE;
	/* With a segment base, kvm_pv_mmio_may_ring() saw another address. */
	if (unlikely(exit->linear_rip != exit->rip) &&
	    !kvm_pv_mmio_may_know(vcpu, exit->linear_rip))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	ret = __kvm_fast_mmio_fastpath(vcpu, exit);
	kvm_vcpu_srcu_read_unlock(vcpu);
	return ret;
}

/*
 * Serve "out" to a port.  Hardware tells the instruction's length, so that
 * @exit has next_rip.
 */
static __always_inline fastpath_t
kvm_pio_fastpath(struct kvm_vcpu *vcpu, const struct kvm_pv_mmio_exit *exit,
		 unsigned short port, int size)
{
	unsigned long val = kvm_pv_mmio_truncated(kvm_rax_read_raw(vcpu), size);
	bool rang;

	if (exit->cpu.mode != KVM_PV_MMIO_MODE_64 ||
	    !kvm_pv_mmio_completes_silently(exit->cpu))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	rang = kvm_pio_ring(vcpu, port, size, val);
	if (rang) {
		if (trace_kvm_pio_enabled())
			kvm_pv_mmio_trace_pio(port, size, val);
		if (trace_kvm_pv_mmio_enabled())
			trace_kvm_pv_mmio(vcpu->vcpu_id, KVM_PV_MMIO_PORT, true,
					  port, size, val, KVM_PV_MMIO_RANG);
		++vcpu->stat.io_exits;
		++vcpu->stat.pio_doorbell_fast;
		kvm_pv_mmio_retire(vcpu, exit->next_rip);
	}
	kvm_vcpu_srcu_read_unlock(vcpu);

	return rang ? EXIT_FASTPATH_REENTER_GUEST : EXIT_FASTPATH_NONE;
}

#endif /* __KVM_X86_PV_MMIO_FAST_H */
