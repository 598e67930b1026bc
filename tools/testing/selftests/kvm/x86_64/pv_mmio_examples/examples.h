/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The examples of Documentation/virt/kvm/x86/pv-mmio*.rst, which show the parts
 * between the marks.  pv_mmio_examples_test runs all of them.
 */
#ifndef SELFTEST_KVM_PV_MMIO_EXAMPLES_H
#define SELFTEST_KVM_PV_MMIO_EXAMPLES_H

/* example: VMM, headers */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/kvm_pv_mmio.h>

/* example: VMM, probe */
static inline bool vmm_has(int kvm_or_vm, long cap)
{
	return ioctl(kvm_or_vm, KVM_CHECK_EXTENSION, cap) == 1;
}

/* example: VMM, enable */
static inline int vmm_set(int vm, uint32_t cap, bool on)
{
	struct kvm_enable_cap args;

	memset(&args, 0, sizeof(args));
	args.cap = cap;
	args.args[0] = on;
	return ioctl(vm, KVM_ENABLE_CAP, &args) ? -errno : 0;
}

/* example: VMM, CPUID */
static inline void vmm_set_cpuid_bit(struct kvm_cpuid2 *cpuid, int bit, bool on)
{
	struct kvm_cpuid_entry2 *entry = cpuid->entries;

	for (; entry < cpuid->entries + cpuid->nent; entry++)
		if (entry->function == KVM_CPUID_FEATURES)
			entry->eax = (entry->eax & ~(1u << bit)) | (uint32_t)on << bit;
}

/* example: VMM, doorbell */
/* Rings for *@value only, or for any value if it is NULL, as length 0 requires. */
static inline int vmm_add_doorbell(int vm, uint64_t gpa, uint32_t length, const uint64_t *value,
				   int eventfd)
{
	struct kvm_ioeventfd args;

	memset(&args, 0, sizeof(args));
	args.addr = gpa;
	args.len = length;
	args.fd = eventfd;
	if (value) {
		args.datamatch = *value;
		args.flags = KVM_IOEVENTFD_FLAG_DATAMATCH;
	}
	return ioctl(vm, KVM_IOEVENTFD, &args) ? -errno : 0;
}

/* example: VMM, payload */
/* Shared by VMM and device for one queue; the guest can't access it. */
struct vmm_queue {
	uint64_t slot;	/* KVM stores each value here */
	uint32_t wake;	/* 0: awake, don't signal */
};

/* With an @eventfd of -1 nobody is signalled: the device polls. */
static inline int vmm_add_queue(int vm, uint64_t gpa, uint32_t length, struct vmm_queue *queue,
				int eventfd)
{
	struct kvm_ioeventfd_post args;

	memset(&args, 0, sizeof(args));
	args.addr = gpa;
	args.len = length;
	args.fd = eventfd;
	args.flags = KVM_IOEVENTFD_FLAG_POST;
	args.post_addr = (uintptr_t)&queue->slot;
	if (eventfd >= 0) {
		args.flags |= KVM_IOEVENTFD_FLAG_WAKE;
		args.wake_addr = (uintptr_t)&queue->wake;
	}
	return ioctl(vm, KVM_IOEVENTFD, (struct kvm_ioeventfd *)&args) ? -errno : 0;
}

