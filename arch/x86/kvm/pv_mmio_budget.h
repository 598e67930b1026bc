/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Limits of what a vCPU remembers: how much room it takes, and how often KVM
 * tries to learn.
 */
#ifndef __KVM_X86_PV_MMIO_BUDGET_H
#define __KVM_X86_PV_MMIO_BUDGET_H

#include <linux/kvm_host.h>

/*
 * To learn costs as much as to emulate a few stores.  It was in vain if the
 * site didn't serve enough of them, as where code is rewritten all the time.
 * Then ever more stores go by before the next attempt, and pay next to nothing.
 */
#define KVM_PV_MMIO_WORTH_IT	16

struct kvm_pv_mmio_budget {
	/* How many stores are still to go by. */
	u8 wait;
	/* How many attempts in a row were in vain. */
	u8 in_vain;
	/* Which one of a set is the next to be given up. */
	u8 next;
};

/* Returns which of the @nr in a set is to be given up; they take turns. */
int kvm_pv_mmio_budget_next(struct kvm_pv_mmio_budget *budget, int nr);

bool kvm_pv_mmio_budget_allows(struct kvm_pv_mmio_budget *budget);
void kvm_pv_mmio_budget_note(struct kvm_pv_mmio_budget *budget, bool in_vain);

/*
 * Returns room for what @vcpu remembers: @size bytes that begin with the
 * generation of memslots for which they hold.  All else is 0 at first, and
 * again in each new generation.  @room is what this returned last time, or
 * NULL.  Returns NULL if there's no memory.
 */
void *kvm_pv_mmio_room(struct kvm_vcpu *vcpu, void *room, size_t size);

#endif /* __KVM_X86_PV_MMIO_BUDGET_H */
