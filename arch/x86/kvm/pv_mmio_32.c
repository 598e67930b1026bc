// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stores of 32-bit code, see pv_mmio_32.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "pv_mmio_32.h"
#include "x86.h"

/* What makes a segment one of data that may be written. */
#define TYPE_MASK	0xe
#define TYPE_WRITABLE	0x2

/* A segment that begins at 0, ends at 4 GB, and may be written. */
static bool is_whole(struct kvm_vcpu *vcpu, int nr)
{
	struct kvm_segment segment;

	kvm_get_segment(vcpu, &segment, nr);
	return !segment.unusable && !segment.base &&
	       segment.limit == (u32)~0 &&
	       (segment.type & TYPE_MASK) == TYPE_WRITABLE;
}

/*
 * The instruction's base register decides which of DS and SS the store goes to.
 * With another base of CS, the linear address of the code isn't RIP, by which
 * AMD's fast path finds its place.
 */
bool kvm_pv_mmio_is_flat(struct kvm_vcpu *vcpu, struct kvm_pv_mmio_cpu cpu)
{
	return cpu.mode == KVM_PV_MMIO_MODE_32 &&
	       !kvm_x86_call(get_segment_base)(vcpu, VCPU_SREG_CS) &&
	       is_whole(vcpu, VCPU_SREG_DS) && is_whole(vcpu, VCPU_SREG_SS);
}

fastpath_t kvm_pv_mmio_fastpath_32(struct kvm_vcpu *vcpu,
				   const struct kvm_pv_mmio_exit *exit,
				   struct kvm_pv_mmio_code code)
{
	fastpath_t ret;

	/*
	 * If CS has a base, kvm_pv_mmio_may_ring() has asked about another
	 * address, and there may be no set of sites for this one.
	 */
	if (exit->linear_rip != exit->rip ||
	    !kvm_pv_mmio_completes_silently(exit->cpu) ||
	    !kvm_pv_mmio_is_flat(vcpu, exit->cpu))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	ret = __kvm_pv_mmio_fastpath(vcpu, exit, code, (u32)~0);
	kvm_vcpu_srcu_read_unlock(vcpu);
	return ret;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_pv_mmio_fastpath_32);
