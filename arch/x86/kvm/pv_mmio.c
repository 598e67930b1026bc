// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbells where KVM may sleep: discovery and control, and the PV store where
 * KVM would start the emulator.  The exit fast path is in pv_mmio_fast.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/moduleparam.h>
#include <trace/events/kvm.h>

#include "lapic.h"
#include "mmu.h"
#include "pv_mmio_fast.h"
#include "pv_mmio_nested.h"
#include "pv_mmio_site.h"
#include "smm.h"
#include "trace.h"
#include "x86.h"
#include "xen.h"

static bool pv_mmio = true;
module_param(pv_mmio, bool, 0444);
MODULE_PARM_DESC(pv_mmio, "Serve PV stores without decoding them");

static bool hc_mmio_write = true;
module_param(hc_mmio_write, bool, 0444);
MODULE_PARM_DESC(hc_mmio_write, "Offer the MMIO write hypercall to VMMs");

bool kvm_pv_mmio_is_cap(long cap)
{
	return cap == KVM_CAP_X86_PV_MMIO || cap == KVM_CAP_X86_HC_MMIO_WRITE;
}

int kvm_pv_mmio_check_cap(long cap)
{
	return cap == KVM_CAP_X86_PV_MMIO ? pv_mmio : hc_mmio_write;
}

int kvm_pv_mmio_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	u64 on = cap->args[0];

	if (on > 1 || cap->args[1] || cap->args[2] || cap->args[3] ||
	    !kvm_pv_mmio_check_cap(cap->cap))
		return -EINVAL;

	if (cap->cap == KVM_CAP_X86_PV_MMIO)
		WRITE_ONCE(kvm->arch.pv_mmio.store_off, !on);
	else
		WRITE_ONCE(kvm->arch.pv_mmio.hypercall_on, on);
	return 0;
}

/*
 * @entry is that of KVM_CPUID_FEATURES.  The hypercall's bit is for the VMM to
 * set when it enables the call: VMMs hand this leaf to guests as it is, and the
 * call fails until then.
 */
void kvm_pv_mmio_add_cpuid_features(struct kvm_cpuid_entry2 *entry)
{
	if (pv_mmio)
		entry->eax |= BIT(KVM_FEATURE_PV_MMIO);
}

/* A read-only memslot takes no stores: they go to a device. */
bool kvm_pv_mmio_gpa_is_ram(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	struct kvm_memory_slot *slot;

	/* With APICv there's a memslot of KVM's own behind the LAPIC's page. */
	if (kvm_pv_mmio_is_lapic(vcpu, gpa))
		return false;

	slot = kvm_vcpu_gfn_to_memslot(vcpu, gpa_to_gfn(gpa));
	return slot && !(slot->flags & KVM_MEM_READONLY);
}
EXPORT_SYMBOL_GPL(kvm_pv_mmio_gpa_is_ram);

/* Done in the kernel, or else on its way to the VMM: then returns false. */
bool kvm_pv_mmio_write(struct kvm_vcpu *vcpu, gpa_t gpa, int len, u64 val)
{
	struct kvm_run *run = vcpu->run;

	trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, len, gpa, &val);
	if (lapic_in_kernel(vcpu) &&
	    !kvm_iodevice_write(vcpu, &vcpu->arch.apic->dev, gpa, len, &val))
		return true;

	if (!kvm_io_bus_write(vcpu, KVM_MMIO_BUS, gpa, len, &val))
		return true;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = true;
	memcpy(run->mmio.data, &val, len);
	++vcpu->stat.mmio_exits;
	return false;
}

void kvm_pv_mmio_clear_rf(struct kvm_vcpu *vcpu, unsigned long rflags)
{
	kvm_x86_call(set_rflags)(vcpu, rflags & ~X86_EFLAGS_RF);
}
EXPORT_SYMBOL_GPL(kvm_pv_mmio_clear_rf);

void kvm_pv_mmio_trace_pio(unsigned short port, int size, unsigned long val)
{
	trace_kvm_pio(KVM_PIO_OUT, port, size, 1, &val);
}
EXPORT_SYMBOL_GPL(kvm_pv_mmio_trace_pio);

/* The state of the CPU where there is time to ask for it. */
static bool state_is_plain(struct kvm_vcpu *vcpu, unsigned long rflags)
{
	struct kvm_pv_mmio_cpu cpu;
	int db, l;

	kvm_x86_call(get_cs_db_l_bits)(vcpu, &db, &l);
	cpu = (struct kvm_pv_mmio_cpu) {
		.rflags = rflags,
		.interrupt_shadow = kvm_x86_call(get_interrupt_shadow)(vcpu),
		.cpl = kvm_x86_call(get_cpl)(vcpu),
		.code_is_64_bit = l,
	};
	return !cpu.cpl && kvm_pv_mmio_may_complete(vcpu, cpu) &&
	       !kvm_event_needs_reinjection(vcpu);
}

