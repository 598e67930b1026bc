/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cheap doorbells: what the guests and hosts of these tests share.
 */
#ifndef SELFTEST_KVM_PV_MMIO_H
#define SELFTEST_KVM_PV_MMIO_H

#include <sys/eventfd.h>
#include <linux/kvm_pv_mmio.h>

#include "kvm_util.h"
#include "processor.h"
#include "pv_mmio_compat.h"
#include "kselftest.h"

#define X86_FEATURE_KVM_PV_MMIO \
	KVM_X86_CPU_FEATURE(KVM_CPUID_FEATURES, 0, EAX, KVM_FEATURE_PV_MMIO)
#define X86_FEATURE_KVM_HC_MMIO_WRITE \
	KVM_X86_CPU_FEATURE(KVM_CPUID_FEATURES, 0, EAX, KVM_FEATURE_HC_MMIO_WRITE)

/*
 * The fixed instructions.  They are spelt so that the assembler has only the
 * contract's encoding to choose.
 */
#define BUILD_GUEST_PV_STORE(width, insn)				\
static inline void guest_pv_store_##width(u64 gva, u64 value)		\
{									\
	asm volatile(insn : : "a"(value), "d"(gva) : "memory");		\
}

BUILD_GUEST_PV_STORE(1, "mov %%al, (%%rdx)")
BUILD_GUEST_PV_STORE(2, "mov %%ax, (%%rdx)")
BUILD_GUEST_PV_STORE(4, "mov %%eax, (%%rdx)")
BUILD_GUEST_PV_STORE(8, "mov %%rax, (%%rdx)")

/* vmcall and vmmcall have the same length; the host knows which one it has. */
#define HYPERCALL_INSN_LEN	3

static inline const char *hypercall_insn(void)
{
	return host_cpu_is_amd ? "\x0f\x01\xd9" : "\x0f\x01\xc1";
}

/* From now on, this signal makes KVM_RUN fail with EINTR, and has no other effect. */
void interrupt_runs_with(int sig);
/* Between these two, KVM_RUN fails with EINTR if the guest stays too long. */
void run_limit_start(void);
void run_limit_stop(void);
/* One KVM_RUN with that limit.  Returns 0 or the error number. */
int vcpu_run_bounded(struct kvm_vcpu *vcpu);

off_t find_vcpu_stat(int stats_fd, const char *name);
u64 read_vcpu_stat(int stats_fd, off_t offset);

/* On PREEMPT_RT, the exit fast path can't signal an eventfd. */
bool kernel_has_fast_path(void);
/* Do MMIO faults exit as EPT misconfigurations? */
bool has_ept_misconfig(void);

/* These report in TAP comments; the caller prints the result. */
void case_begin(const char *name);
__printf(1, 2) void case_fail(const char *fmt, ...);
void case_expect(u64 got, u64 expected, const char *what);
bool case_passed(void);

bool capability_refuses_bad_arguments(struct kvm_vm *vm, u32 cap);
/* @reported: whether KVM_GET_SUPPORTED_CPUID has the bit of @feature. */
bool capability_is_offered(struct kvm_vm *vm, u32 cap, struct kvm_x86_cpu_feature feature,
			   bool reported);

/* Bits of a guest's page table entry. */
#define GPTE_PRESENT	BIT_ULL(0)
#define GPTE_WRITABLE	BIT_ULL(1)
#define GPTE_USER	BIT_ULL(2)
#define GPTE_ACCESSED	BIT_ULL(5)
#define GPTE_DIRTY	BIT_ULL(6)
#define GPTE_LARGE	BIT_ULL(7)

/* The entry of @level for @gva in the library's tables. */
u64 *vm_pte(struct kvm_vm *vm, u64 gva, int level);

/* For guests in user mode: access to all that is mapped so far; user segments. */
void vm_allow_user(struct kvm_vm *vm);
void sregs_set_user_mode(struct kvm_sregs *sregs);

static inline int eventfd_create(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	TEST_ASSERT(fd >= 0, "eventfd() must succeed, errno %d", errno);
	return fd;
}

/* How often the eventfd was signalled since the last call. */
static inline u64 eventfd_take(int fd)
{
	u64 count = 0;

	if (read(fd, &count, sizeof(count)) == sizeof(count))
		return count;

	TEST_ASSERT(errno == EAGAIN, "reading an eventfd must succeed, errno %d", errno);
	return 0;
}

/* @flags are KVM_IOEVENTFD_FLAG_*, @len 0 stands for a store of any length. */
static inline void ioeventfd_set(struct kvm_vm *vm, int fd, u64 addr, u32 len,
				 u32 flags, u64 datamatch)
{
	struct kvm_ioeventfd args = {
		.datamatch = datamatch,
		.addr = addr,
		.len = len,
		.fd = fd,
		.flags = flags,
	};

	vm_ioctl(vm, KVM_IOEVENTFD, &args);
}

#endif /* SELFTEST_KVM_PV_MMIO_H */
