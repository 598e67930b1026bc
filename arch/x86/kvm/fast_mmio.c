// SPDX-License-Identifier: GPL-2.0-only
/*
 * Length-0 ioeventfds: an EPT misconfiguration doesn't tell a load from a
 * store, and a load must not ring.  So KVM looks at the code, once for each
 * place.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "fast_mmio.h"
#include "mmu.h"
#include "pv_mmio_site.h"
#include "pv_mmio_state.h"
#include "x86.h"

/* Read code at @place, up to the longest instruction.  Returns the length. */
static int read_code(struct kvm_vcpu *vcpu,
		     const struct kvm_pv_mmio_place *place, u8 *code)
{
	u64 access = kvm_pv_mmio_fetch_access(place);
	struct kvm_pagewalk *pw = kvm_pv_mmio_pagewalk(vcpu);
	struct x86_exception e;
	int done = 0, n;
	gpa_t gpa;

	while (done < KVM_PV_MMIO_INSN_MAX) {
		gpa = pw->gva_to_gpa(vcpu, pw, place->linear + done, access,
				      &e);
		n = min_t(int, KVM_PV_MMIO_INSN_MAX - done,
			  PAGE_SIZE - offset_in_page(place->linear + done));
		if (gpa == INVALID_GPA ||
		    kvm_vcpu_read_guest_page(vcpu, gpa_to_gfn(gpa), code + done,
					     offset_in_page(gpa), n))
			break;
		done += n;
	}
	return done;
}

/* Returns false when in doubt: then the access rings, as it always did. */
static bool read_is_load(struct kvm_vcpu *vcpu,
			 const struct kvm_pv_mmio_place *place,
			 enum kvm_pv_mmio_mode mode)
{
	struct kvm_pv_mmio_insn insn = {};
	u8 code[KVM_PV_MMIO_INSN_MAX];
	int n = read_code(vcpu, place, code);

	if (n)
		kvm_pv_mmio_decode(code, n, mode, &insn);
	if (insn.len && kvm_pv_mmio_site_learn(vcpu, place, &insn, code))
		kvm_pv_mmio_site_note_rip(vcpu, kvm_rip_read(vcpu));
	else
		kvm_pv_mmio_site_in_vain(vcpu, place->linear);
	return insn.kind == KVM_PV_MMIO_INSN_LOAD;
}

/* Not inline, so that other exits save no registers for it. */
noinline bool kvm_fast_mmio_is_load(struct kvm_vcpu *vcpu)
{
	const struct kvm_pv_mmio_insn *insn;
	struct kvm_pv_mmio_place place;
	struct kvm_pv_mmio_cpu cpu;

	if (!kvm_pv_mmio_store_may_learn(vcpu))
		return false;

	cpu = kvm_pv_mmio_cpu(vcpu);
	place = kvm_pv_mmio_place_at(vcpu, kvm_rip_read(vcpu), cpu);
	insn = kvm_pv_mmio_site_know(vcpu, &place);
	if (insn)
		return insn->kind == KVM_PV_MMIO_INSN_LOAD;

	kvm_pv_mmio_site_drop(vcpu, &place);

	/*
	 * Looking at the code costs more than stock KVM's whole doorbell.  If
	 * the code changes all the time, let it ring as on stock KVM.
	 */
	return kvm_pv_mmio_site_may_learn(vcpu, place.linear) &&
	       read_is_load(vcpu, &place, cpu.mode);
}

bool kvm_fast_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	if (is_guest_mode(vcpu))
		return false;

	return __kvm_fast_mmio_write(vcpu, gpa, false, 0);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_fast_mmio_write);
