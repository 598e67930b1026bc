// SPDX-License-Identifier: GPL-2.0-only
/*
 * Length-0 ioeventfds of unmodified guests: a store of any kind rings, and a
 * load reaches the VMM, at first and where KVM has seen the code before.
 */
#include "pv_mmio_case.h"

#define VALUE	0x1122334455667788ull

#define LOADS(name_, code_, len_, rax)					\
	{								\
		.name = name_, CODE(code_), .changes_rax = true,	\
		.rax_after = rax,					\
		.bells = { { ANY_VALUE, 0, 0, MMIO_GPA } },		\
		.exits = { { LOAD_EXIT, len_, MMIO_GPA } },		\
	}
#define RINGS(name_, code_)						\
	{								\
		.name = name_, CODE(code_),				\
		.bells = { { ANY_VALUE, 0, 1, MMIO_GPA } },		\
	}

static const struct access_case cases[] = {
	LOADS("1-byte load", "\x8a\x02", 1, (VALUE & ~0xffull) | 0xa5),
	LOADS("2-byte load", "\x66\x8b\x02", 2, (VALUE & ~0xffffull) | 0xa5a5),
	LOADS("4-byte load", "\x8b\x02", 4, 0xa5a5a5a5),
	LOADS("8-byte load", "\x48\x8b\x02", 8, 0xa5a5a5a5a5a5a5a5),
	LOADS("4-byte load, DS prefix", "\x3e\x8b\x02", 4, 0xa5a5a5a5),
	LOADS("4-byte load, address size prefix", "\x67\x8b\x02", 4, 0xa5a5a5a5),
	LOADS("1-byte load, zero-extended", "\x0f\xb6\x02", 1, 0xa5),
	LOADS("2-byte load, zero-extended", "\x0f\xb7\x02", 2, 0xa5a5),
	LOADS("1-byte load, sign-extended", "\x48\x0f\xbe\x02", 1, 0xffffffffffffffa5),
	LOADS("2-byte load, sign-extended", "\x48\x0f\xbf\x02", 2, 0xffffffffffffa5a5),
	LOADS("4-byte load, sign-extended", "\x48\x63\x02", 4, 0xffffffffa5a5a5a5),
	RINGS("1-byte store", "\x88\x02"),
	RINGS("2-byte store", "\x66\x89\x02"),
	RINGS("4-byte store", "\x89\x02"),
	RINGS("8-byte store", "\x48\x89\x02"),
	RINGS("4-byte store, DS prefix", "\x3e\x89\x02"),
	RINGS("4-byte store of another register", "\x89\x1a"),
	RINGS("2-byte store of a constant", "\x66\xc7\x02\x34\x12"),
};

int main(void)
{
	struct access_case c;
	struct case_vm cvm;
	int i;

	ksft_print_header();
	if (!kvm_has_cap(KVM_CAP_X86_PV_MMIO))
		ksft_exit_skip("KVM_CAP_X86_PV_MMIO is not offered\n");
	ksft_set_plan(ARRAY_SIZE(cases));

	case_vm_create(&cvm, NULL);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		c = cases[i];
		c.regs.rax = VALUE;
		c.regs.rdx = MMIO_GPA;
		ksft_test_result(run_case(&cvm, &c), "%s\n", c.name);
	}
	case_vm_free(&cvm);
	ksft_finished();
}
