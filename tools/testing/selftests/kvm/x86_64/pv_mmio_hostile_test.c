// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM that does what it shouldn't: malformed calls, file descriptors closed in
 * any order, VMs without end.  Existing doorbells go on working, and memory use
 * returns to where it was.
 *
 * -n VMS  how many VMs to create and destroy (default 150)
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "pv_mmio.h"

#define DEFAULT_VMS	150
#define BELL_GPA	0xd0000000ul
#define BELL_VALUE	0x1234
#define RINGS		4
#define NR_BELLS	16
#define FIRST_PORT	0x2000
/* Allowance for free pages that wait on some list, which count as used. */
#define NOISE_KIB	1024
#define SETTLE_STEPS	40
/* With fewer, a leak can't be told from other changes in memory use. */
#define MIN_VMS		100
#define MAX_CACHES	64
/* A list of NR_LONG devices takes 768 KiB. */
#define NR_LONG		32768
#define NR_MORE		24

static void guest_ring(void)
{
	int i;

	for (i = 0; i < RINGS; i++) {
		guest_pv_store_4(BELL_GPA, BELL_VALUE);
		kvm_hypercall(KVM_HC_MMIO_WRITE, BELL_GPA, BELL_VALUE, 4, 0);
	}
	GUEST_DONE();
}

static struct kvm_vm *create_vm(struct kvm_vcpu **vcpu, int fd)
{
	struct kvm_vm *vm = vm_create_with_one_vcpu(vcpu, guest_ring);

