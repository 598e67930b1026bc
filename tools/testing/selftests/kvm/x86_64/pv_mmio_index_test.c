// SPDX-License-Identifier: GPL-2.0-only
/*
 * Thousands of ioeventfds: the index finds each of them at the price of one, even
 * if a VMM has chosen addresses or values to collide in a weak hash.
 */
#include "pv_mmio_index.h"

#define NR_BELLS	4096
#define LEN		4
#define VALUE		0x1234
#define STRIDE		0x1000
#define NR_LENGTHS	4
/* A doorbell among many may cost 1.5 times as much as one alone. */
#define MAX_RATIO	1.5
/* A TSC that counts instructions gives the same figure twice. */
#define MAX_NOISE	1.02
/* Enough for several to share a hash of 8 bits with one doorbell. */
#define NR_PORTS	1024
#define FIRST_PORT	0x2000
#define BELL_PORT	0x3000
#define NR_PORT_TICKS	11
#define MAX_PORT_RATIO	1.05

struct place {
	u64 gpa;
	u64 value;
};

static struct place bells[NR_BELLS];

/*
 * A multiplication by the golden ratio, as the kernel's hash tables have it,
 * puts all of these into one bucket of 4096.
 */
static bool shares_bucket(u64 key)
{
	return key * 0x61c8864680b583ebull >> 52 == 1;
}

static void make_colliding_addresses(void)
{
	u64 gpa = INDEX_GPA;
	int i;

	for (i = 0; i < NR_BELLS; gpa += STRIDE) {
		if (shares_bucket(gpa))
			bells[i++] = (struct place) { gpa, VALUE };
	}
}

/* These collide if values are mixed with addresses by a constant and not by a key. */
static void make_colliding_values(void)
{
	u32 value;
	int i = 0;

	for (value = 0; i < NR_BELLS; value++) {
		if (shares_bucket(INDEX_GPA ^ ((value + 1) * 0x61c8864680b583ebull)))
			bells[i++] = (struct place) { INDEX_GPA, value };
	}
}

static void make_addresses(void)
{
	int i;

	for (i = 0; i < NR_BELLS; i++)
		bells[i] = (struct place) { INDEX_GPA + i * STRIDE, VALUE };
}

static void make_values(void)
{
	int i;

	for (i = 0; i < NR_BELLS; i++)
		bells[i] = (struct place) { INDEX_GPA, i };
}

/* An ioeventfd for any value needs its own address. */
static void set_bells(struct index_vm *ivm, int fd, int first, int nr, bool any_value)
{
	u32 flags = any_value ? 0 : KVM_IOEVENTFD_FLAG_DATAMATCH;
	int i;

	for (i = first; i < first + nr; i++)
		ioeventfd_set(ivm->vm, fd, bells[i].gpa, LEN, flags,
			      any_value ? 0 : bells[i].value);
}

/* The same by one ioctl, which saves a debug kernel 20 seconds. */
static void set_all_bells(struct index_vm *ivm, int fd, bool any_value)
{
	static struct kvm_ioeventfd entries[NR_BELLS];
	struct kvm_ioeventfds args = { .nr = NR_BELLS, .entries = (u64)entries };
	int i;

	for (i = 0; i < NR_BELLS; i++)
		entries[i] = (struct kvm_ioeventfd) {
			.addr = bells[i].gpa,
			.len = LEN,
			.fd = fd,
			.flags = any_value ? 0 : KVM_IOEVENTFD_FLAG_DATAMATCH,
			.datamatch = any_value ? 0 : bells[i].value,
		};
	vm_ioctl(ivm->vm, KVM_IOEVENTFDS, &args);
}

static u32 measure(struct index_vm *ivm)
{
	index_vm_write(ivm, BY_INDEX, bells[0].gpa, LEN, bells[0].value, INDEX_MAX_TICKS);
	return index_vm_ticks(ivm);
}

/* Where the TSC doesn't count instructions, to measure the same again tells more or less. */
static bool is_noise(u32 ticks, u32 again)
{
	return ticks > again * MAX_NOISE || again > ticks * MAX_NOISE;
}

