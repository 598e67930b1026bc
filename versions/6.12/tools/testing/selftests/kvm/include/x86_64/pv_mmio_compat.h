/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Linux 6.12's selftest library for tests in the newest one's words, see the
 * file of this name there.
 */
#ifndef SELFTEST_KVM_PV_MMIO_COMPAT_H
#define SELFTEST_KVM_PV_MMIO_COMPAT_H

#include "kvm_util.h"
#include "svm_util.h"
#include "vmx.h"

/* By way of vmx.h, evmcs.h has made macros of these types. */
#undef u32
#undef u64

#define gva_t			vm_vaddr_t
#define vm_alloc		vm_vaddr_alloc

#define kvm_random_state	guest_random_state
#define new_kvm_random_state	new_guest_random_state
#define kvm_random_u32		guest_random_u32

static inline u64 vm_root(struct kvm_vm *vm)
{
	return vm->pgd;
}

static inline int vm_levels(struct kvm_vm *vm)
{
	return vm->pgtable_levels;
}

static inline void l1_prepare_svm(struct svm_test_data *svm, void *code, void *rsp, u64 root)
{
	generic_svm_setup(svm, code, rsp);
	svm->vmcb->control.nested_ctl = root ? SVM_NESTED_CTL_NP_ENABLE : 0;
	svm->vmcb->control.nested_cr3 = root;
}

static inline void l1_prepare_vmcs(struct vmx_pages *vmx, void *code, void *rsp)
{
	prepare_vmcs(vmx, code, rsp);
}

#endif /* SELFTEST_KVM_PV_MMIO_COMPAT_H */
