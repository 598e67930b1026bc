// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM of the stress test and its ioeventfds.
 */
#include "stress.h"

#define ALIAS_SLOT	8

static u32 other_length(u32 width)
{
	return width == 1 ? 2 : width / 2;
}

/* Registers one ioeventfd: a matching one, or one that a ring must not signal. */
static void set_one(struct stress *s, u32 i, u32 vcpu, enum stress_state reg, u32 flags)
{
	const struct stress_bell *bell = &stress_bells[i];
	bool any_value = reg == ALL_VALUES || reg == ALL_LENGTHS || reg == OTHER_LENGTH;
	u64 value = stress_value(i);
	u32 len = bell->width;

	if (!any_value)
		flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (bell->how == PORT_OUT)
		flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (reg == ALL_LENGTHS)
		len = 0;
	if (reg == OTHER_LENGTH)
		len = other_length(len);
	if (reg == OTHER_VALUE)
		value ^= 0x80;
	if (reg == ALIKE_VALUE)
		value = stress_value_alike(i);
	ioeventfd_set(s->vm, stress_is_signalled(reg) ? s->bells[i].fd : s->misfit_fd,
		      stress_addr(bell, vcpu), len, flags, any_value ? 0 : value);
}

static void set_bell(struct stress *s, u32 i, enum stress_state reg, u32 flags)
{
	u32 vcpu;

	if (reg == ABSENT)
		return;
	for (vcpu = 0; vcpu < (stress_bells[i].fickle ? STRESS_VCPUS : 1); vcpu++)
		set_one(s, i, vcpu, reg, flags);
}

void stress_take(struct stress *s, u32 i)
{
	s->bells[i].signals += eventfd_take(s->bells[i].fd);
}

static u64 count_rings(struct stress *s, u32 i)
{
	u64 sum = 0;
	u32 vcpu;

	for (vcpu = 0; vcpu < STRESS_VCPUS; vcpu++)
		sum += READ_ONCE(s->shared->vcpus[vcpu].rings[i]);
	return sum;
}

void stress_wait_for_rings(struct stress *s, u32 i, u64 rings)
{
	u64 enough = count_rings(s, i) + rings;

	while (count_rings(s, i) < enough)
		usleep(1000);
}

/* A removed ioeventfd must not signal. */
static void look_for_late_signals(struct stress *s, u32 i)
{
	u64 late;

	stress_wait_for_rings(s, i, STRESS_TWO_RINGS);
	late = eventfd_take(s->bells[i].fd);
	s->bells[i].late += late;
	s->bells[i].signals += late;
}

/* @wait: leave it unregistered until it has been rung a few times. */
void stress_change_bell(struct stress *s, u32 i, enum stress_state reg, bool wait)
{
	struct stress_bell_state *bell = &s->bells[i];

	stress_word_set(&s->shared->bells[i], CHANGING);
	set_bell(s, i, bell->reg, KVM_IOEVENTFD_FLAG_DEASSIGN);
	if (wait && stress_is_signalled(bell->reg)) {
		stress_take(s, i);
		stress_word_set(&s->shared->bells[i], REMOVED);
		look_for_late_signals(s, i);
		stress_word_set(&s->shared->bells[i], CHANGING);
	}
	bell->reg = reg;
	set_bell(s, i, reg, 0);
	stress_word_set(&s->shared->bells[i], reg);
}

/* The ioeventfd has its own reference to the eventfd, so replace the descriptor. */
void stress_renew_fd(struct stress *s, u32 i)
{
	int fd = dup(s->bells[i].fd);

	TEST_ASSERT(fd >= 0, "dup() must succeed, errno %d", errno);
	close(s->bells[i].fd);
	s->bells[i].fd = fd;
}

u64 stress_count(const struct stress *s, u32 i, enum stress_outcome outcome)
{
	u64 sum = 0;
	u32 vcpu;

	for (vcpu = 0; vcpu < STRESS_VCPUS; vcpu++)
		sum += s->shared->vcpus[vcpu].outcomes[i][outcome];
	return sum;
}

static void create_bells(struct stress *s)
{
	enum stress_state reg;
	u32 i;

	for (i = 0; i < NR_STRESS_BELLS; i++) {
		s->bells[i].fd = eventfd_create();
		s->bells[i].reg = ABSENT;
		for (reg = NR_REGS; reg-- > ABSENT;)
			if (stress_bells[i].regs & BIT(reg))
				break;
		stress_change_bell(s, i, reg, false);
	}
}

/* KVM delivers nothing to the last vCPU until some local APIC is written to. */
static void make_apics_known(struct stress *s)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(s->vcpus[0], KVM_GET_LAPIC, &lapic);
	vcpu_ioctl(s->vcpus[0], KVM_SET_LAPIC, &lapic);
}

void stress_create(struct stress *s)
{
	u32 vcpu;

	s->vm = vm_create_with_vcpus(STRESS_VCPUS, guest_stress, s->vcpus);
	for (vcpu = 0; vcpu < STRESS_VCPUS; vcpu++)
		vcpu_args_set(s->vcpus[vcpu], 1, (u64)vcpu);
	s->shared = addr_gva2hva(s->vm, (gva_t)&stress_shared);
	virt_pg_map(s->vm, STRESS_GPA, STRESS_GPA);
	virt_pg_map(s->vm, FICKLE_GPA, FICKLE_GPA);
	vm_userspace_mem_region_add(s->vm, VM_MEM_SRC_ANONYMOUS, ALIAS_GPA, ALIAS_SLOT, 1, 0);
	virt_pg_map(s->vm, ALIAS_GPA, ALIAS_GPA);
	s->fickle_hva = addr_gpa2hva(s->vm, ALIAS_GPA);
	vm_enable_cap(s->vm, KVM_CAP_X86_HC_MMIO_WRITE, 1);
	make_apics_known(s);
	stress_word_set(&s->shared->page, NO_PAGE);
	stress_word_set(&s->shared->hypercalls, HYPERCALLS_ON);
	stress_word_set(&s->shared->stores, STORES_ON);
	s->misfit_fd = eventfd_create();
	create_bells(s);
}

void stress_free(struct stress *s)
{
	u32 i;

	for (i = 0; i < NR_STRESS_BELLS; i++)
		close(s->bells[i].fd);
	close(s->misfit_fd);
	kvm_vm_free(s->vm);
}
