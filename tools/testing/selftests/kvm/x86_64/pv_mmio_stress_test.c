// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs ring while all changes around them, see pv_mmio_stress/stress.h: every
 * doorbell that had to signal did, exactly once, and none after its removal.
 *
 * -s SEED   which changes (default: always the same, though threads run differently)
 * -t SECS   for how long at least; it goes on until each kind of change happened
 *           a few times, and until each doorbell met all that it can meet
 */
#include <signal.h>
#include <time.h>

#include "pv_mmio_stress/stress.h"

#define DEFAULT_SECONDS	0.3
#define MIN_RESETS	4
/* It gives up on states not met after so many times the least number of changes. */
#define PATIENCE	32

static struct stress stress;
static double seconds = DEFAULT_SECONDS;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *disturb(void *arg)
{
	struct stress_disturber *d = arg;
	struct kvm_random_state rng;

	rng = new_kvm_random_state(d->stress->seed ^ (0x100 << (d - stress_disturbers)));
	while (!READ_ONCE(d->stress->stop)) {
		d->step(d->stress, &rng);
		WRITE_ONCE(d->steps, d->steps + 1);
		usleep(stress_random(&rng, d->pause_us));
	}
	return NULL;
}

static bool all_stepped(u64 times)
{
	int i;

	for (i = 0; i < NR_DISTURBERS; i++) {
		if (READ_ONCE(stress_disturbers[i].steps) < times * stress_disturbers[i].min_steps)
			return false;
	}
	return READ_ONCE(stress.resets) >= times * MIN_RESETS;
}

static u64 count_checks(void)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < STRESS_VCPUS; i++)
		sum += READ_ONCE(stress.threads[i].checks);
	return sum;
}

/* All that depends on chance has happened. */
static bool all_met(void)
{
	return stress_has_met_all(&stress) && count_checks() && READ_ONCE(stress.interrupts);
}

static void run_threads(void)
{
	double start = now();
	struct stress_thread *t;
	int i;

	for (i = 0; i < STRESS_VCPUS; i++) {
		t = &stress.threads[i];
		t->stress = &stress;
		t->vcpu = stress.vcpus[i];
		pthread_create(&t->thread, NULL, stress_run_vcpu, t);
	}
	for (i = 0; i < NR_DISTURBERS; i++) {
		stress_disturbers[i].stress = &stress;
		pthread_create(&stress_disturbers[i].thread, NULL, disturb, &stress_disturbers[i]);
	}
	while (!(all_stepped(1) && all_met()) && !all_stepped(PATIENCE))
		usleep(10000);
	printf("# %.1f s for what had to happen\n", now() - start);
	while (now() - start < seconds)
		usleep(10000);

	/* Some of these threads wait for rings, so the vCPUs stop last. */
	WRITE_ONCE(stress.stop, true);
	for (i = 0; i < NR_DISTURBERS; i++)
		pthread_join(stress_disturbers[i].thread, NULL);
	WRITE_ONCE(stress.shared->stop, 1);
	for (i = 0; i < STRESS_VCPUS; i++)
		pthread_join(stress.threads[i].thread, NULL);
	printf("# %.1f s\n", now() - start);
}

static void check_bell(u32 i)
{
	const struct stress_bell *bell = &stress_bells[i];
	u64 rings = stress_count(&stress, i, SIGNAL) + (i ? 0 : stress.guest_rings);
	u64 signals;

	stress_take(&stress, i);
	signals = stress.bells[i].signals;
	printf("# %s: %lu signals, %lu to the VMM, %lu to RAM, %lu refused\n", bell->name,
	       signals, stress_count(&stress, i, TO_VMM), stress_count(&stress, i, TO_RAM),
	       stress_count(&stress, i, REFUSED));
	if (signals != rings)
		ksft_print_msg("%lu rings had to signal, there were %lu signals\n", rings, signals);
	ksft_test_result(signals == rings, "%s\n", bell->name);
}

static void check_late_signals(void)
{
	bool late = false;
	u32 i;

	for (i = 0; i < NR_STRESS_BELLS; i++) {
		if (!stress.bells[i].late)
			continue;
		late = true;
		ksft_print_msg("%s: %lu signals after a removal\n", stress_bells[i].name,
			       stress.bells[i].late);
	}
	ksft_test_result(!late, "no signal after a removal\n");
}

static void check_mistakes(void)
{
	static const char * const names[] = {
		"anything", "a signal", "the VMM", "RAM", "a refusal", "another place or value",
	};
	const struct stress_vcpu *vcpu;
	u64 mistakes = 0;
	u32 i;

	for (i = 0; i < STRESS_VCPUS; i++) {
		vcpu = &stress.shared->vcpus[i];
		mistakes += vcpu->mistakes;
		if (vcpu->mistakes)
			ksft_print_msg("vCPU %u: %lu rings; the first: %s, to %s instead of %s\n",
				       i, vcpu->mistakes, stress_bells[vcpu->bell].name,
				       names[vcpu->got], names[vcpu->expected]);
	}
	ksft_test_result(!mistakes, "what doesn't change has its effect\n");
}

/* Without this, the test wouldn't have tested everything. */
static void check_coverage(void)
{
	stress_print_missing(&stress);
	ksft_test_result(stress_has_met_all(&stress), "every doorbell met all that it can\n");
}

static void check_stores_off(void)
{
	u64 wrong = 0, checks = count_checks();
	u32 i;

	for (i = 0; i < STRESS_VCPUS; i++)
		wrong += stress.threads[i].wrong_checks;
	printf("# %lu exits with stores off\n", checks);
	if (wrong)
		ksft_print_msg("before %lu exits some were served\n", wrong);
	ksft_test_result(checks && !wrong, "stores are left to the emulator while off\n");
}

static void print_steps(void)
{
	int i;

	for (i = 0; i < NR_DISTURBERS; i++)
		printf("# %lu %s\n", stress_disturbers[i].steps, stress_disturbers[i].name);
	printf("# %lu resets, %lu times KVM_RUN was interrupted\n", stress.resets,
	       stress.interrupts);
}

static void parse_options(int argc, char **argv)
{
	int option;

	/* The same disturbances each time; "make stress" draws new ones. */
	stress.seed = 0x70766d6d;
	while ((option = getopt(argc, argv, "s:t:")) != -1) {
		switch (option) {
		case 's':
			stress.seed = strtoul(optarg, NULL, 0);
			break;
		case 't':
			seconds = strtod(optarg, NULL);
			break;
		default:
			ksft_exit_fail_msg("options: -s SEED -t SECONDS\n");
		}
	}
}

int main(int argc, char **argv)
{
	u32 i;

	parse_options(argc, argv);
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_HC_MMIO_WRITE));
	ksft_set_plan(NR_STRESS_BELLS + 7);
	printf("# seed %#x\n", stress.seed);
	interrupt_runs_with(SIGUSR1);

	stress_watch(&stress);
	stress_create(&stress);
	run_threads();
	stress_unwatch();
	for (i = 0; i < NR_STRESS_BELLS; i++)
		check_bell(i);
	check_late_signals();
	check_mistakes();
	check_coverage();
	check_stores_off();
	ksft_test_result(!eventfd_take(stress.misfit_fd), "no signal for other values, lengths\n");
	ksft_test_result(stress.lives && !stress.wrong_lives, "VMs that go away\n");
	ksft_test_result(stress.interrupts, "signals interrupted KVM_RUN\n");
	print_steps();
	stress_free(&stress);
	ksft_finished();
}
