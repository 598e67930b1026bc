// SPDX-License-Identifier: GPL-2.0-only
/*
 * Length-0 ioeventfds: an EPT misconfiguration doesn't tell a load from a
 * store, and a load must not ring.  So look at the code, once for each place.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "mmu.h"
#include "pv_mmio_fast.h"
#include "smm.h"
#include "x86.h"

#define MAX_INSN_LEN	15
#define TWO_BYTE_OPCODE	0x0f

static bool is_prefix(u8 byte, bool in_64_bit_mode)
{
	switch (byte) {
	case 0x26:	/* segments */
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64:
	case 0x65:
	case 0x66:	/* sizes */
	case 0x67:
	case 0xf0:	/* lock */
	case 0xf2:	/* repeat */
	case 0xf3:
		return true;
	default:
		return in_64_bit_mode && (byte & 0xf0) == 0x40;	/* REX */
	}
}

/* What drivers read devices with; any other instruction rings, as ever. */
static bool is_load(u8 opcode, bool in_64_bit_mode)
{
	switch (opcode) {
	case 0x8a:	/* mov mem,%reg */
	case 0x8b:
		return true;
	case 0x63:	/* movslq; another instruction elsewhere */
		return in_64_bit_mode;
	default:
		return false;
	}
}

static bool is_two_byte_load(u8 opcode)
{
	switch (opcode) {
	case 0xb6:	/* movzx */
	case 0xb7:
	case 0xbe:	/* movsx */
	case 0xbf:
		return true;
	default:
		return false;
	}
}

static bool read_code(struct kvm_vcpu *vcpu, unsigned long linear, u8 *byte)
{
	struct kvm_mmu *mmu = vcpu->arch.walk_mmu;
	struct x86_exception e;
	gpa_t gpa;

	gpa = mmu->gva_to_gpa(vcpu, mmu, linear, PFERR_FETCH_MASK, &e);
	return gpa != INVALID_GPA &&
	       !kvm_vcpu_read_guest_page(vcpu, gpa_to_gfn(gpa), byte,
					 offset_in_page(gpa), 1);
}

/* False where it can't be told: then it rings, as it always did. */
static bool insn_is_load(struct kvm_vcpu *vcpu)
{
	bool in_64_bit_mode = is_64_bit_mode(vcpu);
	unsigned long linear = kvm_get_linear_rip(vcpu);
	u8 byte, next;
	int i;

	for (i = 0; i < MAX_INSN_LEN; i++) {
		if (!read_code(vcpu, linear + i, &byte))
			return false;
		if (!is_prefix(byte, in_64_bit_mode))
			break;
	}
	if (byte != TWO_BYTE_OPCODE)
		return is_load(byte, in_64_bit_mode);

	return read_code(vcpu, linear + i + 1, &next) && is_two_byte_load(next);
}

bool __kvm_fast_mmio_is_load(struct kvm_vcpu *vcpu)
{
	unsigned long rip = kvm_rip_read(vcpu);
	unsigned long cr3 = kvm_read_cr3(vcpu);

	/* SMM has memory of its own, and hence code. */
	if (is_smm(vcpu))
		return insn_is_load(vcpu);

	if (kvm_pv_mmio_site_find(vcpu, rip, cr3, KVM_PV_MMIO_ANY_STORE,
				  kvm_pv_mmio_generation(vcpu)))
		return false;

	if (insn_is_load(vcpu))
		return true;

	kvm_pv_mmio_site_note(vcpu, rip, cr3, KVM_PV_MMIO_ANY_STORE);
	return false;
}
EXPORT_SYMBOL_GPL(__kvm_fast_mmio_is_load);
