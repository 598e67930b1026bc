/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scenes whose store is L2's.
 */
#ifndef SELFTEST_KVM_PV_MMIO_NESTED_TEST_H
#define SELFTEST_KVM_PV_MMIO_NESTED_TEST_H

#include "pv_mmio_l2.h"
#include "pv_mmio_scene.h"

extern const struct scene_table nested_code_scenes, nested_code32_scenes, nested_map_scenes,
				nested_exit_scenes;

#define L2_STORE_LEN	2

/* Runs in L2: makes the store known, calls L1, stores once more. */
void l2_store(void);
/* Runs in L2: stores once. */
void l2_store_only(void);
/* Runs in L1: starts @code in L2, up to its first call. */
void l1_begin(void (*code)(void));
/* Logs L2's next exit, as L1 sees it. */
struct l2_exit l1_log_exit(void);
/* Runs L2 to its end, and logs any exit to L1 before that. */
void l1_end(void);

#endif /* SELFTEST_KVM_PV_MMIO_NESTED_TEST_H */
