/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the selftest library has otherwise in older kernels.  This is for the
 * newest one; each older one has a file of this name below versions/.
 */
#ifndef SELFTEST_KVM_PV_MMIO_COMPAT_H
#define SELFTEST_KVM_PV_MMIO_COMPAT_H

#include "kvm_util.h"
#include "svm_util.h"
#include "vmx.h"

/* The root of the guest's page tables, and how many levels these have. */
static inline u64 vm_root(struct kvm_vm *vm)
{
	return vm->mmu.pgd;
}

static inline int vm_levels(struct kvm_vm *vm)
{
	return vm->mmu.pgtable_levels;
}

/* Have L2 begin at @code, with @root for nested paging if it isn't 0. */
static inline void l1_prepare_svm(struct svm_test_data *svm, void *code, void *rsp, u64 root)
{
	svm->stack = rsp;
	generic_svm_setup(svm, code);
	svm->vmcb->control.misc_ctl = root ? SVM_MISC_ENABLE_NP : 0;
	svm->vmcb->control.nested_cr3 = root;
}

static inline void l1_prepare_vmcs(struct vmx_pages *vmx, void *code, void *rsp)
{
	vmx->stack = rsp;
	prepare_vmcs(vmx, code);
}

#endif /* SELFTEST_KVM_PV_MMIO_COMPAT_H */
