// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hypercall KVM_HC_MMIO_WRITE where KVM may sleep, see hc_mmio_write.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "hc_mmio_write.h"
#include "pv_mmio_memory.h"
#include "x86.h"

#define HYPERCALL_LEN	3

static int hc_return(struct kvm_vcpu *vcpu, long ret)
{
	kvm_rax_write_raw(vcpu, hc_register(ret, is_64_bit_hypercall(vcpu)));
	++vcpu->stat.hypercalls;
	return kvm_skip_emulated_instruction(vcpu);
}

static int hc_complete_exit(struct kvm_vcpu *vcpu)
{
	/* If the VMM has changed RIP meanwhile, there's nothing to complete. */
	if (!kvm_is_linear_rip(vcpu, vcpu->arch.pv_mmio.hypercall_rip))
		return 1;

	return hc_return(vcpu, 0);
}

/* If hardware doesn't tell the length, the fast path needs a site for it. */
static void hc_learn(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_mmio_insn insn = {
		.kind = KVM_PV_MMIO_INSN_HYPERCALL,
		.len = HYPERCALL_LEN,
	};
	struct kvm_pv_mmio_place place;
	struct kvm_pv_mmio_cpu cpu;
	u8 code[HYPERCALL_LEN];

	if (vcpu->arch.guest_state_protected || is_smm(vcpu))
		return;

	cpu = kvm_pv_mmio_cpu(vcpu);
	place = kvm_pv_mmio_place_at(vcpu, kvm_rip_read(vcpu), cpu);
	if (cpu.mode != KVM_PV_MMIO_MODE_64 ||
	    kvm_pv_mmio_site_know(vcpu, &place) ||
	    !kvm_pv_mmio_site_may_learn(vcpu, place.linear))
		return;

	kvm_x86_call(patch_hypercall)(vcpu, code);
	if (!kvm_pv_mmio_site_learn(vcpu, &place, &insn, code))
		kvm_pv_mmio_site_in_vain(vcpu, place.linear);
}

static long hc_error(struct kvm_vcpu *vcpu, const struct hc_mmio_write *hc)
{
	long error;

	if (kvm_x86_call(get_cpl)(vcpu))
		return -KVM_EPERM;

	hc_learn(vcpu);
	error = hc_check(vcpu, hc);
	if (!error && kvm_pv_mmio_gpa_is_ram(vcpu, hc->gpa))
		return -KVM_EFAULT;

	return error;
}

/* Returns what kvm_emulate_hypercall() returns: 0 to go to the VMM. */
int kvm_hc_mmio_write(struct kvm_vcpu *vcpu)
{
	struct hc_mmio_write hc = hc_parse(vcpu, is_64_bit_hypercall(vcpu));
	long error = hc_error(vcpu, &hc);

	if (error) {
		++vcpu->stat.hc_mmio_write_refused;
		hc_trace(vcpu, &hc, false, KVM_PV_MMIO_REFUSED);
		return hc_return(vcpu, error);
	}

	++vcpu->stat.hc_mmio_write_slow;
	if (kvm_pv_mmio_write(vcpu, hc.gpa, hc.len, hc.val)) {
		hc_trace(vcpu, &hc, false, KVM_PV_MMIO_IN_KERNEL);
		return hc_return(vcpu, 0);
	}

	hc_trace(vcpu, &hc, false, KVM_PV_MMIO_TO_VMM);
	vcpu->arch.pv_mmio.hypercall_rip = kvm_get_linear_rip(vcpu);
	vcpu->arch.complete_userspace_io = hc_complete_exit;
	return 0;
}
