// SPDX-License-Identifier: GPL-2.0-only
/*
 * The documentation's examples do what the documentation says they do.
 */
#include "pv_mmio_examples/examples.h"
#include "doorbell_ways.h"

#define GPA	0xd0000000ul
/* On its own page: KVM's bus may find neither of lengths 0 and 8 if they touch. */
#define GPA_ANY	(GPA + PAGE_SIZE)
#define GPA_QUEUE	(GPA + 2 * PAGE_SIZE)
#define GPA_MOVED	(GPA + 3 * PAGE_SIZE)
#define RINGS_EACH	3
#define VALUE	0x1122334455667788ul
#define LOW(width)	(VALUE & (~0ul >> (64 - 8 * (width))))

static struct guest_view {
	bool has_store, has_hypercall;
	long result;
} guest_view;

static void guest_ring(void)
{
	void *bell = (void *)GPA;
	int i;

	guest_view.has_store = guest_has(KVM_FEATURE_PV_MMIO);
	guest_view.has_hypercall = guest_has(KVM_FEATURE_HC_MMIO_WRITE);
	for (i = 0; i < RINGS_EACH; i++) {
		pv_store1(bell, (uint8_t)VALUE);
		pv_store2(bell, (uint16_t)VALUE);
		pv_store4(bell, (uint32_t)VALUE);
		pv_store8(bell, VALUE);
		pv_store2((void *)GPA_ANY, i);
		pv_store8((void *)GPA_QUEUE, i);
	}
	GUEST_SYNC(1);
	for (i = 0; i < RINGS_EACH; i++)
		guest_view.result |= hypercall_mmio_write(host_cpu_is_amd, GPA, VALUE, 8);
	GUEST_SYNC(2);
}

static bool run_to(struct kvm_vcpu *vcpu, u64 stage)
{
	struct ucall uc;

	if (vcpu_run_bounded(vcpu))
		return false;
	return get_ucall(vcpu, &uc) == UCALL_SYNC && uc.args[1] == stage;
}

static void test_control(int vm)
{
	u32 call = KVM_CAP_X86_HC_MMIO_WRITE;

	ksft_test_result(vmm_has(vm, KVM_CAP_X86_PV_MMIO) && vmm_has(vm, call) &&
			 !vmm_has(vm, 0x70766dff), "VMM: probe\n");
	ksft_test_result(!vmm_set(vm, call, true) && vmm_set(vm, 0x70766dff, true) == -EINVAL,
			 "VMM: enable\n");
}

static void test_device(void)
{
	static struct kvm_pci_doorbell_window window;
	struct kvm_pci_doorbell bell;
	u8 config[KVM_PCI_CONFIG_SIZE];
	bool first, same_again, small;

	config_fill_device(config, 1);
	small = device_can_ring(config, BELL_OFFSET, &window, &bell);
	first = device_can_ring(config, BAR_SIZE, &window, &bell);
	same_again = device_can_ring(config, BAR_SIZE, &window, &bell);
	ksft_test_result(!small && first && !same_again, "guest: device\n");
}

/* With length 0, KVM refuses DATAMATCH, and any value rings. */
static int add_any_doorbell(struct kvm_vm *vm)
{
	int bell = eventfd_create();
	u64 value = 1;

	ksft_test_result(vmm_add_doorbell(vm->fd, GPA_ANY, 0, &value, bell) == -EINVAL &&
			 !vmm_add_doorbell(vm->fd, GPA_ANY, 0, NULL, bell),
			 "VMM: doorbell of length 0\n");
	return bell;
}

/* The guest rings the queue's doorbell with 0, 1, 2 and so on. */
static void test_payload(const struct vmm_queue *queue, int bell, bool asleep)
{
	ksft_test_result(queue->slot == RINGS_EACH - 1 &&
			 eventfd_take(bell) == (asleep ? RINGS_EACH : 0),
			 "VMM: payload, %s\n", asleep ? "asleep" : "awake");
}

