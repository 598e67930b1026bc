// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints, for kvm.ko and the fast paths in the vendor modules.
 */
#include <linux/kvm_host.h>
#include <trace/events/kvm.h>

#include "trace.h"
#include "x86.h"

#define CREATE_TRACE_POINTS
#include "pv_mmio_trace.h"

void kvm_pv_mmio_trace_mmio(gpa_t gpa, int len, u64 val)
{
	trace_kvm_mmio(KVM_TRACE_MMIO_WRITE, len, gpa, &val);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_pv_mmio_trace_mmio);

void kvm_pv_mmio_trace_pio(unsigned short port, int size, unsigned long val)
{
	trace_kvm_pio(KVM_PIO_OUT, port, size, 1, &val);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_pv_mmio_trace_pio);

EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_hypercall);
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_pio);
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_pv_mmio);
