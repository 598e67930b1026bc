// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM that guest accesses run in: its pages and code.
 */
#include <signal.h>
#include <sys/time.h>
#include <sys/utsname.h>

#include "pv_mmio_case.h"

#define RUN_SECONDS	20

static void interrupt_run(int sig)
{
}

void run_limit_start(void)
{
	/* Fires again, lest the first one comes just before KVM_RUN. */
	const struct itimerval limit = {
		.it_value.tv_sec = RUN_SECONDS,
		.it_interval.tv_sec = 1,
	};
	const struct sigaction action = { .sa_handler = interrupt_run };

	sigaction(SIGALRM, &action, NULL);
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

u64 count_decodes(struct case_vm *cvm)
{
	return read_vcpu_stat(cvm->stats_fd, cvm->decodes_offset);
}

/* Beside those that hold code. */
static const struct {
	u64 gva, gpa;
} case_pages[] = {
	{ CODE_GPA, CODE_GPA },
	{ CODE_GPA + PAGE_SIZE, CODE_GPA + PAGE_SIZE },
	{ RAM_GPA, RAM_GPA },
	{ ROM_GPA, ROM_GPA },
	{ MMIO_GPA, MMIO_GPA },
	{ MMIO_GPA + PAGE_SIZE, MMIO_GPA + PAGE_SIZE },
	{ MMIO_HIGH_GVA, MMIO_GPA },
	{ MMIO_TOP_GVA, MMIO_GPA },
	{ IOAPIC_GPA, IOAPIC_GPA },
};

#define NR_CASE_PAGES	(ARRAY_SIZE(case_pages) + CODE_SLOT_PAGES)

static u64 case_page_gva(int i)
{
	if (i < ARRAY_SIZE(case_pages))
		return case_pages[i].gva;

	return CODE_SLOTS_GPA + (i - ARRAY_SIZE(case_pages)) * PAGE_SIZE;
}

static u64 case_page_gpa(int i)
{
	if (i < ARRAY_SIZE(case_pages))
		return case_pages[i].gpa;

	return case_page_gva(i);
}

static void case_vm_map(struct kvm_vm *vm, u64 gva, u64 gpa)
{
	int level;

	virt_pg_map(vm, gva, gpa);
	for (level = PG_LEVEL_512G; level >= PG_LEVEL_4K; level--) {
		int at = level;

		*__vm_get_page_table_entry(vm, gva, &at) |= PTE_USER_MASK;
	}
}

static void case_vm_map_all(struct kvm_vm *vm)
{
	int i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, CODE_GPA, 1, 3 + CODE_SLOT_PAGES, 0);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, ROM_GPA, 2, 1, KVM_MEM_READONLY);
	for (i = 0; i < NR_CASE_PAGES; i++)
		case_vm_map(vm, case_page_gva(i), case_page_gpa(i));
}

u64 *case_pte(struct case_vm *cvm, u64 gva)
{
	int level = PG_LEVEL_4K;

	return __vm_get_page_table_entry(cvm->vm, gva, &level);
}

void case_flush_tlb(struct case_vm *cvm)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(cvm->vcpu, &sregs);
	sregs.cr4 ^= X86_CR4_PGE;
	vcpu_sregs_set(cvm->vcpu, &sregs);
	sregs.cr4 ^= X86_CR4_PGE;
	vcpu_sregs_set(cvm->vcpu, &sregs);
}

void case_make_supervisor(struct case_vm *cvm, u64 cr4)
{
	int i;

	for (i = 0; i < NR_CASE_PAGES; i++)
		*case_pte(cvm, case_page_gva(i)) &= ~PTE_USER_MASK;
	case_flush_tlb(cvm);
	cvm->sregs.cr4 |= cr4;
}

/*
 * KVM decodes the first access to a page because it can't know yet that
 * there is no RAM; without nested paging, to each linear address of one.  Have
 * that done.
 */
static void touch_mmio_pages(struct case_vm *cvm)
{
	static const u64 gvas[] = { MMIO_GPA, MMIO_GPA + PAGE_SIZE, MMIO_HIGH_GVA, MMIO_TOP_GVA };
	struct access_case touch = {
		.name = "touch",
		CODE("\x88\x02"),	/* mov %al,(%rdx) */
		.exits = { { STORE_EXIT, 1, MMIO_GPA } },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(gvas); i++) {
		touch.regs.rdx = gvas[i];
		touch.exits[0].gpa = i == 1 ? MMIO_GPA + PAGE_SIZE : MMIO_GPA;
		TEST_ASSERT(run_case(cvm, &touch), "a plain store must work");
	}
}