	vm_enable_cap(vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	virt_pg_map(vm, BELL_GPA, BELL_GPA);
	ioeventfd_set(vm, fd, BELL_GPA, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, BELL_VALUE);
	return vm;
}

/* Returns whether the doorbell rings as often as it must. */
static bool bell_works(struct kvm_vcpu *vcpu, int fd)
{
	struct ucall uc;
	u64 signals;

	if (vcpu_run_bounded(vcpu) || get_ucall(vcpu, &uc) != UCALL_DONE) {
		ksft_print_msg("the guest didn't come to its end\n");
		return false;
	}
	signals = eventfd_take(fd);
	if (signals != 2 * RINGS)
		ksft_print_msg("%lu signals instead of %d\n", signals, 2 * RINGS);
	return signals == 2 * RINGS;
}

struct bad_ioeventfd {
	const char *name;
	struct kvm_ioeventfd args;
	enum { GOOD_FD, NO_FD, CLOSED_FD, OTHER_FD } fd;
	int error;
};

#define ARGS(gpa, length, flag, value)					\
	{ .addr = (gpa), .len = (length), .flags = (flag), .datamatch = (value) }
#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define REMOVE	KVM_IOEVENTFD_FLAG_DEASSIGN

static const struct bad_ioeventfd bad_ioeventfds[] = {
	{ "no descriptor", ARGS(BELL_GPA + 64, 4, 0, 0), NO_FD, EBADF },
	{ "a closed descriptor", ARGS(BELL_GPA + 64, 4, 0, 0), CLOSED_FD, EBADF },
	{ "a descriptor of a VM", ARGS(BELL_GPA + 64, 4, 0, 0), OTHER_FD, EINVAL },
	{ "length 3", ARGS(BELL_GPA + 64, 3, 0, 0), GOOD_FD, EINVAL },
	{ "length 16", ARGS(BELL_GPA + 64, 16, 0, 0), GOOD_FD, EINVAL },
	{ "length ~0", ARGS(BELL_GPA + 64, ~0u, 0, 0), GOOD_FD, EINVAL },
	{ "beyond the last address", ARGS(~0ull - 3, 8, 0, 0), GOOD_FD, EINVAL },
	{ "an unknown flag", ARGS(BELL_GPA + 64, 4, 1 << 30, 0), GOOD_FD, EINVAL },
	{ "a value without length", ARGS(BELL_GPA + 64, 0, MATCH, 1), GOOD_FD, EINVAL },
	{ "the same again", ARGS(BELL_GPA, 4, MATCH, BELL_VALUE), GOOD_FD, EEXIST },
	{ "any value on top", ARGS(BELL_GPA, 4, 0, 0), GOOD_FD, EEXIST },
	{ "any length on top", ARGS(BELL_GPA, 0, 0, 0), GOOD_FD, EEXIST },
	{ "removal of another value", ARGS(BELL_GPA, 4, MATCH | REMOVE, 1), GOOD_FD, ENOENT },
	{ "removal of any value", ARGS(BELL_GPA, 4, REMOVE, 0), GOOD_FD, ENOENT },
	{ "removal of any length", ARGS(BELL_GPA, 0, REMOVE, 0), GOOD_FD, ENOENT },
	{ "removal from the ports", ARGS(BELL_GPA, 4, MATCH | REMOVE | KVM_IOEVENTFD_FLAG_PIO,
					 BELL_VALUE), GOOD_FD, ENOENT },
	{ "removal by a closed descriptor", ARGS(BELL_GPA, 4, MATCH | REMOVE, BELL_VALUE),
	  CLOSED_FD, EBADF },
};

static bool is_refused(struct kvm_vm *vm, const struct bad_ioeventfd *bad, int good_fd)
{
	int fds[] = { good_fd, -1, dup(good_fd), vm->fd };
	struct kvm_ioeventfd args = bad->args;
	int ret;

	close(fds[CLOSED_FD]);
	args.fd = fds[bad->fd];
	errno = 0;
	ret = __vm_ioctl(vm, KVM_IOEVENTFD, &args);
	if (ret == -1 && errno == bad->error)
		return true;

	ksft_print_msg("it returned %d with errno %d instead of %d\n", ret, errno, bad->error);
	return false;
}

/* Each is tried in its own VM, whose doorbell has to work after it. */
static void test_bad_ioeventfds(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	bool good;
	int i, fd;

	for (i = 0; i < ARRAY_SIZE(bad_ioeventfds); i++) {
		fd = eventfd_create();
		vm = create_vm(&vcpu, fd);
		good = is_refused(vm, &bad_ioeventfds[i], fd);
		good &= bell_works(vcpu, fd);
		ksft_test_result(good, "%s\n", bad_ioeventfds[i].name);
		kvm_vm_free(vm);
		close(fd);
	}
}

static void test_bad_pointers(void)
{
	static const struct {
		const char *name;
		unsigned long request;
		void *pointer;
	} calls[] = {
		{ "KVM_IOEVENTFD from nowhere", KVM_IOEVENTFD, NULL },
		{ "KVM_IOEVENTFD from the kernel", KVM_IOEVENTFD, (void *)0xffffffff81000000 },
		{ "KVM_ENABLE_CAP from nowhere", KVM_ENABLE_CAP, NULL },
		{ "KVM_ENABLE_CAP from the kernel", KVM_ENABLE_CAP, (void *)0xffffffff81000000 },
	};
	struct kvm_vm *vm = vm_create_barebones();
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ret = ioctl(vm->fd, calls[i].request, calls[i].pointer);
		ksft_test_result(ret == -1 && errno == EFAULT, "%s\n", calls[i].name);
	}
	kvm_vm_free(vm);
}

/* The numbers next to ours, and ours on a vCPU, which doesn't have them. */
static void test_bad_caps(void)
{
	static const struct {
		const char *name;
		u32 cap;
		bool of_vcpu;
	} caps[] = {
		{ "the number below", KVM_CAP_X86_PV_MMIO - 1 },
		{ "the number above", KVM_CAP_X86_HC_MMIO_WRITE + 1 },
		{ "stores, on a vCPU", KVM_CAP_X86_PV_MMIO, true },
		{ "hypercall, on a vCPU", KVM_CAP_X86_HC_MMIO_WRITE, true },
	};
	struct kvm_vcpu *vcpu;
	int i, ret, fd = eventfd_create();
	struct kvm_vm *vm = create_vm(&vcpu, fd);

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		struct kvm_enable_cap args = { .cap = caps[i].cap, .args = { 0 } };

		ret = ioctl(caps[i].of_vcpu ? vcpu->fd : vm->fd, KVM_ENABLE_CAP, &args);
		ksft_test_result(ret == -1 && errno == EINVAL, "%s\n", caps[i].name);
	}
	ksft_test_result(bell_works(vcpu, fd), "doorbell after all of these\n");
	kvm_vm_free(vm);
	close(fd);
}