/* The guest rings the one registered first, which would be last in its bucket. */
static void test_price(const char *name, void (*make)(void), bool any_value)
{
	int fd = eventfd_create();
	struct index_vm ivm;
	u32 alone, alone_again, many, many_again;
	u64 rings;

	make();
	index_vm_create(&ivm);
	set_bells(&ivm, fd, 0, 1, any_value);
	alone = measure(&ivm);
	alone_again = measure(&ivm);
	set_bells(&ivm, fd, 1, NR_BELLS - 1, any_value);
	many = measure(&ivm);
	many_again = measure(&ivm);
	rings = eventfd_take(fd);
	printf("# %s: %u ticks alone, %u among %d\n", name, alone, many, NR_BELLS);
	if (rings != 4 * INDEX_MAX_TICKS)
		ksft_test_result_fail("%s: rang %lu times\n", name, rings);
	else if (is_noise(alone, alone_again) || is_noise(many, many_again))
		ksft_test_result_skip("price of %s: the TSC doesn't count instructions\n", name);
	else
		ksft_test_result(many <= alone * MAX_RATIO, "price of %s\n", name);
	index_vm_free(&ivm);
	close(fd);
}

static void set_port_zone(struct index_vm *ivm)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = FIRST_PORT,
		.size = NR_PORTS,
		.pio = 1,
	};

	vm_ioctl(ivm->vm, KVM_REGISTER_COALESCED_MMIO, &zone);
}

/* KVM only writes such an out down, which is cheap: little hides what is added. */
static u32 measure_port(struct index_vm *ivm, u16 port)
{
	struct kvm_coalesced_mmio_ring *ring = (void *)ivm->vcpu->run +
		kvm_check_cap(KVM_CAP_COALESCED_MMIO) * getpagesize();

	index_vm_write(ivm, BY_PORT, port, 1, 0, NR_PORT_TICKS);
	ring->first = ring->last;
	return index_vm_ticks(ivm);
}

/* An out that is no doorbell must cost the same at each port, whatever its hash. */
static void test_other_ports(void)
{
	u32 here, again, least = ~0, most = 0;
	int i, dearest = 0, fd = eventfd_create();
	struct index_vm ivm;

	index_vm_create(&ivm);
	set_port_zone(&ivm);
	ioeventfd_set(ivm.vm, fd, BELL_PORT, 1, KVM_IOEVENTFD_FLAG_PIO, 0);
	for (i = 0; i < NR_PORTS; i++) {
		here = measure_port(&ivm, FIRST_PORT + i);
		least = min(least, here);
		if (here > most) {
			most = here;
			dearest = FIRST_PORT + i;
		}
	}
	again = measure_port(&ivm, dearest);
	printf("# other ports: %u to %u ticks\n", least, most);
	if (is_noise(most, again))
		ksft_test_result_skip("price of other ports: the TSC doesn't count instructions\n");
	else
		ksft_test_result(most <= least * MAX_PORT_RATIO, "price of other ports\n");
	index_vm_free(&ivm);
	close(fd);
}

/* Each is rung once, and the exit fast path must serve all of them. */
static void test_all_found(const char *name, void (*make)(void), bool any_value)
{
	int i, fd = eventfd_create();
	struct index_vm ivm;
	u64 rings, fast;

	make();
	index_vm_create(&ivm);
	set_all_bells(&ivm, fd, any_value);
	measure(&ivm);
	eventfd_take(fd);
	fast = index_vm_fast(&ivm);
	for (i = 0; i < NR_BELLS; i++)
		index_vm_write(&ivm, BY_INDEX, bells[i].gpa, LEN, bells[i].value, 1);
	fast = index_vm_fast(&ivm) - fast;
	rings = eventfd_take(fd);
	if (rings != NR_BELLS || fast != NR_BELLS)
		ksft_print_msg("%lu of %d rang, %lu of them by the index\n", rings, NR_BELLS, fast);
	ksft_test_result(rings == NR_BELLS && fast == NR_BELLS, "index finds %s\n", name);
	index_vm_free(&ivm);
	close(fd);
}

