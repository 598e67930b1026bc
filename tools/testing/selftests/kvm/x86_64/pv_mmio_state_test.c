// SPDX-License-Identifier: GPL-2.0-only
/*
 * When KVM must not skip the decode: each condition of the PV store, met by
 * a store that KVM knows.
 */
#include "pv_mmio_state_test.h"

static const struct scene_table *const tables[] = {
	&debug_scenes, &event_scenes, &paging_scenes, &code_scenes, &memory_scenes,
};

static void run_table(const struct scene_table *table)
{
	const struct scene_case *c;
	const char *lacks;

	for (c = table->scenes; c < table->scenes + table->nr; c++) {
		lacks = c->lacks ? c->lacks() : NULL;
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
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		nr += tables[i]->nr;
	ksft_set_plan(nr);

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		run_table(tables[i]);
	ksft_finished();
}