/* Moves them to where they overlap the old ones, twice; then onto another, which fails. */
static void test_move(int vm)
{
	int bell = eventfd_create();
	struct kvm_ioeventfd bells[] = {
		{ .addr = GPA_MOVED, .len = 8, .fd = bell },
		{ .addr = GPA_MOVED + 8, .len = 8, .fd = bell },
	};
	bool ok = !vmm_add_doorbell(vm, GPA_MOVED, 8, NULL, bell) &&
		  !vmm_add_doorbell(vm, GPA_MOVED + 8, 8, NULL, bell) &&
		  !vmm_add_doorbell(vm, GPA_MOVED + 32, 8, NULL, bell);

	ok = ok && !vmm_move_doorbells(vm, bells, 2, 8) && !vmm_move_doorbells(vm, bells, 2, 8) &&
	     vmm_move_doorbells(vm, bells, 2, 8) == -EEXIST && bells[1].addr == GPA_MOVED + 24 &&
	     !vmm_move_doorbells(vm, bells, 2, 32);
	ksft_test_result(ok, "VMM: move\n");
	close(bell);
}

static void test_guest(struct kvm_vm *vm, struct kvm_vcpu *vcpu, bool hide)
{
	struct guest_view *view = addr_gva2hva(vm, (u64)&guest_view);
	struct vmm_queue queue = { .slot = ~0ull };
	int bells[4], any, posted, i;
	bool ok = true, asleep;

	for (i = 0; i < ARRAY_SIZE(bells); i++) {
		bells[i] = eventfd_create();
		ok &= !vmm_add_doorbell(vm->fd, GPA, 1 << i, &(uint64_t){ LOW(1 << i) }, bells[i]);
	}
	ksft_test_result(ok, "VMM: doorbell\n");
	any = add_any_doorbell(vm);
	posted = eventfd_create();
	ksft_test_result(!vmm_add_queue(vm->fd, GPA_QUEUE, 8, &queue, posted) &&
			 vmm_add_queue(vm->fd, GPA_QUEUE, 8, &queue, -1) == -EEXIST,
			 "VMM: doorbell that posts\n");
	/* Only a device that has seen the last value finds nothing new. */
	asleep = device_may_sleep(&queue, hide ? ~0ull : 5);

	ok = run_to(vcpu, 1) && eventfd_take(any) == RINGS_EACH;
	for (i = 0; i < ARRAY_SIZE(bells); i++)
		ok &= eventfd_take(bells[i]) == RINGS_EACH;
	ksft_test_result(ok, "guest: store\n");
	test_payload(&queue, posted, asleep);
	ksft_test_result(asleep == hide && device_wake_up(&queue) == RINGS_EACH - 1 && !queue.wake,
			 "device: payload\n");
	ksft_test_result(view->has_store && view->has_hypercall == !hide, "guest: CPUID\n");
	ksft_test_result(run_to(vcpu, 2) && !view->result && eventfd_take(bells[3]) == RINGS_EACH,
			 "guest: hypercall\n");
	for (i = 0; i < ARRAY_SIZE(bells); i++)
		close(bells[i]);
	close(any);
	close(posted);
}

static void test_vm(bool hide)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	vm = vm_create_with_one_vcpu(&vcpu, guest_ring);
	virt_pg_map(vm, GPA, GPA);
	virt_pg_map(vm, GPA_ANY, GPA_ANY);
	virt_pg_map(vm, GPA_QUEUE, GPA_QUEUE);
	test_control(vm->fd);
	test_move(vm->fd);
	vmm_set_cpuid_bit(vcpu->cpuid, KVM_FEATURE_HC_MMIO_WRITE, !hide);
	vcpu_set_cpuid(vcpu);
	test_guest(vm, vcpu, hide);
	kvm_vm_free(vm);
}

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	ksft_set_plan(1 + 2 * 11);

	test_device();
	test_vm(false);
	test_vm(true);
	ksft_finished();
}