enum { CLOSE_VM, CLOSE_VCPU, UNMAP_RUN, CLOSE_EVENTFD, NR_CLOSES, NR_ORDERS = 24 };

/* Closes them in the order with that number. */
static void close_all(struct kvm_vm *vm, struct kvm_vcpu *vcpu, int fd, int order)
{
	int left[NR_CLOSES] = { CLOSE_VM, CLOSE_VCPU, UNMAP_RUN, CLOSE_EVENTFD };
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int nr, pick, ret = 0;

	for (nr = NR_CLOSES; nr; nr--) {
		pick = order % nr;
		order /= nr;
		if (left[pick] == CLOSE_VM)
			ret |= close(vm->fd);
		else if (left[pick] == CLOSE_VCPU)
			ret |= close(vcpu->fd);
		else if (left[pick] == UNMAP_RUN)
			ret |= munmap(vcpu->run, size);
		else
			ret |= close(fd);
		left[pick] = left[nr - 1];
	}
	TEST_ASSERT(!ret, "closing must succeed, errno %d", errno);
}

static bool child_succeeds(pid_t pid)
{
	int status;

	TEST_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid, "a child must start and end");
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Each runs in a child, as the library can't free a VM whose descriptors are closed. */
static void test_closing_orders(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int order, fd, good = 0;
	pid_t pid;

	for (order = 0; order < NR_ORDERS; order++) {
		pid = fork();
		if (!pid) {
			fd = eventfd_create();
			vm = create_vm(&vcpu, fd);
			if (!bell_works(vcpu, fd))
				_exit(1);
			close_all(vm, vcpu, fd, order);
			_exit(0);
		}
		good += child_succeeds(pid);
	}
	if (good < NR_ORDERS)
		ksft_print_msg("%d of %d orders failed\n", NR_ORDERS - good, NR_ORDERS);
	ksft_test_result(good == NR_ORDERS, "descriptors closed in every order\n");
}

/* The memory that the kernel uses, in total and in the caches of kmalloc(). */
struct memory {
	long used_kib;
	int nr_caches;
	struct slab_cache {
		char name[32];
		long objects;
	} caches[MAX_CACHES];
};

static void set_many_bells(int vm, int fd)
{
	struct kvm_ioeventfd args = { .fd = fd };
	u32 i;

	for (i = 0; i < NR_BELLS; i++) {
		args.flags = i % 4 < 2 ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0;
		args.flags |= i % 4 == 1 ? KVM_IOEVENTFD_FLAG_PIO : 0;
		args.addr = i % 4 == 1 ? FIRST_PORT + 8 * i : BELL_GPA + 8 * i;
		args.len = i % 4 == 3 ? 0 : 4;
		args.datamatch = i;
		TEST_ASSERT(!ioctl(vm, KVM_IOEVENTFD, &args),
			    "KVM_IOEVENTFD must succeed, errno %d", errno);
	}
}

/* The VM has doorbells when it goes; now and then a vCPU's descriptor outlives it. */
static void make_vm(int kvm, int fd, u32 i)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu = -1;

	TEST_ASSERT(vm >= 0, "KVM_CREATE_VM must succeed, errno %d", errno);
	set_many_bells(vm, fd);
	if (i % 16 == 0) {
		vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
		TEST_ASSERT(vcpu >= 0, "KVM_CREATE_VCPU must succeed, errno %d", errno);
	}
	close(vm);
	if (vcpu >= 0)
		close(vcpu);
}

static void make_vms(u32 vms)
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

/* Our structures come from kmalloc(), whose caches others use as well. */
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

static void read_memory(struct memory *memory)
{
	memory->used_kib = read_field("MemTotal") - read_field("MemFree") -
			   read_field("Buffers") - read_field("Cached") -
			   read_field("SReclaimable");
	read_caches(memory);
}

/* The first cache that has grown by an object for each VM, or NULL. */
static const struct slab_cache *grown_cache(const struct memory *before,
					    const struct memory *after, u32 vms)
{
	int i;

	for (i = 0; i < after->nr_caches && i < before->nr_caches; i++)
		if (after->caches[i].objects - before->caches[i].objects >= vms)
			return &after->caches[i];
	return NULL;
}

