// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stores of an L2 to what L1 passes through to it: L2 and L1 must see the same as
 * if the stores were emulated.
 */
#include "pv_mmio_nested/nested.h"

static const struct scene_table *const tables[] = {
	&nested_map_scenes, &nested_exit_scenes, &nested_code_scenes, &nested_code32_scenes,
};

int main(void)
{
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	if (l2_lacks_cpu())
		ksft_exit_skip("%s\n", l2_lacks_cpu());

	run_scene_tables(tables, ARRAY_SIZE(tables));
}