/* example: device, payload */
/* True if the slot still holds @seen: the next value will signal the eventfd. */
static inline bool device_may_sleep(struct vmm_queue *queue, uint64_t seen)
{
	__atomic_store_n(&queue->wake, 1, __ATOMIC_RELAXED);
	/* Pairs with KVM's, between its store to the slot and its read of the word. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&queue->slot, __ATOMIC_ACQUIRE) == seen)
		return true;

	__atomic_store_n(&queue->wake, 0, __ATOMIC_RELAXED);
	return false;
}

static inline uint64_t device_wake_up(struct vmm_queue *queue)
{
	__atomic_store_n(&queue->wake, 0, __ATOMIC_RELAXED);
	return __atomic_load_n(&queue->slot, __ATOMIC_ACQUIRE);
}

/* example: VMM, move */
/* @bells are as they were assigned; returns 0, or -errno with nothing changed. */
static inline int vmm_move_doorbells(int vm, struct kvm_ioeventfd *bells, uint32_t nr, uint64_t by)
{
	struct kvm_ioeventfd *entries = (struct kvm_ioeventfd *)calloc(2 * nr, sizeof(*entries));
	struct kvm_ioeventfds args;
	uint32_t i;
	int r;

	if (!entries)
		return -ENOMEM;

	for (i = 0; i < nr; i++) {
		entries[i] = bells[i];
		entries[i].flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
		entries[nr + i] = bells[i];
		entries[nr + i].addr += by;
	}
	memset(&args, 0, sizeof(args));
	args.nr = 2 * nr;
	args.entries = (uintptr_t)entries;
	r = ioctl(vm, KVM_IOEVENTFDS, &args) ? -errno : 0;
	for (i = 0; !r && i < nr; i++)
		bells[i].addr += by;
	free(entries);
	return r;
}

/* example: guest, headers */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/kvm_para.h>
#include <linux/kvm_pv_mmio.h>
#include <linux/kvm_pv_mmio_pci_parse.h>

/* example: guest, store */
#define PV_STORE(width, insn)						\
static inline void pv_store##width(void *where, uint64_t value)	\
{									\
	__asm__ volatile(insn : : "a" (value), "d" (where) : "memory");	\
}

PV_STORE(1, "movb %%al, (%%rdx)")
PV_STORE(2, "movw %%ax, (%%rdx)")
PV_STORE(4, "movl %%eax, (%%rdx)")
PV_STORE(8, "movq %%rax, (%%rdx)")

/* example: guest, CPUID */
static inline void guest_cpuid(uint32_t leaf, uint32_t regs[4])
{
	__asm__ volatile("cpuid" : "=a" (regs[0]), "=b" (regs[1]), "=c" (regs[2]), "=d" (regs[3])
		     : "a" (leaf), "c" (0));
}

static inline bool guest_has(int bit)
{
	/* Other hypervisors' leaves may come first. */
	uint32_t base, regs[4];

	for (base = 0x40000000; base < 0x40010000; base += 0x100) {
		guest_cpuid(base, regs);
		if (regs[1] != 0x4b4d564b || regs[2] != 0x564b4d56 || regs[3] != 0x4d)
			continue;	/* not "KVMKVMKVM" */
		guest_cpuid(base + 1, regs);
		return regs[0] & 1u << bit;
	}
	return false;
}

/* example: guest, hypercall */
static inline long hypercall_mmio_write(bool on_amd, uint64_t gpa, uint64_t value,
					uint64_t length)
{
	long ret = KVM_HC_MMIO_WRITE;

	if (on_amd)
		__asm__ volatile("vmmcall" : "+a" (ret)
			     : "b" (gpa), "c" (value), "d" (length), "S" (0ul) : "memory");
	else
		__asm__ volatile("vmcall" : "+a" (ret)
			     : "b" (gpa), "c" (value), "d" (length), "S" (0ul) : "memory");
	return ret;
}

/* example: guest, device */
static inline bool device_can_ring(const uint8_t config[KVM_PCI_CONFIG_SIZE],
				   uint64_t bar_size, struct kvm_pci_doorbell_window *window,
				   struct kvm_pci_doorbell *bell)
{
	__u64 offset;

	if (kvm_pci_doorbell_find(config, bell))
		return false;

	if (bell->ways & (KVM_PCI_DOORBELL_STORE | KVM_PCI_DOORBELL_HYPERCALL) &&
	    kvm_pci_doorbell_address(bell, 0, bar_size, &offset))
		return false;

	return !kvm_pci_doorbell_claim(window, bell);
}

/* example: end */

#endif /* SELFTEST_KVM_PV_MMIO_EXAMPLES_H */