/* Some memory is freed only after a grace period, so wait for it. */
static bool memory_is_back(const struct memory *before, struct memory *after, u32 vms)
{
	const struct slab_cache *grown;
	long more;
	int i;

	for (i = 0; i < SETTLE_STEPS; i++) {
		usleep(50000);
		read_memory(after);
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

/* Bochs takes the host's interrupts at an entry only if the guest's are enabled. */
static void guest_ring_for_ever(void)
{
	asm volatile("sti");
	for (;;)
		guest_pv_store_4(BELL_GPA, 1);
}

static void run_for_ever(int fd)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_ring_for_ever);

	virt_pg_map(vm, BELL_GPA, BELL_GPA);
	ioeventfd_set(vm, fd, BELL_GPA, 4, 0, 0);
	for (;;)
		vcpu_run(vcpu);
}

/* The VMM is killed while its guest rings, and the ringing must end. */
static bool killed_vmm_is_gone(void)
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

static void test_many_vms(u32 vms)
{
	struct memory before, after;
	bool good;

	/* A kernel with kmemleak usually has KASAN, which keeps freed memory for a while. */
	if (!access("/sys/kernel/debug/kmemleak", F_OK)) {
		make_vms(vms);
		ksft_test_result_skip("memory is back where it was: kmemleak knows better\n");
		return;
	}

	/* The first VMs fill the kernel's caches, which aren't a leak. */
	make_vms(vms / 3 + 1);
	read_memory(&before);
	make_vms(vms);
	good = memory_is_back(&before, &after, vms);
	printf("# %u VMs: %ld KiB in use before, %ld after\n", vms, before.used_kib,
	       after.used_kib);
	ksft_test_result(good, "memory is back where it was\n");
}

/*
 * KVM copies its list of devices for each ioeventfd that is assigned, and may keep
 * some old ones for a while: but not all, if they are that long.
 */
static void test_old_lists(void)
{
	struct kvm_ioeventfd *many = calloc(NR_LONG, sizeof(*many));
	struct kvm_ioeventfds args = { .nr = NR_LONG, .entries = (u64)many };
	int kvm = open_kvm_dev_path_or_exit(), fd = eventfd_create();
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	struct memory before, after;
	bool good;
	u32 i;

	for (i = 0; i < NR_LONG; i++)
		many[i] = (struct kvm_ioeventfd){ .addr = BELL_GPA + 8ul * i, .len = 4, .fd = fd };
	TEST_ASSERT(!ioctl(vm, KVM_IOEVENTFDS, &args), "they must be assigned, errno %d", errno);
	read_memory(&before);
	for (i = 0; i < NR_MORE; i++) {
		many[0].addr = BELL_GPA - 8ul * (i + 1);
		TEST_ASSERT(!ioctl(vm, KVM_IOEVENTFD, &many[0]), "so must one more, errno %d",
			    errno);
	}
	/* Of kmalloc's caches, that of ioeventfds grows. */
	good = memory_is_back(&before, &after, NR_MORE + 64);
	printf("# %ld KiB in use before, %ld after\n", before.used_kib, after.used_kib);
	ksft_test_result(good, "old lists of devices don't pile up\n");
	close(vm);
	close(fd);
	close(kvm);
	free(many);
}

int main(int argc, char **argv)
{
	u32 vms = DEFAULT_VMS;
	int option;

	while ((option = getopt(argc, argv, "n:")) != -1) {
		if (option == 'n')
			vms = strtoul(optarg, NULL, 0);
		if (option != 'n' || vms < MIN_VMS)
			ksft_exit_fail_msg("options: -n VMS, at least %d\n", MIN_VMS);
	}
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFDS));
	ksft_set_plan(ARRAY_SIZE(bad_ioeventfds) + 4 + 5 + 2 + 2);

	test_bad_ioeventfds();
	test_bad_pointers();
	test_bad_caps();
	test_closing_orders();
	ksft_test_result(killed_vmm_is_gone(), "a VMM that is killed\n");
	test_old_lists();
	test_many_vms(vms);
	ksft_finished();
}
