// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stores where KVM would start the emulator: learning them, and serving those
 * that are known to any device.  The exit fast path is in pv_mmio_fast.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "kvm_emulate.h"
#include "mmu.h"
#include "pv_mmio_32.h"
#include "pv_mmio_fast.h"
#include "pv_mmio_memory.h"
#include "pv_mmio_nested.h"
#include "pv_mmio_site.h"
#include "pv_mmio_user.h"
#include "x86.h"

/* The fault, as kvm_mmu_page_fault() was told. */
struct fault {
	gpa_t addr;
	/* @addr is a GPA. */
	bool direct;
	u64 error_code;
};

struct store {
	struct kvm_pv_mmio_cpu cpu;
	struct kvm_pv_mmio_insn insn;
	unsigned long rip;
	unsigned long linear;
	gpa_t gpa;
	u64 val;
};

/* Remember where the store went, which spares the fast path a walk. */
static void remember_translation(struct kvm_vcpu *vcpu,
				 const struct fault *fault,
				 const struct store *store)
{
	struct kvm_ioeventfd_entry *entry;

	/* What L2's addresses mean, L1 decides. */
	if (is_guest_mode(vcpu))
		return;

	entry = kvm_pv_mmio_find(vcpu, store->gpa, store->insn.width,
				 store->val);
	if (!entry || kvm_pv_mmio_is_store(fault->error_code))
		return;

	if (store->cpu.cpl != 3)
		WRITE_ONCE(entry->linear_page, store->linear >> PAGE_SHIFT);
	else if (fault->direct)
		kvm_pv_mmio_user_learn(vcpu, store->linear, store->gpa);
}

/*
 * Where the store goes, INVALID_GPA if that isn't what faulted, or if the guest
 * may not write there: then it gets its fault from the emulator.
 */
static gpa_t store_gpa(struct kvm_vcpu *vcpu, unsigned long linear,
		       const struct fault *fault)
{
	gpa_t gpa;

	if (fault->direct && kvm_pv_mmio_is_store(fault->error_code))
		return offset_in_page(linear ^ fault->addr) ? INVALID_GPA :
							      fault->addr;

	gpa = kvm_mmu_gva_to_gpa_write(vcpu, linear, NULL);
	return fault->addr == (fault->direct ? gpa : linear) ? gpa :
							       INVALID_GPA;
}

/* What the instruction does, by the registers as they are. */
static void store_operands(struct kvm_vcpu *vcpu, struct store *store)
{
	store->linear = kvm_pv_mmio_insn_address(&store->insn, vcpu->arch.regs,
						 store->rip) &
			kvm_pv_mmio_address_mask(store->cpu.mode);
	store->val = kvm_pv_mmio_insn_value(&store->insn, vcpu->arch.regs);
}

/* After the last byte of 4 GB, 32-bit code goes on at the first. */
static unsigned long next_rip(const struct store *store)
{
	return (store->rip + store->insn.len) &
	       kvm_pv_mmio_address_mask(store->cpu.mode);
}

/* Recall the instruction, and for L2 where it stores to. */
static bool recall_store(struct kvm_vcpu *vcpu,
			 const struct kvm_pv_mmio_place *place,
			 struct store *store)
{
	const struct kvm_pv_mmio_insn *insn;

	if (mmu_is_nested(vcpu))
		insn = kvm_pv_mmio_l2_recall(vcpu, place, &store->gpa);
	else
		insn = kvm_pv_mmio_site_know(vcpu, place);
	if (!insn || insn->kind != KVM_PV_MMIO_INSN_STORE)
		return false;

	store->insn = *insn;
	store_operands(vcpu, store);
	return true;
}

/* IN_KERNEL if KVM may do the store, else the reason why not. */
static enum kvm_pv_mmio_result
check_store(struct kvm_vcpu *vcpu, const struct fault *fault,
	    const struct kvm_pv_mmio_place *place, struct store *store)
{
	if (!kvm_pv_mmio_is_served(vcpu, store->cpu) ||
	    !kvm_pv_mmio_completes_silently(store->cpu) ||
	    !kvm_pv_mmio_may_complete(vcpu))
		return KVM_PV_MMIO_STATE;

	if (!recall_store(vcpu, place, store))
		return KVM_PV_MMIO_CODE;

	if (kvm_pv_mmio_crosses_page(store->linear, store->insn.width))
		return KVM_PV_MMIO_ADDRESS;

	/*
	 * If L1 has tables for L2, the fault's address is L2's, and of no use
	 * here.
	 */
	if (!mmu_is_nested(vcpu))
		store->gpa = store_gpa(vcpu, store->linear, fault);
	if (store->gpa == INVALID_GPA ||
	    !kvm_vcpu_is_legal_gpa(vcpu, store->gpa))
		return KVM_PV_MMIO_ADDRESS;

	return kvm_pv_mmio_gpa_is_ram(vcpu, store->gpa) ? KVM_PV_MMIO_RAM :
							  KVM_PV_MMIO_IN_KERNEL;
}

