// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers that work with any VM: time limits, statistics, what the host offers,
 * reports.
 */
#include <signal.h>
#include <sys/time.h>
#include <sys/utsname.h>

#include "pv_mmio.h"

#define RUN_SECONDS	20

static void do_nothing(int sig)
{
}

/* KVM_RUN returns in any case; a write to the console must not fail and lose its line. */
void interrupt_runs_with(int sig)
{
	const struct sigaction action = { .sa_handler = do_nothing, .sa_flags = SA_RESTART };

	sigaction(sig, &action, NULL);
}

void run_limit_start(void)
{
	/* Fires again, in case the first signal comes just before KVM_RUN. */
	const struct itimerval limit = {
		.it_value.tv_sec = RUN_SECONDS,
		.it_interval.tv_sec = 1,
	};

	interrupt_runs_with(SIGALRM);
	setitimer(ITIMER_REAL, &limit, NULL);
}

void run_limit_stop(void)
{
	const struct itimerval none = {};

	setitimer(ITIMER_REAL, &none, NULL);
}

int vcpu_run_bounded(struct kvm_vcpu *vcpu)
{
	int err;

	run_limit_start();
	err = __vcpu_run(vcpu) ? errno : 0;
	run_limit_stop();
	return err;
}

off_t find_vcpu_stat(int fd, const char *name)
{
	struct kvm_stats_desc *all, *desc;
	struct kvm_stats_header header;
	off_t offset = -1;
	int i;

	read_stats_header(fd, &header);
	all = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc && offset < 0; i++) {
		desc = get_stats_descriptor(all, i, &header);
		if (!strcmp(desc->name, name))
			offset = header.data_offset + desc->offset;
	}
	free(all);
	TEST_ASSERT(offset >= 0, "KVM must have the vCPU statistic %s", name);
	return offset;
}

u64 read_vcpu_stat(int fd, off_t offset)
{
	u64 count;
	ssize_t len = pread(fd, &count, sizeof(count), offset);

	TEST_ASSERT(len == sizeof(count), "reading a vCPU statistic must succeed, errno %d", errno);
	return count;
}

bool kernel_has_fast_path(void)
{
	struct utsname name;

	return !uname(&name) && !strstr(name.version, "PREEMPT_RT");
}

/* With mmio_caching, KVM maps MMIO by SPTEs that are misconfigured on purpose. */
bool has_ept_misconfig(void)
{
	return host_cpu_is_intel && kvm_is_tdp_enabled() && get_kvm_param_bool("mmio_caching");
}

static const char *case_name;
static unsigned int case_failures;

void case_begin(const char *name)
{
	case_name = name;
	case_failures = 0;
}

void case_fail(const char *fmt, ...)
{
	va_list args;

	case_failures++;
	printf("# %s: ", case_name);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

void case_expect(u64 got, u64 expected, const char *what)
{
	if (got != expected)
		case_fail("%s must be %#lx, it is %#lx", what, expected, got);
}

bool case_passed(void)
{
	return !case_failures;
}

bool capability_refuses_bad_arguments(struct kvm_vm *vm, u32 cap)
{
	static const struct {
		const char *name;
		u32 flags;
		u64 args[4];
	} bad[] = {
		{ "args[0] is 2", 0, { 2 } },
		{ "args[0] is 1 << 32", 0, { 1ull << 32 } },
		{ "args[0] is ~0", 0, { ~0ull } },
		{ "args[1] is 1", 0, { 1, 1 } },
		{ "args[2] is 1", 0, { 0, 0, 1 } },
		{ "args[3] is 1", 0, { 1, 0, 0, 1 } },
		{ "flags is 1", 1, { 1 } },
	};
	struct kvm_enable_cap args = { .cap = cap };
	int i, r;

	case_begin("KVM_ENABLE_CAP");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		args.flags = bad[i].flags;
		memcpy(args.args, bad[i].args, sizeof(args.args));
		errno = 0;
		r = __vm_ioctl(vm, KVM_ENABLE_CAP, &args);
		if (r != -1 || errno != EINVAL)
			case_fail("%s must fail with EINVAL, it returned %d with errno %d",
				  bad[i].name, r, errno);
	}
	return case_passed();
}

bool capability_is_offered(struct kvm_vm *vm, u32 cap, struct kvm_x86_cpu_feature feature,
			   bool reported)
{
	case_begin("discovery");
	case_expect(kvm_check_cap(cap), 1, "KVM_CHECK_EXTENSION on /dev/kvm");
	case_expect(vm_check_cap(vm, cap), 1, "KVM_CHECK_EXTENSION on a VM");
	case_expect(kvm_cpu_has(feature), reported, "the bit in KVM_GET_SUPPORTED_CPUID");
	return case_passed();
}
