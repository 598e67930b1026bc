// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM of doorbell_bench: it runs the guest and answers what comes of its accesses.
 */
#include "doorbell.h"

/* The ring of coalesced accesses has room for 169. */
#define STOPS_FOR_RING	128

u64 bench_stops_every(const struct bench_case *c)
{
	if (options.listener)
		return 1;
	return c->zone ? STOPS_FOR_RING : 0;
}

static bool is_expected_mmio(struct kvm_run *run, bool is_write)
{
	return run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write == is_write &&
	       run->mmio.len == sizeof(u16) && run->mmio.phys_addr == bench_guest.regs.rdx;
}

static bool is_expected_out(struct kvm_run *run)
{
	u16 *value = (void *)run + run->io.data_offset;

	return run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_OUT &&
	       run->io.size == sizeof(*value) && run->io.count == 1 &&
	       run->io.port == bench_guest.regs.rdx && *value == VALUE;
}

/* Is this exit the access under test?  Then answer it as a VMM would. */
static bool serve_exit(struct bench_vm *b, const struct bench_case *c)
{
	struct kvm_run *run = b->vcpu->run;
	u16 value = LOADED;

	switch (c->exits) {
	case EXITS_FOR_STORE:
		memcpy(&value, run->mmio.data, sizeof(value));
		if (!is_expected_mmio(run, true) || value != VALUE)
			return false;
		if (c->posts == POSTS_BY_VMM)
			bench_post_by_vmm(b, value);
		return true;
	case EXITS_FOR_LOAD:
		memcpy(run->mmio.data, &value, sizeof(value));
		return is_expected_mmio(run, false);
	case EXITS_FOR_OUT:
		if (!is_expected_out(run))
			return false;
		if (c->posts == POSTS_BY_VMM)
			bench_post_by_vmm(b, VALUE);
		return true;
	default:
		return false;
	}
}

/* Runs the guest up to its next ucall, which has to be @ucall. */
static void run_guest_until(struct bench_vm *b, const struct bench_case *c, u64 ucall)
{
	int err;

	/* The loop does little but KVM_RUN, because it is part of what is measured. */
	run_limit_start();
	while (!(err = __vcpu_run(b->vcpu)) && serve_exit(b, c)) {
		b->nr_exits++;
		TEST_ASSERT(b->nr_exits <= b->nr_accesses,
			    "%s must not exit to the VMM %lu times", c->name, b->nr_exits);
	}
	TEST_ASSERT(!err, "%s must come to its end, KVM_RUN ended with errno %d", c->name, errno);
	run_limit_stop();
	TEST_ASSERT(get_ucall(b->vcpu, NULL) == ucall,
		    "%s must have no other exit, it left with exit %u (%s)", c->name,
		    b->vcpu->run->exit_reason, exit_reason_str(b->vcpu->run->exit_reason));
}

static void empty_ring(struct bench_vm *b, const struct bench_case *c)
{
	const u32 size = (PAGE_SIZE - sizeof(*b->ring)) / sizeof(b->ring->coalesced_mmio[0]);
	struct kvm_coalesced_mmio *entry;
	u16 value;

	while (b->ring->first != b->ring->last) {
		entry = &b->ring->coalesced_mmio[b->ring->first];
		memcpy(&value, entry->data, sizeof(value));
		TEST_ASSERT(entry->phys_addr == bench_guest.regs.rdx &&
			    entry->len == sizeof(value) && value == VALUE &&
			    entry->pio == (c->zone == PORT_ZONE),
			    "%s must leave its own access in the ring, not %u bytes to 0x%llx",
			    c->name, entry->len, entry->phys_addr);
		b->nr_coalesced++;
		b->ring->first = (b->ring->first + 1) % size;
	}
}

/* At each stop of the guest, wait for the listener to sleep, or empty the ring. */
void bench_vm_run(struct bench_vm *b, const struct bench_case *c)
{
	const u64 every = bench_guest.stops_every;
	struct doorbell_listener *l = &b->listener;
	u64 i;

	b->nr_exits = 0;
	b->nr_signals = 0;
	b->nr_coalesced = 0;
	if (options.listener)
		doorbell_listener_start(l, b->doorbell, addr_gva2hva(b->vm, (u64)guest_rang_at),
					b->nr_accesses);
	for (i = every; every && i <= b->nr_accesses; i += every) {
		run_guest_until(b, c, UCALL_SYNC);
		if (options.listener)
			doorbell_listener_settle(l, i);
		else
			empty_ring(b, c);
	}
	if (options.listener)
		b->nr_signals = l->nr_wakes;
	run_guest_until(b, c, UCALL_DONE);
	if (c->zone)
		empty_ring(b, c);
}
