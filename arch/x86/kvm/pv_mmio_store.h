/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where KVM's MMU meets stores that KVM knows.  Inline, so that a fault that is
 * none of them pays as little as can be.
 */
#ifndef __KVM_X86_PV_MMIO_STORE_H
#define __KVM_X86_PV_MMIO_STORE_H

#include <linux/kvm_host.h>

#include "kvm_emulate.h"
#include "x86.h"

#ifdef CONFIG_KVM_PV_MMIO
#include "pv_mmio_nested.h"
#include "pv_mmio_site.h"

#define KVM_PV_MMIO_OPERAND_SIZE	0x66
#define KVM_PV_MMIO_REX			0x40
#define KVM_PV_MMIO_REX_MASK		0xf0

static inline bool kvm_pv_mmio_may_serve(struct kvm_vcpu *vcpu)
{
	if (unlikely(mmu_is_nested(vcpu)))
		return kvm_pv_mmio_l2_may_know(vcpu);

	return kvm_pv_mmio_store_enabled(vcpu) &&
	       kvm_pv_mmio_may_know(vcpu, kvm_rip_read(vcpu));
}

/*
 * If the error code says that the fault is one of MMIO, KVM's MMU isn't needed.
 */
static inline bool kvm_pv_mmio_serve_early(struct kvm_vcpu *vcpu, gpa_t addr,
					   bool direct, u64 error_code, int *r)
{
	return (error_code & PFERR_RSVD_MASK) && kvm_pv_mmio_may_serve(vcpu) &&
	       kvm_pv_mmio_serve(vcpu, addr, direct, error_code, r);
}

/*
 * Whether the emulator was at one of the opcodes among which plain stores are,
 * with no prefix that the decoder refuses.
 */
static inline bool kvm_pv_mmio_may_be_store(const struct x86_emulate_ctxt *ctxt)
{
	u8 first = ctxt->fetch.data[0];

	switch (ctxt->b) {
	case 0x88 ... 0x89:
	case 0xa2 ... 0xa3:
	case 0xc6 ... 0xc7:
		break;
	default:
		return false;
	}
	return ctxt->opcode_len == 1 &&
	       (first == ctxt->b || first == KVM_PV_MMIO_OPERAND_SIZE ||
		(first & KVM_PV_MMIO_REX_MASK) == KVM_PV_MMIO_REX);
}

/*
 * KVM's way to its emulator for such a fault.  A store that KVM knows is done
 * without, unless it was asked early, and one that the emulator did is learned.
 */
static inline int kvm_pv_mmio_emulate(struct kvm_vcpu *vcpu, gpa_t addr,
				      bool direct, u64 error_code,
				      int emulation_type, void *insn,
				      int insn_len)
{
	unsigned long rip = kvm_rip_read(vcpu);
	int r;

	if (!(error_code & PFERR_RSVD_MASK) && kvm_pv_mmio_may_serve(vcpu) &&
	    kvm_pv_mmio_serve(vcpu, addr, direct, error_code, &r))
		return r;

	r = x86_emulate_instruction(vcpu, addr, emulation_type, insn, insn_len);
	if (kvm_pv_mmio_may_be_store(vcpu->arch.emulate_ctxt))
		kvm_pv_mmio_learn(vcpu, rip, error_code);
	return r;
}
#else
static inline bool kvm_pv_mmio_serve_early(struct kvm_vcpu *vcpu, gpa_t addr,
					   bool direct, u64 error_code, int *r)
{
	return false;
}

static inline int kvm_pv_mmio_emulate(struct kvm_vcpu *vcpu, gpa_t addr,
				      bool direct, u64 error_code,
				      int emulation_type, void *insn,
				      int insn_len)
{
	return x86_emulate_instruction(vcpu, addr, emulation_type, insn,
				       insn_len);
}
#endif

#endif /* __KVM_X86_PV_MMIO_STORE_H */
