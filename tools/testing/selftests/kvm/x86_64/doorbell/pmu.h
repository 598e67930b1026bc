/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the CPU's performance counters say of this thread, in the host and in the
 * guest.  Stands alone, so that it's tested without KVM.
 */
#ifndef SELFTEST_KVM_DOORBELL_PMU_H
#define SELFTEST_KVM_DOORBELL_PMU_H

#include <stdio.h>

void pmu_start(void);
void pmu_stop(void);
/*
 * Prints members of a JSON object, each with a comma after it: the mean of each of @n
 * accesses from start to stop.  Those that the machine doesn't count are left out.
 */
void pmu_print(FILE *json, unsigned long n);

#endif /* SELFTEST_KVM_DOORBELL_PMU_H */
