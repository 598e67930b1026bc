// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM of doorbell_bench: its ioeventfds, address spaces, and copies of code.
 */
#include "apic.h"
#include "doorbell.h"
#include "pv_mmio_case.h"

/* Where Linux has its modules.  Each copy of the code lies in its own slot. */
#define PLACES_GVA	0xffffffffc0000000ul
#define PLACES_SIZE	(8ul << 20)
#define PLACE_SIZE	128ul
#define NR_SLOTS	(PLACES_SIZE / PLACE_SIZE)
#define PTES_PER_TABLE	512
#define PCID_NO_FLUSH	BIT_ULL(63)

/* The last one registered is the doorbell, unless the case has none. */
static void register_ioeventfds(struct bench_vm *b)
{
	const struct bench_shape *s = &b->shape;
	bool rings = s->bus != NO_DOORBELL;
	u32 i;

	for (i = 0; i < s->count - rings; i++)
		bench_ioeventfd(b->vm, s->bus, b->bystanders, bench_addr(s->bus, s->layout, i),
				bench_other_value(s->layout, i), 0);
	b->addr = bench_addr(s->bus, rings ? s->layout : SPREAD, i);
	if (rings)
		bench_ioeventfd(b->vm, s->bus, b->doorbell, b->addr, VALUE, 0);
	if (s->bus != PORT)
		virt_pg_map(b->vm, b->addr, b->addr);
}

/* Lets the listener compare the guest's time with its own. */
static void share_tsc(struct kvm_vcpu *vcpu)
{
	u64 offset = 0;

	vcpu_device_attr_set(vcpu, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset);
}

/*
 * Places lie like the functions of a kernel: in many pages, at irregular distances,
 * unaligned.  Slot numbers are pseudo-random, and repeat after NR_SLOTS only.
 */
static void make_places(struct bench_vm *b)
{
	u64 gpa, slot = 0;
	u32 i;

	bench_guest.nr_places = b->shape.places;
	if (b->shape.places == 1)
		return;
	gpa = vm_phy_pages_alloc(b->vm, PLACES_SIZE / PAGE_SIZE, KVM_GUEST_PAGE_TABLE_MIN_PADDR, 0);
	virt_map(b->vm, PLACES_GVA, gpa, PLACES_SIZE / PAGE_SIZE);
	b->places = addr_gpa2hva(b->vm, gpa);
	for (i = 0; i < b->shape.places; i++) {
		slot = (slot * 40501 + 12345) % NR_SLOTS;
		bench_guest.places[i] = PLACES_GVA + slot * PLACE_SIZE + slot % 16;
	}
}

void bench_vm_place(struct bench_vm *b, const char *start, const char *end)
{
	u32 i;

	if (b->shape.places == 1) {
		bench_guest.places[0] = (u64)start;
		return;
	}
	TEST_ASSERT(end - start + 16 <= PLACE_SIZE, "a copy must fit into its slot");
	for (i = 0; i < b->shape.places; i++)
		memcpy(b->places + (bench_guest.places[i] - PLACES_GVA), start, end - start);
}

static void enable_pcid(struct bench_vm *b)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(b->vcpu, &sregs);
	sregs.cr4 |= X86_CR4_PCIDE;
	vcpu_sregs_set(b->vcpu, &sregs);
}

/*
 * Like processes of Linux, each has its own top-level table, with the same entries
 * for the kernel.  Nothing new may be mapped after this.
 */
static void make_spaces(struct bench_vm *b)
{
	u64 gpa;
	u32 i;

	bench_guest.nr_spaces = b->shape.spaces;
	if (b->shape.spaces == 1 && !options.pcid)
		return;
	for (i = 0; i < bench_guest.nr_spaces; i++) {
		gpa = vm_alloc_page_table(b->vm);
		memcpy(addr_gpa2hva(b->vm, gpa), addr_gpa2hva(b->vm, vm_root(b->vm)), PAGE_SIZE);
		bench_guest.cr3[i] = gpa | (options.pcid ? PCID_NO_FLUSH | (i + 1) : 0);
	}
	if (options.pcid)
		enable_pcid(b);
}

/*
 * Everything has to lie in memslot 0, because with several memslots KVM takes longer
 * than in the VMs to compare with.  The library adds two page tables to the slot for
 * every 512 pages that it is asked for, so this asks for enough of them.
 */
static u64 nr_extra_pages(const struct bench_shape *s)
{
	u64 nr = 0;

	if (s->spaces > 1 || options.pcid)
		nr += s->spaces;
	if (s->places > 1)
		nr += PLACES_SIZE / PAGE_SIZE;
	return nr * PTES_PER_TABLE / 2;
}

static void count_accesses(struct bench_vm *b)
{
	u32 round = max(b->shape.spaces, b->shape.places);

	b->nr_warmup = round > NR_WARMUP / 2 ? 2 * round : NR_WARMUP;
	b->nr_samples = max(options.samples, round);
	b->nr_accesses = b->nr_warmup + b->nr_samples;
}

void bench_vm_create(struct bench_vm *b, const struct bench_shape *shape)
{
	b->shape = *shape;
	b->vm = __vm_create_with_one_vcpu(&b->vcpu, nr_extra_pages(shape), NULL);
	vcpu_regs_get(b->vcpu, &b->start);
	if (options.listener)
		share_tsc(b->vcpu);
	b->doorbell = eventfd_create();
	b->bystanders = eventfd_create();
	b->stats_fd = vcpu_get_stats_fd(b->vcpu);
	b->exits_offset = find_vcpu_stat(b->stats_fd, "exits");
	b->ring = (void *)b->vcpu->run + kvm_check_cap(KVM_CAP_COALESCED_MMIO) * PAGE_SIZE;
	count_accesses(b);
	register_ioeventfds(b);
	virt_pg_map(b->vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA);
	make_places(b);
	make_spaces(b);
}

void bench_vm_free(struct bench_vm *b)
{
	close(b->doorbell);
	close(b->bystanders);
	close(b->stats_fd);
	kvm_vm_free(b->vm);
	b->vm = NULL;
}

void bench_vm_enter_user_mode(struct bench_vm *b)
{
	struct kvm_sregs sregs;

	vm_allow_user(b->vm);
	vcpu_sregs_get(b->vcpu, &sregs);
	sregs_set_user_mode(&sregs);
	vcpu_sregs_set(b->vcpu, &sregs);
	/* The guest ends by a ucall, which is port I/O. */
	b->start.rflags |= RFLAGS_IOPL;
}

u64 bench_vm_last_cr3(struct bench_vm *b)
{
	return bench_guest.cr3[(b->nr_accesses - 1) % bench_guest.nr_spaces] & ~PCID_NO_FLUSH;
}

u64 bench_vm_count_exits(struct bench_vm *b)
{
	return read_vcpu_stat(b->stats_fd, b->exits_offset);
}
