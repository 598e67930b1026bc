// SPDX-License-Identifier: GPL-2.0-only
/*
 * When KVM must not skip the decode: each condition of that, broken by a store
 * that KVM knows.
 */
#include "pv_mmio_state_test.h"

static const struct scene_table *const tables[] = {
	&debug_scenes, &event_scenes, &paging_scenes, &code_scenes, &memory_scenes,
};

int main(void)
{
	ksft_print_header();
	if (!kvm_has_cap(KVM_CAP_X86_PV_MMIO))
		ksft_exit_skip("KVM_CAP_X86_PV_MMIO is not offered\n");

	run_scene_tables(tables, ARRAY_SIZE(tables));
}
