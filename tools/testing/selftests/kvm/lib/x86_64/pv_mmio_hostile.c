// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs by the hundred, and the memory that they leave behind.
 */
#include <signal.h>
#include <sys/wait.h>

#include "pv_mmio_hostile.h"

#define NR_BELLS	16
#define FIRST_GPA	0xd0000000ull
#define FIRST_PORT	0x2000
/* Pages that wait on some list to be used again. */
#define NOISE_KIB	1024
#define SETTLE_STEPS	40

static void set_bells(int vm, int fd)
{
	struct kvm_ioeventfd args = { .fd = fd };
	u32 i;

	for (i = 0; i < NR_BELLS; i++) {
		args.flags = i % 4 < 2 ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0;
		args.flags |= i % 4 == 1 ? KVM_IOEVENTFD_FLAG_PIO : 0;
		args.addr = i % 4 == 1 ? FIRST_PORT + 8 * i : FIRST_GPA + 8 * i;
		args.len = i % 4 == 3 ? 0 : 4;
		args.datamatch = i;
		TEST_ASSERT(!ioctl(vm, KVM_IOEVENTFD, &args),
			    "KVM_IOEVENTFD must succeed, errno %d", errno);
	}
}

/* A VM that has doorbells when it goes, and now and then a vCPU that stays longer. */
static void make_vm(int kvm, int fd, u32 i)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu = -1;

	TEST_ASSERT(vm >= 0, "KVM_CREATE_VM must succeed, errno %d", errno);
	set_bells(vm, fd);
	if (i % 16 == 0) {
		vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
		TEST_ASSERT(vcpu >= 0, "KVM_CREATE_VCPU must succeed, errno %d", errno);
	}
	close(vm);
	if (vcpu >= 0)
		close(vcpu);
}

void hostile_make_vms(u32 vms)
{
	int kvm = open_kvm_dev_path_or_exit(), fd = eventfd_create();
	u32 i;

	for (i = 0; i < vms; i++)
		make_vm(kvm, fd, i);
	close(fd);
	close(kvm);
}

static long read_field(const char *field)
{
	char line[128], format[64];
	FILE *f = fopen("/proc/meminfo", "r");
	long kib = 0;

	TEST_ASSERT(f, "/proc/meminfo must be there");
	snprintf(format, sizeof(format), "%s: %%ld kB", field);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, format, &kib) == 1)
			break;
	fclose(f);
	return kib;
}

/* Ours come from the caches of kmalloc(), with others of the same size. */
static void read_caches(struct memory *memory)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	struct slab_cache *cache;
	char line[256];

	memory->nr_caches = 0;
	while (f && memory->nr_caches < MAX_CACHES && fgets(line, sizeof(line), f)) {
		cache = &memory->caches[memory->nr_caches];
		if (sscanf(line, "%31s %ld", cache->name, &cache->objects) == 2 &&
		    !strncmp(cache->name, "kmalloc-", 8))
			memory->nr_caches++;
	}
	if (f)
		fclose(f);
}

void hostile_read_memory(struct memory *memory)
{
	memory->used_kib = read_field("MemTotal") - read_field("MemFree") -
			   read_field("Buffers") - read_field("Cached") -
			   read_field("SReclaimable");
	read_caches(memory);
}

/* The first cache with an object more for each VM, or NULL. */
static const struct slab_cache *grown_cache(const struct memory *before,
					    const struct memory *after, u32 vms)
{
	int i;

	for (i = 0; i < after->nr_caches && i < before->nr_caches; i++)
		if (after->caches[i].objects - before->caches[i].objects >= vms)
			return &after->caches[i];
	return NULL;
}

/* Grace periods free some of it later. */
bool hostile_memory_is_back(const struct memory *before, struct memory *after, u32 vms)
{
	const struct slab_cache *grown;
	long more;
	int i;

	for (i = 0; i < SETTLE_STEPS; i++) {
		usleep(50000);
		hostile_read_memory(after);
		grown = grown_cache(before, after, vms);
		more = after->used_kib - before->used_kib;
		if (!grown && more < NOISE_KIB)
			return true;
	}
	if (grown)
		ksft_print_msg("%s has grown by an object for each VM, or more\n", grown->name);
	if (more >= NOISE_KIB)
		ksft_print_msg("%ld KiB more are in use\n", more);
	return false;
}

/* Bochs takes the host's interrupts at an entry only where the guest takes some. */
static void guest_ring_for_ever(void)
{
	asm volatile("sti");
	for (;;)
		guest_pv_store_4(FIRST_GPA, 1);
}

static void run_for_ever(int fd)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_ring_for_ever);

	virt_pg_map(vm, FIRST_GPA, FIRST_GPA);
	ioeventfd_set(vm, fd, FIRST_GPA, 4, 0, 0);
	for (;;)
		vcpu_run(vcpu);
}

/* Killed while its guest rings, which then ends. */
bool hostile_killed_vmm_is_gone(void)
{
	int fd = eventfd_create(), status;
	bool rang, killed;
	pid_t pid = fork();

	if (!pid)
		run_for_ever(fd);
	TEST_ASSERT(pid > 0, "fork() must succeed, errno %d", errno);
	while (!(rang = eventfd_take(fd)) && !waitpid(pid, &status, WNOHANG))
		usleep(1000);
	kill(pid, SIGKILL);
	killed = waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
	eventfd_take(fd);
	usleep(10000);
	if (eventfd_take(fd)) {
		ksft_print_msg("its doorbell still rings\n");
		rang = false;
	}
	close(fd);
	return rang && killed;
}
