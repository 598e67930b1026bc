/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pv_mmio_state_test: its tables of scenes, one file per kind of condition.
 */
#ifndef SELFTEST_KVM_PV_MMIO_STATE_TEST_H
#define SELFTEST_KVM_PV_MMIO_STATE_TEST_H

#include "pv_mmio_scene.h"

extern const struct scene_table debug_scenes, event_scenes, paging_scenes;
extern const struct scene_table code_scenes, memory_scenes;

#define RFLAGS_FIXED	BIT(1)

#endif /* SELFTEST_KVM_PV_MMIO_STATE_TEST_H */
