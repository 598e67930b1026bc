// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which states the doorbells of the stress test have met, and how stores were
 * served.
 */
#include "pv_mmio_case.h"
#include "stress.h"

static const char * const state_names[NR_STATES] = {
	[ABSENT] = "with no ioeventfd",
	[MATCH] = "with an ioeventfd of its value",
	[ALL_VALUES] = "with an ioeventfd of any value",
	[ALL_LENGTHS] = "with an ioeventfd of any length",
	[OTHER_VALUE] = "with an ioeventfd of another value",
	[ALIKE_VALUE] = "with an ioeventfd of a value of other length",
	[OTHER_LENGTH] = "with an ioeventfd of another length",
	[REMOVED] = "right after its ioeventfd was removed",
	[NO_PAGE] = "with nothing at the address",
	[RAM] = "with RAM at the address",
	[ROM] = "with ROM at the address",
	[HYPERCALLS_ON] = "with hypercalls on",
	[HYPERCALLS_OFF] = "with hypercalls off",
	[STORES_ON] = "with stores on",
	[STORES_OFF] = "with stores off",
};

static u32 all_states(const struct stress_bell *bell)
{
	u32 states = bell->regs;

	if (states & BIT(ABSENT))
		states |= BIT(REMOVED);
	if (bell->fickle)
		states |= BIT(NO_PAGE) | BIT(RAM) | BIT(ROM);
	if (bell->how == HYPERCALL)
		states |= BIT(HYPERCALLS_ON) | BIT(HYPERCALLS_OFF);
	if (bell->how == STORE || bell->how == COMPILED_STORE)
		states |= BIT(STORES_ON) | BIT(STORES_OFF);
	return states;
}

/* The states that doorbell @i can meet, but no ring of it has met yet. */
u32 stress_missing(const struct stress *s, u32 i)
{
	u32 missing = all_states(&stress_bells[i]);
	u32 vcpu;

	for (vcpu = 0; vcpu < STRESS_VCPUS; vcpu++)
		missing &= ~READ_ONCE(s->shared->vcpus[vcpu].met[i]);
	return missing;
}

bool stress_has_met_all(const struct stress *s)
{
	u32 i;

	for (i = 0; i < NR_STRESS_BELLS; i++)
		if (stress_missing(s, i))
			return false;
	return true;
}

void stress_print_missing(const struct stress *s)
{
	u32 i, state;

	for (i = 0; i < NR_STRESS_BELLS; i++)
		for (state = 0; state < NR_STATES; state++)
			if (stress_missing(s, i) & BIT(state))
				ksft_print_msg("%s: never rung %s\n", stress_bells[i].name,
					       state_names[state]);
}

void stress_find_served(struct stress_thread *t)
{
	/* The statistics of stores that KVM serves without the emulator. */
	static const char * const names[NR_SERVED] = { "pv_mmio_fast", "pv_mmio_slow" };
	int i;

	t->stats_fd = vcpu_get_stats_fd(t->vcpu);
	for (i = 0; i < NR_SERVED; i++)
		t->served_offsets[i] = find_vcpu_stat(t->stats_fd, names[i]);
}

static u64 count_served(const struct stress_thread *t)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < NR_SERVED; i++)
		sum += read_vcpu_stat(t->stats_fd, t->served_offsets[i]);
	return sum;
}

void stress_check_served(struct stress_thread *t)
{
	u64 word = READ_ONCE(t->stress->shared->stores);
	u64 served;

	if (stress_word_state(word) == STORES_OFF) {
		served = count_served(t);
		if (word == t->stores_word) {
			WRITE_ONCE(t->checks, t->checks + 1);
			if (served != t->served)
				t->wrong_checks++;
		}
		t->served = served;
	}
	t->stores_word = word;
}
