/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scenes whose store is L2's.
 */
#ifndef SELFTEST_KVM_PV_MMIO_NESTED_TEST_H
#define SELFTEST_KVM_PV_MMIO_NESTED_TEST_H

#include "pv_mmio_l2.h"
#include "pv_mmio_scene.h"

extern const struct scene_table nested_code_scenes, nested_map_scenes, nested_exit_scenes;

#define L2_STORE_LEN	2

/* L2's: learn, call L1, do the store once more. */
void l2_store(void);
/* L2's: the store alone. */
void l2_store_only(void);
/* L1's: run @code in L2 up to its first call. */
void l1_begin(void (*code)(void));
/* Note L2's next exit, as L1 sees it. */
struct l2_exit l1_log_exit(void);
/* L2 comes to its end by itself, or leaves a note that it didn't. */
void l1_end(void);

#endif /* SELFTEST_KVM_PV_MMIO_NESTED_TEST_H */
