// SPDX-License-Identifier: GPL-2.0-only
/*
 * PV stores of an L2 to what L1 passes through to it: L2 and L1 must see what
 * they see of a store that is emulated.
 */
#include "pv_mmio_nested_test.h"

static const struct nested_table *const tables[] = {
	&nested_map_scenes, &nested_exit_scenes, &nested_code_scenes,
};

static void run_table(const struct nested_table *table)
{
	const struct scene_case *c;
	const char *lacks;

	for (c = table->scenes; c < table->scenes + table->nr; c++) {
		lacks = c->lacks();
		if (lacks)
			ksft_test_result_skip("%s: %s\n", c->name, lacks);
		else
			ksft_test_result(run_scene(c), "%s\n", c->name);
	}
}

int main(void)
{
	unsigned int i, nr = 0;

	ksft_print_header();
	if (!kvm_has_cap(KVM_CAP_X86_PV_MMIO))
		ksft_exit_skip("KVM_CAP_X86_PV_MMIO is not offered\n");
	if (l2_lacks_cpu())
		ksft_exit_skip("%s\n", l2_lacks_cpu());
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		nr += tables[i]->nr;
	ksft_set_plan(nr);

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		run_table(tables[i]);
	ksft_finished();
}
