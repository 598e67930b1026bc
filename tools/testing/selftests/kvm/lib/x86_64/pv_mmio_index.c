// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that does the MMIO writes it is told to do.
 */
#include "pv_mmio_index.h"

/* The port of ucalls, which the kernel's lib/x86_64/ucall.c keeps to itself. */
#define UCALL_PORT	0x1000

/* The first writes are slow: KVM doesn't know their code and address yet. */
#define NR_WARMUP	8

static struct index_write guest_write;

static void guest_string_store(u64 gva, u64 value, u32 len)
{
	switch (len) {
	case 1:
		asm volatile("stosb" : "+D"(gva) : "a"(value) : "memory");
		break;
	case 2:
		asm volatile("stosw" : "+D"(gva) : "a"(value) : "memory");
		break;
	case 4:
		asm volatile("stosl" : "+D"(gva) : "a"(value) : "memory");
		break;
	default:
		asm volatile("stosq" : "+D"(gva) : "a"(value) : "memory");
	}
}

static void guest_out(u16 port, u32 value, u32 len)
{
	switch (len) {
	case 1:
		asm volatile("outb %b0, %1" : : "a"(value), "d"(port));
		break;
	case 2:
		asm volatile("outw %w0, %1" : : "a"(value), "d"(port));
		break;
	default:
		asm volatile("outl %0, %1" : : "a"(value), "d"(port));
	}
}

static void guest_write_once(const struct index_write *w)
{
	switch (w->way) {
	case BY_PORT:
		guest_out(w->gpa, w->value, w->len);
		break;
	case BY_BUS:
		guest_string_store(w->gpa, w->value, w->len);
		break;
	case BY_STORE:
		asm volatile("movl %k0, (%1)" : : "r"(w->value), "r"(w->gpa) : "memory");
		break;
	default:
		kvm_hypercall(KVM_HC_MMIO_WRITE, w->gpa, w->value, w->len, 0);
	}
}

static void guest_main(void)
{
	struct index_write *w = &guest_write;
	u64 start;
	u32 i;

	for (;;) {
		for (i = 0; i < w->times; i++) {
			start = rdtsc();
			guest_write_once(w);
			w->ticks[i] = rdtsc() - start;
		}
		GUEST_SYNC(0);
	}
}

void index_vm_create(struct index_vm *ivm)
{
	ivm->vm = vm_create_with_one_vcpu(&ivm->vcpu, guest_main);
	vm_enable_cap(ivm->vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	virt_pg_map(ivm->vm, INDEX_GPA, INDEX_GPA);
	ivm->write = addr_gva2hva(ivm->vm, (gva_t)&guest_write);
	ivm->stats_fd = vcpu_get_stats_fd(ivm->vcpu);
	ivm->fast_offset = find_vcpu_stat(ivm->stats_fd, "hc_mmio_write_fast");
	ivm->fast_store_offset = find_vcpu_stat(ivm->stats_fd, "pv_mmio_fast");
}

void index_vm_free(struct index_vm *ivm)
{
	close(ivm->stats_fd);
	kvm_vm_free(ivm->vm);
}

/* The ucall by which the guest stops is port I/O, too. */
static bool is_write(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_MMIO ||
	       (run->exit_reason == KVM_EXIT_IO && run->io.port != UCALL_PORT);
}

u64 index_vm_write(struct index_vm *ivm, enum index_way way, u64 gpa, u32 len, u64 value,
		   u32 times)
{
	struct index_write *w = ivm->write;
	struct ucall uc;
	u64 exits = 0;

	TEST_ASSERT(times <= INDEX_MAX_TICKS, "%u writes are too many", times);
	w->gpa = gpa;
	w->value = value;
	w->len = len;
	w->way = way;
	w->times = times;
	while (!vcpu_run_bounded(ivm->vcpu) && is_write(ivm->vcpu->run))
		exits++;
	TEST_ASSERT(get_ucall(ivm->vcpu, &uc) == UCALL_SYNC, "the guest must stop by itself");
	return exits;
}

u64 index_vm_fast(struct index_vm *ivm)
{
	return read_vcpu_stat(ivm->stats_fd, ivm->fast_offset) +
	       read_vcpu_stat(ivm->stats_fd, ivm->fast_store_offset);
}

static int compare_ticks(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

u32 index_vm_ticks(struct index_vm *ivm)
{
	u32 nr = ivm->write->times - NR_WARMUP;
	u32 ticks[INDEX_MAX_TICKS];

	memcpy(ticks, ivm->write->ticks + NR_WARMUP, nr * sizeof(*ticks));
	qsort(ticks, nr, sizeof(*ticks), compare_ticks);
	return ticks[nr / 2];
}
