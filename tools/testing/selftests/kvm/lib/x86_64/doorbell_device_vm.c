// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest and VMM of a device that has a process of its own.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "apic.h"
#include "doorbell_device_queue.h"

#define QUEUE_SLOT	5
#define QUEUE_GPA	0xc0000000ul
/* Where NVMe has the tail of its first queue. */
#define TAIL_GPA	0xd0001000ul
#define VECTOR		0x60
#define GSI		24
#define CASE_SECONDS	120

static u64 guest_rings;
static u32 guest_ring_ticks[DEVICE_MAX_TRIPS], guest_trip_ticks[DEVICE_MAX_TRIPS];

static struct device_queue *guest_queue(void)
{
	return (void *)QUEUE_GPA;
}

extern const char guest_halt[];

/*
 * QEMU's SVM forgets the shadow of sti at an exit.  What is waited for may then come
 * between sti and hlt, so look again.
 */
static void guest_interrupt(struct ex_regs *regs)
{
	if (regs->rip == (u64)guest_halt)
		regs->rip++;
	x2apic_write_reg(APIC_EOI, 0);
}

static noinline void guest_wait(u32 tail)
{
	asm volatile("cli");
	while (READ_ONCE(guest_queue()->done) != tail)
		asm volatile("sti; guest_halt: hlt; cli" : : : "memory");
	asm volatile("sti");
}

static void guest_ring(enum device_way way, u32 tail)
{
	u64 n = guest_rings++ % DEVICE_MAX_TRIPS, start;

	if (way == DEVICE_SHADOW)
		WRITE_ONCE(guest_queue()->tail, tail);
	start = rdtsc();
	guest_pv_store_4(TAIL_GPA, tail);
	guest_ring_ticks[n] = rdtsc() - start;
	guest_wait(tail);
	guest_trip_ticks[n] = rdtsc() - start;
}

/* Differs for each block, round and byte. */
static u8 guest_byte(u64 round, u32 block, u32 i)
{
	return round * 131 + block * 17 + i * 7 + (i >> 8);
}

static void guest_fill(u8 *buffer, u64 round, u32 block)
{
	u32 i;

	for (i = 0; i < DEVICE_BLOCK; i++)
		buffer[i] = guest_byte(round, block, i);
}

static void guest_check(const u8 *buffer, u64 round, u32 block)
{
	u32 i;

	for (i = 0; i < DEVICE_BLOCK; i++)
		__GUEST_ASSERT(buffer[i] == guest_byte(round, block, i),
			       "byte %u of block %u in round %lu must be 0x%x, it is 0x%x", i,
			       block, round, guest_byte(round, block, i), buffer[i]);
}

/* One batch of commands; those that read find another pattern in their buffers. */
static u32 guest_batch(enum device_way way, enum device_op op, u32 tail, u64 batch, u64 round)
{
	struct device_queue *q = guest_queue();
	u32 i, nr, block;

	for (i = 0; i < batch; i++) {
		nr = (tail + i) % DEVICE_QUEUE;
		block = (round * batch + i) % DEVICE_BLOCKS;
		q->commands[nr] = (struct device_command){ .op = op, .block = block };
		guest_fill(q->buffers[nr], op == OP_READ ? ~round : round, block);
	}
	guest_ring(way, tail + batch);
	for (i = 0; op == OP_READ && i < batch; i++)
		guest_check(q->buffers[(tail + i) % DEVICE_QUEUE], round,
			    (round * batch + i) % DEVICE_BLOCKS);
	return tail + batch;
}

static void guest_main(u64 way, u64 rounds, u64 batch)
{
	u32 tail = 0;
	u64 i;

	x2apic_enable();
	for (i = 0; i < rounds; i++) {
		tail = guest_batch(way, OP_WRITE, tail, batch, i);
		tail = guest_batch(way, OP_READ, tail, batch, i);
	}
	guest_batch(way, OP_END, tail, 1, i);
	GUEST_DONE();
}

struct device_vm {
	enum device_way way;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct device_slot *slot;
	int socket, kick, interrupt, stats_fd;
	pid_t process;
};

static void start_process(struct device_vm *d)
{
	int sockets[2];

	TEST_ASSERT(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets),
		    "socketpair() must succeed, errno %d", errno);
	d->process = fork();
	TEST_ASSERT(d->process >= 0, "fork() must succeed, errno %d", errno);
	if (!d->process) {
		close(sockets[0]);
		device_main(sockets[1]);
	}
	close(sockets[1]);
	d->socket = sockets[0];
}

/* The eventfd that the device signals becomes an MSI. */
static void route_interrupt(struct device_vm *d)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.head.nr = 1,
		.entry = {
			.gsi = GSI, .type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = APIC_DEFAULT_GPA, .data = VECTOR },
		},
	};
	struct kvm_irqfd irqfd = { .gsi = GSI };

	d->interrupt = eventfd_create();
	irqfd.fd = d->interrupt;
	vm_ioctl(d->vm, KVM_SET_GSI_ROUTING, &routing.head);
	vm_ioctl(d->vm, KVM_IRQFD, &irqfd);
}

