// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoint, for kvm.ko and the fast paths in the vendor modules.
 */
#include <linux/kvm_host.h>

#include "x86.h"

#define CREATE_TRACE_POINTS
#include "pv_mmio_trace.h"

EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_pv_mmio);
