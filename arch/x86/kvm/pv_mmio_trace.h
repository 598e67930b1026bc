/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One event for each doorbell that KVM recognises, however it is rung.
 */
#if !defined(__KVM_X86_PV_MMIO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define __KVM_X86_PV_MMIO_TRACE_H

#include <linux/tracepoint.h>

#include "x86.h"

/* KVM's own events.  Fast paths rarely need these, so they are in kvm.ko. */
void kvm_pv_mmio_trace_mmio(gpa_t gpa, int len, u64 val);
void kvm_pv_mmio_trace_pio(unsigned short port, int size, unsigned long val);

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

#define kvm_pv_mmio_ways				\
	{ KVM_PV_MMIO_STORE, "store" },			\
	{ KVM_PV_MMIO_HC, "hypercall" },		\
	{ KVM_PV_MMIO_PORT, "port" },			\
	{ KVM_PV_MMIO_LENGTH0, "length0" }

#define kvm_pv_mmio_results				\
	{ KVM_PV_MMIO_RANG, "eventfd" },		\
	{ KVM_PV_MMIO_IN_KERNEL, "in-kernel" },		\
	{ KVM_PV_MMIO_TO_VMM, "vmm" },			\
	{ KVM_PV_MMIO_REFUSED, "refused" },		\
	{ KVM_PV_MMIO_LEARNED, "learned" },		\
	{ KVM_PV_MMIO_STATE, "declined: state" },	\
	{ KVM_PV_MMIO_ADDRESS, "declined: address" },	\
	{ KVM_PV_MMIO_RAM, "declined: ram" },		\
	{ KVM_PV_MMIO_CODE, "declined: code" }

/* perf and trace-cmd see only numbers, so export the enums' values to them. */
TRACE_DEFINE_ENUM(KVM_PV_MMIO_STORE);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_HC);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_PORT);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_LENGTH0);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_RANG);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_IN_KERNEL);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_TO_VMM);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_REFUSED);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_LEARNED);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_STATE);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_ADDRESS);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_RAM);
TRACE_DEFINE_ENUM(KVM_PV_MMIO_CODE);

/* @fast: in the exit fast path.  A declined store is left to the emulator. */
TRACE_EVENT(kvm_pv_mmio,
	TP_PROTO(unsigned int vcpu_id, enum kvm_pv_mmio_way way, bool fast,
		 u64 addr, unsigned int len, u64 val,
		 enum kvm_pv_mmio_result result),
	TP_ARGS(vcpu_id, way, fast, addr, len, val, result),

	TP_STRUCT__entry(
		__field(u64,		addr)
		__field(u64,		val)
		__field(unsigned int,	vcpu_id)
		__field(u8,		way)
		__field(bool,		fast)
		__field(u8,		len)
		__field(u8,		result)
	),

	TP_fast_assign(
		__entry->addr		= addr;
		__entry->val		= val;
		__entry->vcpu_id	= vcpu_id;
		__entry->way		= way;
		__entry->fast		= fast;
		__entry->len		= len;
		__entry->result		= result;
	),

	TP_printk("vcpu %u %s %s addr 0x%llx len %u val 0x%llx: %s",
		  __entry->vcpu_id, __entry->fast ? "fast" : "slow",
		  __print_symbolic(__entry->way, kvm_pv_mmio_ways),
		  __entry->addr, __entry->len, __entry->val,
		  __print_symbolic(__entry->result, kvm_pv_mmio_results))
);

#endif /* __KVM_X86_PV_MMIO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../arch/x86/kvm
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE pv_mmio_trace

#include <trace/define_trace.h>