/* Returns as the emulator does: 0 to go to the VMM. */
static int do_store(struct kvm_vcpu *vcpu, const struct fault *fault,
		    const struct store *store)
{
	int r;

	r = kvm_pv_mmio_write(vcpu, store->gpa, store->insn.width, store->val);
	/*
	 * The bus may just have verified an ioeventfd, which the index finds by
	 * now.
	 */
	remember_translation(vcpu, fault, store);
	kvm_pv_mmio_retire(vcpu, next_rip(store));
	if (store->cpu.rflags & X86_EFLAGS_RF)
		kvm_x86_call(set_rflags)(vcpu,
					 store->cpu.rflags & ~X86_EFLAGS_RF);
	/* L1 may want an exit after each of L2's instructions. */
	kvm_x86_call(update_emulated_instruction)(vcpu);
	return r;
}

static void count_store(struct kvm_vcpu *vcpu, enum kvm_pv_mmio_result result)
{
	switch (result) {
	case KVM_PV_MMIO_LEARNED:
		++vcpu->stat.pv_mmio_learned;
		break;
	case KVM_PV_MMIO_STATE:
		++vcpu->stat.pv_mmio_declined_state;
		break;
	case KVM_PV_MMIO_ADDRESS:
		++vcpu->stat.pv_mmio_declined_address;
		break;
	case KVM_PV_MMIO_RAM:
		++vcpu->stat.pv_mmio_declined_ram;
		break;
	case KVM_PV_MMIO_CODE:
		++vcpu->stat.pv_mmio_declined_code;
		break;
	default:
		++vcpu->stat.pv_mmio_slow;
	}
}

static void report_store(struct kvm_vcpu *vcpu, const struct store *store,
			 enum kvm_pv_mmio_result result)
{
	count_store(vcpu, result);
	trace_kvm_pv_mmio(vcpu->vcpu_id, KVM_PV_MMIO_STORE, false, store->gpa,
			  store->insn.width, store->val, result);
}

/* Other accesses may come here, too, but are nothing to report. */
static bool is_known_store(struct kvm_vcpu *vcpu,
			   const struct kvm_pv_mmio_place *place)
{
	return mmu_is_nested(vcpu) ? kvm_pv_mmio_l2_knows(vcpu, place) :
				     kvm_pv_mmio_site_is_store(vcpu, place);
}

/* True if the store is known and done. */
static bool serve_store(struct kvm_vcpu *vcpu, const struct fault *fault,
			unsigned long rip, int *r)
{
	struct store store = { .rip = rip, .gpa = INVALID_GPA };
	enum kvm_pv_mmio_result result;
	struct kvm_pv_mmio_place place;
	bool done;

	store.cpu = kvm_pv_mmio_cpu(vcpu);
	place = kvm_pv_mmio_place_at(vcpu, rip, store.cpu);
	result = check_store(vcpu, fault, &place, &store);
	done = result == KVM_PV_MMIO_IN_KERNEL;
	if (done) {
		*r = do_store(vcpu, fault, &store);
		result = *r ? KVM_PV_MMIO_IN_KERNEL : KVM_PV_MMIO_TO_VMM;
	} else if (!is_known_store(vcpu, &place)) {
		return false;
	}
	report_store(vcpu, &store, result);
	if (result == KVM_PV_MMIO_CODE && !mmu_is_nested(vcpu))
		kvm_pv_mmio_site_drop(vcpu, &place);
	return done;
}

/* Whether the emulator has just done what the decoder says. */
static bool emulator_agrees(struct kvm_vcpu *vcpu, const struct store *store)
{
	const struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;
	const struct operand *dst = &ctxt->dst;

	return store->insn.kind == KVM_PV_MMIO_INSN_STORE &&
	       kvm_rip_read(vcpu) == next_rip(store) &&
	       dst->type == OP_MEM && dst->bytes == store->insn.width &&
	       dst->addr.mem.ea == store->linear &&
	       kvm_pv_mmio_truncated(dst->val64, dst->bytes) == store->val;
}

/*
 * Not every fault that the emulator sees is one of MMIO.  If the address is
 * linear and no memslot is there, KVM has just cached it as one of MMIO.
 */