static void hide_feature(struct kvm_vcpu *vcpu, struct kvm_x86_cpu_feature feature)
{
	vcpu_enable_cap(vcpu, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1);
	vcpu_clear_cpuid_feature(vcpu, feature);
}

void case_vm_create(struct case_vm *cvm, const struct kvm_x86_cpu_feature *hidden)
{
	int i;

	cvm->vm = vm_create_with_one_vcpu(&cvm->vcpu, NULL);
	case_vm_map_all(cvm->vm);
	if (hidden)
		hide_feature(cvm->vcpu, *hidden);
	vcpu_regs_get(cvm->vcpu, &cvm->regs);
	vcpu_sregs_get(cvm->vcpu, &cvm->sregs);
	cvm->stats_fd = vcpu_get_stats_fd(cvm->vcpu);
	cvm->decodes_offset = find_vcpu_stat(cvm->stats_fd, "insn_emulation");
	cvm->fast_offset = find_vcpu_stat(cvm->stats_fd, "pv_mmio_fast");
	cvm->slow_offset = find_vcpu_stat(cvm->stats_fd, "pv_mmio_slow");
	cvm->nr_slots = 0;
	for (i = 0; i < MAX_BELLS; i++)
		cvm->bell_fds[i] = eventfd_create();
	touch_mmio_pages(cvm);
}

void case_vm_free(struct case_vm *cvm)
{
	int i;

	for (i = 0; i < MAX_BELLS; i++)
		close(cvm->bell_fds[i]);
	close(cvm->stats_fd);
	kvm_vm_free(cvm->vm);
}

void case_vm_forget(struct case_vm *cvm)
{
	const u64 gpa = CODE_GPA + 0x200000;

	vm_userspace_mem_region_add(cvm->vm, VM_MEM_SRC_ANONYMOUS, gpa, 3, 1, 0);
	vm_mem_region_delete(cvm->vm, 3);
	touch_mmio_pages(cvm);
}

bool kernel_has_fast_path(void)
{
	struct utsname name;

	return !uname(&name) && !strstr(name.version, "PREEMPT_RT");
}

/* KVM finds MMIO by entries that EPT doesn't allow, where it may use those. */
bool has_ept_misconfig(void)
{
	return host_cpu_is_intel && kvm_is_tdp_enabled() && get_kvm_param_bool("mmio_caching");
}

/*
 * An EPT misconfiguration doesn't say that it was a store, so user mode's take
 * the slow way; without nested paging, all do.
 */
bool machine_has_fast_stores(enum cpu_mode mode)
{
	if (host_cpu_is_intel)
		return has_ept_misconfig() && mode == CPL0_64BIT;
	return kvm_is_tdp_enabled() && (mode == CPL0_64BIT || mode == CPL3_64BIT);
}

bool store_has_fast_path(enum cpu_mode mode)
{
	return kernel_has_fast_path() && machine_has_fast_stores(mode);
}

/* Mostly a case gets addresses of its own, so that KVM can't know its code. */
static u64 choose_place(struct case_vm *cvm, const struct access_case *c)
{
	if (c->code_gpa)
		return c->code_gpa;

	TEST_ASSERT(c->code_len + DONE_INSN_LEN <= CODE_SLOT_SIZE, "code must fit into its slot");
	TEST_ASSERT(cvm->nr_slots < CODE_SLOT_PAGES * PAGE_SIZE / CODE_SLOT_SIZE,
		    "all cases must have a slot");
	return CODE_SLOTS_GPA + cvm->nr_slots++ * CODE_SLOT_SIZE;
}

u64 case_place_code(struct case_vm *cvm, const struct access_case *c)
{
	u64 gpa = choose_place(cvm, c);
	char *hva = addr_gpa2hva(cvm->vm, gpa);
	s32 disp = MMIO_GPA - (gpa + c->code_len);

	if (c->is_placed)
		return gpa;

	memcpy(hva, c->code, c->code_len);
	if (c->rip_relative)
		memcpy(hva + c->rip_relative, &disp, sizeof(disp));
	memcpy(hva + c->code_len, DONE_INSN, DONE_INSN_LEN);
	return gpa;
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