/* Spare the fast path the walk for the same address. */
static void remember_translation(struct kvm_vcpu *vcpu, gpa_t gpa, int len,
				 u64 val)
{
	struct kvm_ioeventfd_entry *entry;

	/* What L2's addresses mean, L1 decides. */
	if (is_guest_mode(vcpu))
		return;

	entry = kvm_pv_mmio_find(vcpu, gpa, len, val,
				 kvm_pv_mmio_generation(vcpu));
	if (entry)
		WRITE_ONCE(entry->linear_page,
			   kvm_rdx_read(vcpu) >> PAGE_SHIFT);
}

/*
 * Where the store to @linear goes, INVALID_GPA if that isn't what faulted at
 * @addr, or if the guest may not write there: then it gets its fault from the
 * emulator.
 */
static gpa_t store_gpa(struct kvm_vcpu *vcpu, unsigned long linear, gpa_t addr,
		       bool direct, u64 error_code)
{
	gpa_t gpa;

	if (direct && kvm_pv_mmio_is_store(error_code))
		return offset_in_page(linear ^ addr) ? INVALID_GPA : addr;

	gpa = kvm_mmu_gva_to_gpa_write(vcpu, linear, NULL);
	return addr == (direct ? gpa : linear) ? gpa : INVALID_GPA;
}

struct pv_store {
	gpa_t gpa;
	u64 val;
	int width;
	int insn_len;
	unsigned long rflags;
};

/* IN_KERNEL if KVM may do the store, else the reason why not. */
static enum kvm_pv_mmio_result
check_store(struct kvm_vcpu *vcpu, gpa_t addr, bool direct, u64 error_code,
	    struct pv_store *store)
{
	unsigned long linear = kvm_rdx_read(vcpu);

	if (!pv_mmio || !kvm_pv_mmio_store_enabled(vcpu) ||
	    vcpu->arch.guest_state_protected)
		return KVM_PV_MMIO_OFF;

	if (!store->width || kvm_pv_mmio_crosses_page(linear, store->width))
		return KVM_PV_MMIO_ADDRESS;

	store->rflags = kvm_x86_call(get_rflags)(vcpu);
	if (!state_is_plain(vcpu, store->rflags))
		return KVM_PV_MMIO_STATE;

	/* Behind L1's tables @addr is L2's: the emulator ignores it too. */
	if (mmu_is_nested(vcpu))
		store->insn_len = kvm_pv_mmio_l2_resolve(vcpu, store->width,
							 linear, &store->gpa);
	else
		store->gpa = store_gpa(vcpu, linear, addr, direct, error_code);
	if (store->gpa == INVALID_GPA ||
	    !kvm_vcpu_is_legal_gpa(vcpu, store->gpa))
		return KVM_PV_MMIO_ADDRESS;

	if (kvm_pv_mmio_gpa_is_ram(vcpu, store->gpa))
		return KVM_PV_MMIO_RAM;

	if (!mmu_is_nested(vcpu))
		store->insn_len = kvm_pv_mmio_site_read(vcpu, store->width);
	return store->insn_len ? KVM_PV_MMIO_IN_KERNEL : KVM_PV_MMIO_CODE;
}

/* Returns as the emulator does: 0 to go to the VMM. */
static int do_store(struct kvm_vcpu *vcpu, const struct pv_store *store)
{
	int r;

	remember_translation(vcpu, store->gpa, store->width, store->val);
	r = kvm_pv_mmio_write(vcpu, store->gpa, store->width, store->val);
	kvm_pv_mmio_retire(vcpu, kvm_rip_read(vcpu) + store->insn_len,
			   store->rflags);
	/* L1 may want an exit behind each of L2's instructions. */
	kvm_x86_call(update_emulated_instruction)(vcpu);
	return r;
}

static void count_store(struct kvm_vcpu *vcpu, enum kvm_pv_mmio_result result)
{
	switch (result) {
	case KVM_PV_MMIO_OFF:
		++vcpu->stat.pv_mmio_declined_off;
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

bool __kvm_pv_mmio_store(struct kvm_vcpu *vcpu, gpa_t addr, bool direct,
			 u64 error_code, int *r)
{
	struct pv_store store = {
		.gpa = INVALID_GPA,
		.width = kvm_pv_mmio_width(vcpu),
	};
	enum kvm_pv_mmio_result result;
	bool done;

	if (store.width)
		store.val = kvm_pv_mmio_truncated(kvm_rax_read(vcpu),
						  store.width);
	result = check_store(vcpu, addr, direct, error_code, &store);
	done = result == KVM_PV_MMIO_IN_KERNEL;
	if (done) {
		*r = do_store(vcpu, &store);
		result = *r ? KVM_PV_MMIO_IN_KERNEL : KVM_PV_MMIO_TO_VMM;
	}
	count_store(vcpu, result);
	trace_kvm_pv_mmio(vcpu->vcpu_id, KVM_PV_MMIO_STORE, false, store.gpa,
			  store.width, store.val, result);
	return done;
}
EXPORT_SYMBOL_GPL(__kvm_pv_mmio_store);

/* What the fast paths in the vendor modules need besides. */
#ifdef CONFIG_KVM_XEN
EXPORT_SYMBOL_GPL(kvm_xen_enabled);
#endif
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_hypercall);
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_pio);
