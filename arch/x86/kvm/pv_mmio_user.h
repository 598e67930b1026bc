/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where user space may store, for hardware that doesn't say that it did.
 *
 * At an EPT misconfiguration KVM takes the code's word for it.  But a process
 * may have loaded from a page that it may not write to, and another thread may
 * have put a store in the load's place since.  So the page tables that lead to
 * the target are remembered, too: as long as none of the entries has changed,
 * they allow the store.
 */
#ifndef __KVM_X86_PV_MMIO_USER_H
#define __KVM_X86_PV_MMIO_USER_H

#include <linux/kvm_host.h>

/*
 * Whether the guest's user space may store to @linear, in the address space of
 * @root, and whether that is at @gpa.  False also if KVM doesn't know.  For the
 * exit fast path.  The caller is in kvm->srcu, @generation is that of the
 * memslots.
 */
bool kvm_pv_mmio_user_may_write(struct kvm_vcpu *vcpu, unsigned long linear,
				gpa_t gpa, u64 root, u64 generation);

/* Remember that it may, as KVM has just seen.  May sleep. */
void kvm_pv_mmio_user_learn(struct kvm_vcpu *vcpu, unsigned long linear,
			    gpa_t gpa);

#endif /* __KVM_X86_PV_MMIO_USER_H */
