// SPDX-License-Identifier: GPL-2.0-only
/*
 * 2000 devices, each behind a PCI Express port of its own, rung by store,
 * hypercall and port.  The VMM offers the ways in configuration space, and has
 * one ioeventfd for memory and one for the port of each device.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include "doorbell_ways.h"

#define FIRST_SLOT	10
#define ABSENT		0xff	/* what a read without a function returns */
#define SPOILT		2	/* the device with a bad configuration */
#define NR_FEW		4

struct machine {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	u32 nr_devices, nr_segments;
	u8 *ecam;
	bool isr[MAX_DEVICES];
	int bells[MAX_DEVICES];
	u32 strange_exits;
};

static const char * const way_names[NR_WAYS] = {
	[STORE_WAY] = "store",
	[HYPERCALL_WAY] = "hypercall",
	[PORT_WAY] = "port",
};

static u8 *config_of(struct machine *m, u32 segment, u32 bus, u32 devfn)
{
	return m->ecam + segment * ECAM_SIZE + ECAM_OFFSET(bus, devfn);
}

static u8 *device_config(struct machine *m, u32 i)
{
	return config_of(m, i / SEGMENT_DEVICES, 1 + i % SEGMENT_DEVICES, 0);
}

/* Reads don't exit: this is memory that is read-only for the guest. */
static void create_ecam(struct machine *m)
{
	u32 segment, i;

	m->nr_segments = DIV_ROUND_UP(m->nr_devices, SEGMENT_DEVICES);
	m->ecam = mmap(NULL, m->nr_segments * ECAM_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	TEST_ASSERT(m->ecam != MAP_FAILED, "mmap() must succeed, errno %d", errno);
	madvise(m->ecam, m->nr_segments * ECAM_SIZE, MADV_NOHUGEPAGE);

	for (segment = 0; segment < m->nr_segments; segment++) {
		memset(config_of(m, segment, 0, 0), ABSENT, BUS_FUNCTIONS * PAGE_SIZE);
		vm_set_user_memory_region(m->vm, FIRST_SLOT + segment, KVM_MEM_READONLY,
					  ECAM_GPA(segment), ECAM_SIZE,
					  config_of(m, segment, 0, 0));
	}
	for (i = 0; i < m->nr_devices; i++) {
		config_fill_bridge(config_of(m, i / SEGMENT_DEVICES, 0, i % SEGMENT_DEVICES), i);
		config_fill_device(device_config(m, i), i);
	}
}

static void create_bells(struct machine *m)
{
	u32 i;

	for (i = 0; i < m->nr_devices; i++) {
		m->bells[i] = eventfd_create();
		m->isr[i] = true;
		ioeventfd_set(m->vm, m->bells[i], BAR_GPA(i) + BELL_OFFSET, BELL_WIDTH,
			      KVM_IOEVENTFD_FLAG_DATAMATCH, i);
		ioeventfd_set(m->vm, m->bells[i], BELL_PORT(i), 1,
			      KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH, (u8)i);
	}
}

static void machine_create(struct machine *m, u32 nr_devices, const struct bad_config *bad)
{
	memset(m, 0, sizeof(*m));
	m->nr_devices = nr_devices;
	m->vm = vm_create_with_one_vcpu(&m->vcpu, guest_scan_and_ring);
	vm_enable_cap(m->vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	create_ecam(m);
	if (bad)
		config_spoil(device_config(m, SPOILT), bad);
	create_bells(m);
	virt_map_level(m->vm, ECAM_GPA(0), ECAM_GPA(0), m->nr_segments * ECAM_SIZE, PG_LEVEL_2M);
	virt_map_level(m->vm, BAR_GPA(0), BAR_GPA(0),
		       align_up(nr_devices * BAR_STRIDE, PG_SIZE_2M), PG_LEVEL_2M);
	vcpu_args_set(m->vcpu, 1, (u64)m->nr_segments);
}

static void machine_free(struct machine *m)
{
	u32 i;

	for (i = 0; i < m->nr_devices; i++)
		close(m->bells[i]);
	kvm_vm_free(m->vm);
	munmap(m->ecam, m->nr_segments * ECAM_SIZE);
}

/* Only the command register and the BAR of a device can be written. */
static void write_config(struct machine *m, u64 offset, u32 value)
{
	u8 *config = m->ecam + (offset & PAGE_MASK);
	u32 at = offset & ~PAGE_MASK;

	if (at == CONFIG_BAR(BAR_INDEX))
		config_put(config, at, 4, (value & ~(BAR_SIZE - 1)) | 0xc);
	else if (at == CONFIG_COMMAND)
		config_put(config, at, 2, value);
	else
		m->strange_exits++;
}

static bool is_isr_port(struct machine *m, u32 port)
{
	return port >= WINDOW_PORT && (port & 1) && (port - WINDOW_PORT) / 2 < m->nr_devices;
}

/* Reading the ISR clears it. */
static void read_isr(struct machine *m, struct kvm_run *run)
{
	u32 i = (run->io.port - WINDOW_PORT) / 2;

	*((u8 *)run + run->io.data_offset) = m->isr[i];
	m->isr[i] = false;
}

static void handle_exit(struct machine *m)
{
	struct kvm_run *run = m->vcpu->run;

	if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write && run->mmio.len == 4 &&
	    run->mmio.phys_addr - ECAM_GPA(0) < m->nr_segments * ECAM_SIZE)
		write_config(m, run->mmio.phys_addr - ECAM_GPA(0), *(u32 *)run->mmio.data);
	else if (run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN &&
		 run->io.size == 1 && is_isr_port(m, run->io.port))
		read_isr(m, run);
	else
		m->strange_exits++;
}

/* Returns whether the guest came to @stage. */
static bool run_to(struct machine *m, u64 stage)
{
	struct ucall uc;
	u32 exits;

	for (exits = 0; exits < 16 * m->nr_devices + 16; exits++) {
		vcpu_run(m->vcpu);
		switch (get_ucall(m->vcpu, &uc)) {
		case UCALL_NONE:
			handle_exit(m);
			continue;
		case UCALL_SYNC:
			return uc.args[1] == stage;
		case UCALL_ABORT:
			ksft_print_msg("the guest failed an assertion: %s\n", uc.buffer);
			return false;
		default:
			return false;
		}
	}
	ksft_print_msg("the guest doesn't come to stage %lu\n", stage);
	return false;
}

static bool is_offered(u32 i, const struct bad_config *bad)
{
	return !bad || i != SPOILT;
}

static bool rung_exactly(struct machine *m, u64 stage, const struct bad_config *bad)
{
	bool exact = run_to(m, stage) && !m->strange_exits;
	u64 rung;
	u32 i;

	if (m->strange_exits)
		ksft_print_msg("%u accesses reached no device\n", m->strange_exits);
	for (i = 0; i < m->nr_devices; i++) {
		rung = eventfd_take(m->bells[i]);
		if (rung == (is_offered(i, bad) ? RINGS : 0))
			continue;
		ksft_print_msg("device %u was rung %lu times\n", i, rung);
		exact = false;
	}
	return exact;
}

static bool found_all(struct machine *m, const struct bad_config *bad)
{
	struct found_machine *found = addr_gva2hva(m->vm, (u64)&guest_found);
	bool all = run_to(m, STAGE_SCANNED) && !m->strange_exits && !found->nr_io_windows &&
		   !found->nr_outside && found->nr_ports == m->nr_devices &&
		   found->nr_devices == m->nr_devices;
	u32 i;

	if (!all)
		ksft_print_msg("%u ports, %u of them with I/O; %u devices, %u of them outside\n",
			       found->nr_ports, found->nr_io_windows, found->nr_devices,
			       found->nr_outside);
	for (i = 0; i < found->nr_devices; i++) {
		if (found->devices[i].error == (is_offered(i, bad) ? 0 : bad->error))
			continue;
		ksft_print_msg("device %u: error %u\n", i, found->devices[i].error);
		all = false;
	}
	return all;
}

static void test_machine(u32 nr_devices, const struct bad_config *bad)
{
	static struct machine m;
	struct found_machine *found;
	const char *what = bad ? bad->name : "all sound";
	u32 nr_sound = nr_devices - !!bad;
	enum way way;
	bool ok;

	machine_create(&m, nr_devices, bad);
	found = addr_gva2hva(m.vm, (u64)&guest_found);
	ksft_test_result(found_all(&m, bad), "%u devices, %s: found\n", nr_devices, what);
	for (way = 0; way < NR_WAYS; way++)
		ksft_test_result(rung_exactly(&m, STAGE_WAY(way), bad),
				 "%u devices, %s: rung by %s\n", nr_devices, what, way_names[way]);

	ok = run_to(&m, STAGE_ISR) && found->isr_sum[0] == nr_sound && !found->isr_sum[1];
	ksft_test_result(ok && !m.strange_exits, "%u devices, %s: ISRs read\n", nr_devices, what);
	machine_free(&m);
}

/* One bad device among many: the guest must still ring all others. */
static const struct bad_config bad_devices[] = {
	{ "unknown version", { { CONFIG_DOORBELL + 8, 1, 2 } }, KVM_PCI_DOORBELL_BAD_VERSION },
	{ "port outside the window", { { CONFIG_DOORBELL + 16, 2, WINDOW_PORT - 2 } },
	  KVM_PCI_DOORBELL_BAD_PORT },
	{ "another device's port", { { CONFIG_DOORBELL + 16, 2, BELL_PORT(1) } },
	  KVM_PCI_DOORBELL_TAKEN },
	{ "doorbell beyond the BAR", { { CONFIG_DOORBELL + 12, 4, BAR_SIZE } },
	  KVM_PCI_DOORBELL_BAD_OFFSET },
	{ "no capability", { { CONFIG_DOORBELL, 1, 5 } }, KVM_PCI_DOORBELL_NONE },
};

static void report_parser(bool ok, const char *name)
{
	ksft_test_result(ok, "parser: %s\n", name);
}

static void require_files(void)
{
	struct rlimit limit = { MAX_DEVICES + 64, MAX_DEVICES + 64 }, old;

	getrlimit(RLIMIT_NOFILE, &old);
	if (old.rlim_cur < limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &limit))
		ksft_exit_skip("%lu open files are not allowed: raise ulimit -n\n",
			       (u64)limit.rlim_cur);
}

int main(void)
{
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	require_files();
	ksft_set_plan(nr_parser_tests() + (NR_WAYS + 2) * (1 + ARRAY_SIZE(bad_devices)));

	test_parser(report_parser);
	for (i = 0; i < ARRAY_SIZE(bad_devices); i++)
		test_machine(NR_FEW, &bad_devices[i]);
	test_machine(MAX_DEVICES, NULL);
	ksft_finished();
}
