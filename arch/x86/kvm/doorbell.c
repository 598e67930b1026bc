// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbells of unmodified guests, in the exit fast path: a store to a length-0
 * ioeventfd, and "out" to a port.  Hardware tells the instruction's length.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/eventfd.h>
#include <linux/kvm_host.h>

#include "pv_mmio_fast.h"
#include "trace.h"

/* The vendor has seen to kvm_pv_mmio_may_skip() in all of these. */
fastpath_t kvm_fast_mmio_fastpath(struct kvm_vcpu *vcpu, gpa_t gpa,
				  unsigned long next_rip)
{
	struct kvm_ioeventfd_entry *entry;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	entry = kvm_ioeventfd_find_wildcard(vcpu->kvm, KVM_FAST_MMIO_BUS, gpa,
					    0);
	if (entry && !kvm_pv_mmio_entry_is_mmio(vcpu, gpa, entry))
		entry = NULL;
	if (entry) {
		trace_kvm_fast_mmio(gpa);
		eventfd_signal(entry->eventfd);
		kvm_pv_mmio_retire(vcpu, next_rip);
	}
	kvm_vcpu_srcu_read_unlock(vcpu);

	return entry ? EXIT_FASTPATH_REENTER_GUEST : EXIT_FASTPATH_NONE;
}
EXPORT_SYMBOL_GPL(kvm_fast_mmio_fastpath);

fastpath_t kvm_pio_fastpath(struct kvm_vcpu *vcpu, unsigned short port,
			    int size, unsigned long next_rip)
{
	unsigned long val = kvm_rax_read(vcpu);
	struct kvm_ioeventfd_entry *entry;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	entry = kvm_ioeventfd_find(vcpu->kvm, KVM_PIO_BUS, port, size,
				   kvm_pv_mmio_truncated(val, size));
	if (entry) {
		trace_kvm_pio(KVM_PIO_OUT, port, size, 1, &val);
		++vcpu->stat.io_exits;
		eventfd_signal(entry->eventfd);
		kvm_pv_mmio_retire(vcpu, next_rip);
	}
	kvm_vcpu_srcu_read_unlock(vcpu);

	return entry ? EXIT_FASTPATH_REENTER_GUEST : EXIT_FASTPATH_NONE;
}
EXPORT_SYMBOL_GPL(kvm_pio_fastpath);
