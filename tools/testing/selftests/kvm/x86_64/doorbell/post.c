// SPDX-License-Identifier: GPL-2.0-only
/*
 * Doorbells of doorbell_bench that hand over the value.  One of them replaces
 * the VM's doorbell for the time of a case.
 */
#include "doorbell.h"

static void set_posting(struct bench_vm *b, const struct bench_case *c, u32 flags)
{
	struct kvm_ioeventfd_post args = {
		.datamatch = VALUE,
		.addr = b->addr,
		.len = sizeof(b->slot),
		.fd = c->posts == POSTS_ONLY ? -1 : b->doorbell,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_POST | flags,
		.post_addr = (u64)&b->slot,
		.wake_addr = (u64)&b->word,
	};

	if (c->bus == PORT)
		args.flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (c->posts == POSTS_AWAKE || c->posts == POSTS_ASLEEP)
		args.flags |= KVM_IOEVENTFD_FLAG_WAKE;
	vm_ioctl(b->vm, KVM_IOEVENTFD, (struct kvm_ioeventfd *)&args);
}

void bench_post_start(struct bench_vm *b, const struct bench_case *c)
{
	b->slot = 0;
	b->word = c->posts == POSTS_ASLEEP;
	if (!c->posts || c->posts == POSTS_BY_VMM)
		return;

	bench_ioeventfd(b->vm, c->bus, b->doorbell, b->addr, VALUE, KVM_IOEVENTFD_FLAG_DEASSIGN);
	set_posting(b, c, 0);
}

void bench_post_stop(struct bench_vm *b, const struct bench_case *c)
{
	TEST_ASSERT(b->slot == (c->posts ? VALUE : 0), "%s must leave the value, it left 0x%x",
		    c->name, b->slot);
	if (!c->posts || c->posts == POSTS_BY_VMM)
		return;

	set_posting(b, c, KVM_IOEVENTFD_FLAG_DEASSIGN);
	bench_ioeventfd(b->vm, c->bus, b->doorbell, b->addr, VALUE, 0);
}

void bench_post_by_vmm(struct bench_vm *b, u16 value)
{
	const u64 one = 1;

	WRITE_ONCE(b->slot, value);
	TEST_ASSERT(write(b->doorbell, &one, sizeof(one)) == sizeof(one),
		    "writing to an eventfd must succeed, errno %d", errno);
}

bool bench_signals(const struct bench_case *c)
{
	if (c->posts == POSTS_BY_VMM)
		return true;
	return c->bus != NO_DOORBELL && c->posts != POSTS_ONLY && c->posts != POSTS_AWAKE;
}