static bool is_mmio_fault(struct kvm_vcpu *vcpu, const struct fault *fault)
{
	return fault->direct ? !kvm_pv_mmio_gpa_is_ram(vcpu, fault->addr) :
			       vcpu_match_mmio_gva(vcpu, fault->addr);
}

/* What the emulator has done at @place, from its own copy of the code. */
static bool decode_store(struct kvm_vcpu *vcpu,
			 const struct kvm_pv_mmio_place *place,
			 struct store *store)
{
	const struct fetch_cache *fetch = &vcpu->arch.emulate_ctxt->fetch;

	kvm_pv_mmio_decode(fetch->data,
			   min_t(int, fetch->end - fetch->data,
				 KVM_PV_MMIO_INSN_MAX),
			   store->cpu.mode, &store->insn);
	store_operands(vcpu, store);
	return emulator_agrees(vcpu, store) &&
	       offset_in_page(place->linear) + store->insn.len <= PAGE_SIZE &&
	       !kvm_pv_mmio_crosses_page(store->linear, store->insn.width);
}

static void learn_l2_store(struct kvm_vcpu *vcpu,
			   const struct kvm_pv_mmio_place *place,
			   struct store *store)
{
	gpa_t gpa;

	if (!kvm_pv_mmio_l2_recall(vcpu, place, &gpa) &&
	    decode_store(vcpu, place, store))
		kvm_pv_mmio_l2_learn(vcpu, place, &store->insn,
				     vcpu->arch.emulate_ctxt->fetch.data,
				     store->linear);
}

static bool learn_store(struct kvm_vcpu *vcpu, const struct fault *fault,
			const struct kvm_pv_mmio_place *place,
			struct store *store)
{
	if (!decode_store(vcpu, place, store))
		return false;

	store->gpa = store_gpa(vcpu, store->linear, fault);
	if (store->gpa == INVALID_GPA ||
	    !kvm_vcpu_is_legal_gpa(vcpu, store->gpa) ||
	    kvm_pv_mmio_gpa_is_ram(vcpu, store->gpa))
		return false;

	return kvm_pv_mmio_site_learn(vcpu, place, &store->insn,
				      vcpu->arch.emulate_ctxt->fetch.data);
}

static void learn_l1_store(struct kvm_vcpu *vcpu, const struct fault *fault,
			   const struct kvm_pv_mmio_place *place,
			   struct store *store)
{
	/*
	 * If KVM knows the place, the emulator had to do it for another reason.
	 */
	if (kvm_pv_mmio_site_exists(vcpu, place))
		return;

	/* What can't be learned must not be tried each time. */
	if (!learn_store(vcpu, fault, place, store)) {
		kvm_pv_mmio_site_in_vain(vcpu, place->linear);
		return;
	}
	remember_translation(vcpu, fault, store);
	report_store(vcpu, store, KVM_PV_MMIO_LEARNED);
}

bool kvm_pv_mmio_serve(struct kvm_vcpu *vcpu, gpa_t addr, bool direct,
		       u64 error_code, int *r)
{
	struct fault fault = { addr, direct, error_code };

	return kvm_pv_mmio_store_may_learn(vcpu) &&
	       serve_store(vcpu, &fault, kvm_rip_read(vcpu), r);
}

/* The emulator was at @rip and noted, for an exception, what had faulted. */
void kvm_pv_mmio_learn(struct kvm_vcpu *vcpu, unsigned long rip,
		       u64 error_code)
{
	struct fault fault = {
		.addr = vcpu->arch.emulate_ctxt->exception.address,
		.direct = vcpu->arch.mmu->root_role.direct,
		.error_code = error_code,
	};
	struct store store = { .rip = rip };
	struct kvm_pv_mmio_place place;

	if (!kvm_pv_mmio_store_may_learn(vcpu))
		return;
	/*
	 * KVM caches no MMIO addresses of L2's, and L2's sites have a budget.
	 */
	if (!mmu_is_nested(vcpu) &&
	    (!is_mmio_fault(vcpu, &fault) ||
	     !kvm_pv_mmio_site_may_learn(vcpu, rip)))
		return;

	store.cpu = kvm_pv_mmio_cpu(vcpu);
	if (!kvm_pv_mmio_is_served(vcpu, store.cpu))
		return;

	place = kvm_pv_mmio_place_at(vcpu, rip, store.cpu);
	if (mmu_is_nested(vcpu))
		learn_l2_store(vcpu, &place, &store);
	else
		learn_l1_store(vcpu, &fault, &place, &store);
}
