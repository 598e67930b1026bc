// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM that guest accesses run in: its pages, modes, and code.
 */
#include <signal.h>
#include <sys/time.h>

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
	static const struct {
		u64 gva, gpa;
	} pages[] = {
		{ CODE_GPA, CODE_GPA },
		{ CODE_GPA + PAGE_SIZE, CODE_GPA + PAGE_SIZE },
		{ RAM_GPA, RAM_GPA },
		{ ROM_GPA, ROM_GPA },
		{ MMIO_GPA, MMIO_GPA },
		{ MMIO_GPA + PAGE_SIZE, MMIO_GPA + PAGE_SIZE },
		{ MMIO_HIGH_GVA, MMIO_GPA },
		{ IOAPIC_GPA, IOAPIC_GPA },
	};
	int i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, CODE_GPA, 1, 3, 0);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, ROM_GPA, 2, 1, KVM_MEM_READONLY);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		case_vm_map(vm, pages[i].gva, pages[i].gpa);
}

/*
 * KVM decodes the first access to a page because it can't know yet that
 * there is no RAM.  Have that behind us.
 */
static void touch_mmio_pages(struct case_vm *cvm)
{
	struct access_case touch = {
		.name = "touch",
		CODE("\x88\x02"),	/* mov %al,(%rdx) */
		.exits = { { STORE_EXIT, 1 } },
	};
	u64 gpa;

	for (gpa = MMIO_GPA; gpa <= MMIO_GPA + PAGE_SIZE; gpa += PAGE_SIZE) {
		touch.regs.rdx = gpa;
		touch.exits[0].gpa = gpa;
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

static void make_user_mode(struct kvm_sregs *sregs)
{
	sregs->cs.dpl = 3;
	sregs->cs.selector |= 3;
	sregs->ss.dpl = 3;
	sregs->ss.selector |= 3;
}

/* PAE's four first-level entries are 32-byte aligned, not a page. */
#define PAE_CR3		(CODE_GPA + PAGE_SIZE - 4 * sizeof(u64))
#define PAE_TABLE	(CODE_GPA + PAGE_SIZE)

static void make_page_tables(struct case_vm *cvm)
{
	u64 *pdpte = addr_gpa2hva(cvm->vm, PAE_CR3);
	u64 *pde = addr_gpa2hva(cvm->vm, PAE_TABLE);

	pdpte[CODE_GPA >> 30] = PAE_TABLE | PTE_PRESENT_MASK;
	pde[0] = CODE_GPA | PTE_LARGE_MASK | PTE_WRITABLE_MASK | PTE_PRESENT_MASK;
}

static void make_protected_mode(struct case_vm *cvm, struct kvm_sregs *sregs, bool paging)
{
	sregs->cs.l = 0;
	sregs->cs.db = 1;
	sregs->efer = 0;
	sregs->cr0 &= ~X86_CR0_PG;
	if (!paging)
		return;

	make_page_tables(cvm);
	sregs->cr0 |= X86_CR0_PG;
	sregs->cr3 = PAE_CR3;
}

void case_set_mode(struct case_vm *cvm, enum cpu_mode mode)
{
	struct kvm_sregs sregs = cvm->sregs;

	/* The library leaves SS as reset made it. */
	sregs.ss = sregs.ds;
	if (mode == CPL3_64BIT) {
		make_user_mode(&sregs);
	} else if (mode == CPL0_32BIT) {
		sregs.cs.l = 0;
		sregs.cs.db = 1;
	} else if (mode == CPL0_PROTECTED || mode == CPL0_PAE) {
		make_protected_mode(cvm, &sregs, mode == CPL0_PAE);
	}
	vcpu_sregs_set(cvm->vcpu, &sregs);
}

/* Every case gets addresses of its own, so that KVM can't know its code. */
u64 case_place_code(struct case_vm *cvm, const struct access_case *c)
{
	u64 gpa = CODE_GPA + cvm->nr_slots * CODE_SLOT_SIZE;
	char *hva;

	if (c->code_crosses_page)
		gpa = CODE_GPA + PAGE_SIZE - 1;
	else
		cvm->nr_slots++;
	TEST_ASSERT(c->code_len + DONE_INSN_LEN <= CODE_SLOT_SIZE, "code must fit into its slot");
	TEST_ASSERT(cvm->nr_slots < PAGE_SIZE / CODE_SLOT_SIZE, "all cases must fit into a page");

	hva = addr_gpa2hva(cvm->vm, gpa);
	memcpy(hva, c->code, c->code_len);
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