static void connect_device(struct device_vm *d)
{
	int slot;

	send_descriptors(d->socket, d->way, memslot2region(d->vm, QUEUE_SLOT)->fd, d->interrupt);
	receive_descriptors(d->socket, &slot, &d->kick);
	d->slot = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, slot, 0);
	TEST_ASSERT(d->slot != MAP_FAILED, "mmap() must succeed, errno %d", errno);
	close(slot);
}

static void set_doorbell(struct device_vm *d)
{
	struct kvm_ioeventfd_post args = {
		.addr = TAIL_GPA,
		.len = sizeof(u32),
		.fd = d->way == DEVICE_POLLS ? -1 : d->kick,
		.post_addr = (u64)&d->slot->tail,
		.wake_addr = (u64)&d->slot->wake,
	};

	if (d->way == DEVICE_RELAYED)
		return;
	if (device_way_posts(d->way))
		args.flags |= KVM_IOEVENTFD_FLAG_POST;
	if (d->way == DEVICE_SLEEPS)
		args.flags |= KVM_IOEVENTFD_FLAG_WAKE;
	vm_ioctl(d->vm, KVM_IOEVENTFD, (struct kvm_ioeventfd *)&args);
}

static void create(struct device_vm *d, enum device_way way, const struct device_load *load)
{
	u64 pages = DIV_ROUND_UP(sizeof(struct device_queue), PAGE_SIZE);

	d->way = way;
	start_process(d);
	d->vm = vm_create_with_one_vcpu(&d->vcpu, guest_main);
	vcpu_args_set(d->vcpu, 3, (u64)way, load->rounds, load->batch);
	vm_userspace_mem_region_add(d->vm, VM_MEM_SRC_SHMEM, QUEUE_GPA, QUEUE_SLOT, pages, 0);
	virt_map(d->vm, QUEUE_GPA, QUEUE_GPA, pages);
	virt_pg_map(d->vm, TAIL_GPA, TAIL_GPA);
	vm_install_exception_handler(d->vm, VECTOR, guest_interrupt);
	d->stats_fd = vcpu_get_stats_fd(d->vcpu);
	route_interrupt(d);
	connect_device(d);
	set_doorbell(d);
	guest_rings = 0;
	sync_global_to_guest(d->vm, guest_rings);
}

static void relay(struct device_vm *d, struct kvm_run *run)
{
	struct device_message message = {};

	TEST_ASSERT(run->mmio.is_write && run->mmio.phys_addr == TAIL_GPA && run->mmio.len == 4,
		    "the guest must write tails only, not to 0x%llx", run->mmio.phys_addr);
	memcpy(&message.what, run->mmio.data, sizeof(u32));
	TEST_ASSERT(send(d->socket, &message, sizeof(message), 0) == sizeof(message),
		    "send() must succeed, errno %d", errno);
}

static u64 run_to_exit(struct device_vm *d)
{
	struct kvm_run *run = d->vcpu->run;
	struct ucall uc;
	u64 exits = 0;

	for (vcpu_run(d->vcpu); run->exit_reason == KVM_EXIT_MMIO; vcpu_run(d->vcpu)) {
		relay(d, run);
		exits++;
	}
	if (get_ucall(d->vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	TEST_ASSERT_EQ(uc.cmd, UCALL_DONE);
	return exits;
}

static void collect(struct device_vm *d, struct device_outcome *o)
{
	struct device_report report;
	int status;

	TEST_ASSERT(recv(d->socket, &report, sizeof(report), 0) == sizeof(report),
		    "the device must report, errno %d", errno);
	TEST_ASSERT(waitpid(d->process, &status, 0) == d->process && !status,
		    "the device's process must end well, its status is 0x%x", status);
	o->commands = report.commands;
	o->messages = report.messages;
	o->signals = report.signals;
	o->sleeps = report.sleeps;
	sync_global_from_guest(d->vm, guest_rings);
	sync_global_from_guest(d->vm, guest_ring_ticks);
	sync_global_from_guest(d->vm, guest_trip_ticks);
	o->rings = guest_rings;
	memcpy(o->ring, guest_ring_ticks, sizeof(o->ring));
	memcpy(o->trip, guest_trip_ticks, sizeof(o->trip));
}

void device_run(enum device_way way, const struct device_load *load, struct device_outcome *outcome)
{
	struct device_vm d = {};

	TEST_ASSERT(load->batch && load->batch <= DEVICE_QUEUE, "%lu commands must fit the queue",
		    load->batch);
	memset(outcome, 0, sizeof(*outcome));
	alarm(CASE_SECONDS);
	create(&d, way, load);
	outcome->exits = run_to_exit(&d);
	collect(&d, outcome);
	if (kvm_has_cap(KVM_CAP_X86_PV_MMIO))
		outcome->fast = read_vcpu_stat(d.stats_fd,
					       find_vcpu_stat(d.stats_fd, "pv_mmio_fast"));
	close(d.stats_fd);
	close(d.socket);
	close(d.kick);
	kvm_vm_free(d.vm);
	close(d.interrupt);
	munmap(d.slot, PAGE_SIZE);
	alarm(0);
}
