// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attacker: whoever steers RAX, RCX, RDX and the place of execution, but
 * not the code.  Random accesses, all of them signed, run in two VMs, one of
 * which has the PV store off: nothing may go where it doesn't go there.
 */
#include "pv_mmio_forgery_test.h"

#define DEFAULT_SEED	0x70766d6d696f
#define NR_ROUNDS	16
#define NR_ACCESSES	48

static u64 random_state;

/* SplitMix64: the same numbers on each machine. */
static u64 random_u64(void)
{
	u64 z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static u64 pick(u64 nr)
{
	return random_u64() % nr;
}

/* Mostly where doorbells are, so that a forged store would find one. */
static u64 pick_address(void)
{
	static const u64 pages[] = {
		READ_ONLY_GPA, READ_ONLY_GPA, WRITE_ONLY_GPA, WRITE_ONLY_GPA, RAM_GPA,
	};
	static const u32 offsets[] = { 0, 0, 0, 8, 16, 4, 1, 0xffe, 0xff8 };

	return pages[pick(ARRAY_SIZE(pages))] + offsets[pick(ARRAY_SIZE(offsets))];
}

static u64 pick_entry(const struct forgery *f)
{
	u64 rip = forgery_rip(f - forgeries, pick(NR_COPIES));

	return rip + (f->nr_entries ? f->entries[pick(f->nr_entries)] : 0);
}

static struct kvm_regs pick_regs(const struct forgery *f)
{
	u64 width = 1ull << pick(4);
	struct kvm_regs regs = {
		.rax = pick(3) ? DOORBELL_VALUE : random_u64(),
		.rbx = pick(2) ? DOORBELL_VALUE : random_u64(),
		.rdx = pick_address(),
		.rsi = pick_address(),
		.rdi = pick_address(),
		.rsp = pick_address() + 8,
		.rip = pick_entry(f),
		.rflags = CASE_RFLAGS,
	};

	if (f->is_string)
		regs.rdi = pick(2) ? regs.rdx : pick_address();
	if (f->is_repeated) {
		/* RCX is the count: no more than that is left of a signature. */
		regs.rcx = 1 + pick(2);
	} else {
		regs.rcx = PV_MMIO_RCX(pick(8) ? f->width : width, regs.rdx);
	}
	return regs;
}

/* Makes the true stores known, at each width, before forging starts. */
static void learn_stores(struct forgery_vm vms[2])
{
	struct kvm_regs regs = { .rax = 1, .rdx = WRITE_ONLY_GPA + 0x100, .rflags = CASE_RFLAGS };
	int i, j, run;

	for (i = 0; i < NR_FORGERIES * NR_COPIES; i++) {
		if (!forgeries[i % NR_FORGERIES].is_store)
			continue;
		regs.rip = forgery_rip(i % NR_FORGERIES, i / NR_FORGERIES);
		regs.rcx = PV_MMIO_RCX(forgeries[i % NR_FORGERIES].width, regs.rdx);
		for (run = 0; run < 3; run++)
			for (j = 0; j < 2; j++)
				forgery_run(&vms[j], &regs);
	}
}

static void report_regs(const struct kvm_regs *regs)
{
	case_fail("rip %#llx rsp %#llx rax %#llx rbx %#llx", regs->rip, regs->rsp, regs->rax,
		  regs->rbx);
	case_fail("rcx %#llx rdx %#llx rsi %#llx rdi %#llx", regs->rcx, regs->rdx, regs->rsi,
		  regs->rdi);
}

static bool run_round(struct forgery_vm vms[2], const struct forgery *f)
{
	struct kvm_regs regs;
	int i;

	case_begin(f->name);
	for (i = 0; i < NR_ACCESSES && case_passed(); i++) {
		regs = pick_regs(f);
		forgery_run(&vms[0], &regs);
		forgery_run(&vms[1], &regs);
		forgery_compare(&vms[0], &vms[1]);
		if (!case_passed())
			report_regs(&regs);
	}
	return case_passed();
}

/* One that is known at every place: kinds of code in random order. */
static bool run_mixture(struct forgery_vm vms[2])
{
	bool passed = true;
	int i;

	for (i = 0; i < NR_ROUNDS && passed; i++)
		passed = run_round(vms, &forgeries[pick(NR_FORGERIES)]);
	return passed;
}

static u64 choose_seed(int argc, char **argv)
{
	u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : DEFAULT_SEED;

	ksft_print_msg("seed %#lx; another one as argument draws other accesses\n", seed);
	return seed;
}

int main(int argc, char **argv)
{
	struct forgery_vm vms[2];
	int i;

	ksft_print_header();
	if (!kvm_has_cap(KVM_CAP_X86_PV_MMIO))
		ksft_exit_skip("KVM_CAP_X86_PV_MMIO is not offered\n");
	ksft_set_plan(NR_FORGERIES + 2);
	random_state = choose_seed(argc, argv);

	forgery_vm_create(&vms[0], true);
	forgery_vm_create(&vms[1], false);
	learn_stores(vms);
	for (i = 0; i < NR_FORGERIES; i++)
		ksft_test_result(run_round(vms, &forgeries[i]), "%s\n", forgeries[i].name);
	ksft_test_result(run_mixture(vms), "all of them in random order\n");
	ksft_test_result(vms[0].decodes_saved > vms[1].decodes_saved,
			 "stores were known meanwhile\n");
	forgery_vm_free(&vms[0]);
	forgery_vm_free(&vms[1]);
	ksft_finished();
}
