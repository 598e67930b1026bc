/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages that user space may write to, for hardware that doesn't tell a store
 * from a load.
 *
 * At an EPT misconfiguration, only the code says that it was a store.  But a
 * process may have loaded from a page that it may not write to, and another
 * thread may have replaced the load by a store since then.  So KVM also
 * remembers the page table entries that lead to the target: as long as none of
 * them has changed, they allow the store.
 */
#ifndef __KVM_X86_PV_MMIO_USER_H
#define __KVM_X86_PV_MMIO_USER_H

#include <linux/kvm_host.h>

/*
 * Whether the guest's user space may store to @linear, in the address space of
 * @root, and whether that is at @gpa.  Also returns false if KVM doesn't know.
 * This is for the exit fast path.  The caller holds kvm->srcu; @generation is
 * that of the memslots.
 */
bool kvm_pv_mmio_user_may_write(struct kvm_vcpu *vcpu, unsigned long linear,
				gpa_t gpa, u64 root, u64 generation);

/*
 * Remember that user space may store to @linear, which is at @gpa: KVM's own
 * walk has just allowed it.  May sleep.
 */
void kvm_pv_mmio_user_learn(struct kvm_vcpu *vcpu, unsigned long linear,
			    gpa_t gpa);

#endif /* __KVM_X86_PV_MMIO_USER_H */
