// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much KVM learns, see pv_mmio_budget.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/slab.h>

#include "pv_mmio_budget.h"
#include "pv_mmio_memory.h"

/*
 * So many attempts in a row may be in vain and cost no wait, since code does
 * change now and then.  Each further one doubles the wait, up to 255 stores.
 */
#define MAX_FREE	16
#define MAX_IN_VAIN	(MAX_FREE + 8)

int kvm_pv_mmio_budget_next(struct kvm_pv_mmio_budget *budget, int nr)
{
	int next = budget->next;

	budget->next = (next + 1) % nr;
	return next;
}

bool kvm_pv_mmio_budget_allows(struct kvm_pv_mmio_budget *budget)
{
	if (!budget->wait)
		return true;

	budget->wait--;
	return false;
}

void kvm_pv_mmio_budget_note(struct kvm_pv_mmio_budget *budget, bool in_vain)
{
	budget->in_vain = in_vain ? min(budget->in_vain + 1, MAX_IN_VAIN) : 0;
	budget->wait = BIT(max(budget->in_vain - MAX_FREE, 0)) - 1;
}

void *kvm_pv_mmio_room(struct kvm_vcpu *vcpu, void *room, size_t size)
{
	u64 generation = kvm_pv_mmio_generation(vcpu);

	if (!room)
		room = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	else if (*(u64 *)room != generation)
		memset(room, 0, size);
	if (room)
		*(u64 *)room = generation;
	return room;
}
