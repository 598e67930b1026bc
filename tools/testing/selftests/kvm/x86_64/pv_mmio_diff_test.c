// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest can't tell a store that KVM serves from the same store emulated: random
 * cases, each run with KVM_CAP_X86_PV_MMIO on and off, must not differ at all.
 *
 * -s SEED   which cases (default: always the same, so that a failure repeats)
 * -n CASES  how many (default 2000)
 * -t SECS   and for how long at most
 * -c INDEX  this case of the seed only
 */
#include <time.h>

#include "pv_mmio_diff/diff.h"

#define DEFAULT_SEED	0x70766d6d696f
#define DEFAULT_CASES	2000
#define PROGRESS_SECS	5
/* Shrinking takes a while, and one bug tends to show more than once. */
#define MAX_FAILURES	5

static struct options {
	u64 seed, cases, index;
	double seconds;
	bool one_case;
} options = { .seed = DEFAULT_SEED, .cases = DEFAULT_CASES, .seconds = 1e9 };

static struct tally {
	u64 cases, saved;
	bool failed;
	u64 index;		/* the first that failed */
	struct diff_case smallest;
} tallies[NR_KINDS];

/* Counts how the last runs of cases ended, to see what was tested. */
static struct ends {
	u64 code, exception[32], exits[64], other;
} ends;

static struct diff_pair pair;
static unsigned int failures;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void print_replay(const struct tally *t)
{
	printf("# again: pv_mmio_diff_test -s %#lx -c %lu; the smallest case:\n", options.seed,
	       t->index);
	diff_print_case(&t->smallest);
}

static void report(struct tally *t, u64 index, const struct diff_case *c)
{
	failures++;
	t->failed = true;
	t->index = index;
	t->smallest = *c;
	printf("# case %lu differs:\n", index);
	diff_print_differences(&pair);
	if (!diff_shrink(&pair, &t->smallest)) {
		printf("# only after other cases, not in a VM of its own\n");
		t->smallest = *c;
	}
	print_replay(t);
	diff_print_differences(&pair);
	diff_pair_free(&pair);
	diff_pair_create(&pair);
}

static void count_end(const struct diff_run *r)
{
	if (r->end >= ARRAY_SIZE(ends.exits))
		ends.other++;
	else if (r->end != KVM_EXIT_IO)
		ends.exits[r->end]++;
	else if (r->end_detail >= VECTOR_PORT && r->end_detail < VECTOR_PORT + 32)
		ends.exception[r->end_detail - VECTOR_PORT]++;
	else
		ends.code++;
}

static void print_ends(void)
{
	int i;

	printf("# ends: %lu code, %lu by force", ends.code, ends.other);
	for (i = 0; i < ARRAY_SIZE(ends.exits); i++) {
		if (ends.exits[i])
			printf(", %lu %s", ends.exits[i], exit_reason_str(i));
	}
	for (i = 0; i < ARRAY_SIZE(ends.exception); i++) {
		if (ends.exception[i])
			printf(", %lu exception %d", ends.exception[i], i);
	}
	printf("\n");
}

static void run_case(u64 index)
{
	struct diff_case c;
	struct tally *t = &tallies[diff_generate(&c, options.seed, index)];

	t->cases++;
	t->saved -= diff_saved(&pair);
	if (diff_case_differs(&pair, &c) && !t->failed)
		report(t, index, &c);
	t->saved += diff_saved(&pair);
	count_end(&pair.stock_result.runs[DIFF_RUNS - 1]);
}

static void print_progress(u64 cases, double seconds)
{
	const double rate = cases / (seconds + 0.001);

	printf("# %lu cases in %.1f s, %.0f a second, %lu decodes saved\n", cases, seconds, rate,
	       diff_saved(&pair));
	fflush(stdout);
}

static void run_cases(void)
{
	const double start = now();
	double next = start + PROGRESS_SECS;
	u64 i;

	for (i = 0; i < options.cases && failures < MAX_FAILURES; i++) {
		run_case(i);
		if (now() >= next) {
			print_progress(i + 1, now() - start);
			next = now() + PROGRESS_SECS;
		}
		if (now() - start >= options.seconds) {
			i++;
			break;
		}
	}
	print_progress(i, now() - start);
}

/* KVM learns in the first of four runs; some of these stores need no decode anyway. */
static bool are_served(enum diff_kind kind, u64 at_least)
{
	const struct tally *t = &tallies[kind];

	printf("# %s: %lu of %lu decodes saved\n", diff_kind_names[kind], t->saved,
	       DIFF_RUNS * t->cases);
	return t->failed || t->saved >= at_least * t->cases;
}

static void print_served(void)
{
	bool plain = are_served(K_PLAIN, 2);
	bool any = are_served(K_STORE, 1) & are_served(K_CODE32, 1);
	u64 fast = diff_fast(&pair), slow = diff_slow(&pair);

	printf("# %lu stores served in the fast path, %lu elsewhere\n", fast, slow);
	/* The fast path serves no page faults of a guest whose tables KVM shadows. */
	ksft_test_result(failures || (plain && any && slow && (fast || !kvm_is_tdp_enabled())),
			 "stores are served without decoding\n");
	ksft_test_result(failures || (pair.posted && pair.post_faulted),
			 "values are posted, or can't be\n");
}

static void print_results(void)
{
	int i;

	for (i = 0; i < NR_KINDS; i++) {
		if (tallies[i].failed)
			print_replay(&tallies[i]);
		if (tallies[i].cases)
			ksft_test_result(!tallies[i].failed, "%s\n", diff_kind_names[i]);
		else
			ksft_test_result_skip("%s: no case of it was drawn\n", diff_kind_names[i]);
	}
	print_ends();
	print_served();
}

static void replay(void)
{
	struct diff_case c;
	bool differs;

	printf("# case %lu, %s:\n", options.index,
	       diff_kind_names[diff_generate(&c, options.seed, options.index)]);
	diff_print_case(&c);
	differs = diff_case_differs(&pair, &c);
	diff_print_runs(&pair.stock_result);
	diff_print_differences(&pair);
	ksft_test_result(!differs, "case %lu\n", options.index);
}

static void parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "s:n:t:c:")) != -1) {
		switch (option) {
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			options.cases = strtoull(optarg, NULL, 0);
			break;
		case 't':
			options.seconds = strtod(optarg, NULL);
			break;
		case 'c':
			options.one_case = true;
			options.index = strtoull(optarg, NULL, 0);
			break;
		default:
			ksft_exit_fail_msg("options: -s SEED -n CASES -t SECONDS -c INDEX\n");
		}
	}
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_IOEVENTFD_POST));
	TEST_REQUIRE((kvm_check_cap(KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_VALID_FIELDS) ==
		     KVM_SYNC_X86_VALID_FIELDS);
	ksft_set_plan(options.one_case ? 1 : NR_KINDS + 2);
	printf("# seed %#lx\n", options.seed);

	diff_pair_create(&pair);
	if (options.one_case) {
		replay();
	} else {
		run_cases();
		print_results();
	}
	printf("# %s\n", pair.counted ? "retired instructions were compared" :
					    "no guest counter of retired instructions here");
	diff_pair_free(&pair);
	ksft_finished();
}