static void set_zone(struct index_vm *ivm, bool present)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = INDEX_GPA,
		.size = NR_BELLS * STRIDE,
	};

	if (present)
		vm_ioctl(ivm->vm, KVM_REGISTER_COALESCED_MMIO, &zone);
	else
		vm_ioctl(ivm->vm, KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

static void ring_all(struct index_vm *ivm)
{
	int i;

	for (i = 0; i < NR_BELLS; i++)
		index_vm_write(ivm, BY_INDEX, bells[i].gpa, LEN, bells[i].value, 1);
}

/* After a zone, the index takes an ioeventfd back only when it's rung, on the bus. */
static void test_zone(void)
{
	int fd = eventfd_create();
	struct index_vm ivm;
	u64 rings, before, first, second;

	make_addresses();
	index_vm_create(&ivm);
	set_bells(&ivm, fd, 0, 1, true);
	measure(&ivm);
	set_zone(&ivm, true);
	set_bells(&ivm, fd, 1, NR_BELLS - 1, true);
	set_zone(&ivm, false);
	eventfd_take(fd);
	before = index_vm_fast(&ivm);
	ring_all(&ivm);
	first = index_vm_fast(&ivm) - before;
	ring_all(&ivm);
	second = index_vm_fast(&ivm) - before - first;
	rings = eventfd_take(fd);
	if (rings != 2 * NR_BELLS || first || second != NR_BELLS)
		ksft_print_msg("%lu rang, %lu and then %lu by the index\n", rings, first, second);
	ksft_test_result(rings == 2 * NR_BELLS && !first && second == NR_BELLS,
			 "index finds what was under a zone, the second time\n");
	index_vm_free(&ivm);
	close(fd);
}

static void set_lengths(struct index_vm *ivm, const int *fds, u32 flags)
{
	int i;

	for (i = 0; i < NR_BELLS; i++)
		ioeventfd_set(ivm->vm, fds[i % NR_LENGTHS], bells[i / NR_LENGTHS].gpa,
			      1 << i % NR_LENGTHS, flags | KVM_IOEVENTFD_FLAG_DATAMATCH, 1);
}

/*
 * Four lengths with the same address and value have the same hash.  If two more
 * addresses share that hash, some ioeventfds are too far down in their bucket for
 * the index to find them.  That happens in about every second run; they still ring.
 */
static void test_lengths(void)
{
	int fds[NR_LENGTHS], i, good = 0;
	struct index_vm ivm;
	u64 exits = 0, fast;

	make_addresses();
	index_vm_create(&ivm);
	for (i = 0; i < NR_LENGTHS; i++)
		fds[i] = eventfd_create();
	set_lengths(&ivm, fds, 0);
	measure(&ivm);
	fast = index_vm_fast(&ivm);
	for (i = 0; i < NR_BELLS; i++) {
		exits += index_vm_write(&ivm, BY_INDEX, bells[i / NR_LENGTHS].gpa,
					1 << i % NR_LENGTHS, 1, 1);
		good += eventfd_take(fds[i % NR_LENGTHS]) == 1;
	}
	printf("# %lu of %d by the index\n", index_vm_fast(&ivm) - fast, NR_BELLS);
	ksft_test_result(good == NR_BELLS && !exits, "four lengths at each address\n");

	/* Entries that were too far down may move up, and none of the removed may ring. */
	set_lengths(&ivm, fds, KVM_IOEVENTFD_FLAG_DEASSIGN);
	exits = index_vm_write(&ivm, BY_INDEX, bells[0].gpa, 1, 1, 1);
	ksft_test_result(exits == 1, "all are removed\n");
	index_vm_free(&ivm);
	for (i = 0; i < NR_LENGTHS; i++)
		close(fds[i]);
}

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFDS));
	ksft_set_plan(10);

	test_price("addresses that share a hash", make_colliding_addresses, true);
	test_price("values that share a hash", make_colliding_values, false);
	test_other_ports();
	test_all_found("addresses that share a hash", make_colliding_addresses, true);
	test_all_found("values that share a hash", make_colliding_values, false);
	test_all_found("addresses in steps", make_addresses, true);
	test_all_found("values in steps", make_values, false);
	test_zone();
	test_lengths();
	ksft_finished();
}
