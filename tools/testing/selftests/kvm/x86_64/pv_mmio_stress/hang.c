// SPDX-License-Identifier: GPL-2.0-only
/*
 * What looks whether the stress test goes on, and says how far each thread got and
 * where in the kernel it waits, if one doesn't.
 */
#include <dirent.h>
#include <signal.h>

#include "stress.h"

/*
 * How often somebody looks whether each thread goes on.  By the clock alone, a
 * slow machine can't be told from a hang.
 */
#define LOOK_SECONDS	120
/* For what is said; if that hangs as well, the second alarm is deadly. */
#define SAY_SECONDS	10
#define NR_THREADS	(STRESS_VCPUS + NR_DISTURBERS)

static struct stress *stress_at_work;
static u64 last_progress[NR_THREADS];

static void read_line(char *line, size_t size, const char *tid, const char *file)
{
	char path[320];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", tid, file);
	f = fopen(path, "r");
	if (!f || !fgets(line, size, f))
		snprintf(line, size, "unknown");
	if (f)
		fclose(f);
	line[strcspn(line, "\n")] = 0;
}

/* In the order in which they began: main, vCPUs, disturbers, if none has ended. */
static void print_waits(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	char line[64];

	printf("# threads wait in:");
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		read_line(line, sizeof(line), entry->d_name, "wchan");
		printf(" %s", line);
	}
	printf("\n");
}

/* Before any thread is there, none goes on. */
static u64 thread_progress(u32 thread)
{
	u64 rings = 0;
	u32 i;

	if (!stress_at_work->shared)
		return 0;
	if (thread >= STRESS_VCPUS)
		return READ_ONCE(stress_disturbers[thread - STRESS_VCPUS].steps);

	for (i = 0; i < NR_STRESS_BELLS; i++)
		rings += READ_ONCE(stress_at_work->shared->vcpus[thread].rings[i]);
	return rings;
}

static void print_progress(void)
{
	u32 i;

	printf("# rings of vCPUs, steps of what disturbs them:");
	for (i = 0; i < NR_THREADS; i++)
		printf(" %lu", thread_progress(i));
	printf("; %lu resets, %lu interrupts\n", stress_at_work->resets,
	       stress_at_work->interrupts);
}

static bool all_go_on(void)
{
	bool on = true;
	u64 progress;
	u32 i;

	for (i = 0; i < NR_THREADS; i++) {
		progress = thread_progress(i);
		on &= progress != last_progress[i];
		last_progress[i] = progress;
	}
	return on;
}

/* If it gives up, nothing goes on after this, so it may call what a handler mustn't. */
static void look(int signal)
{
	if (all_go_on()) {
		alarm(LOOK_SECONDS);
		return;
	}
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	alarm(SAY_SECONDS);
	print_progress();
	print_waits();
	printf("# a thread hangs\n");
	_exit(KSFT_FAIL);
}

void stress_watch(struct stress *s)
{
	const struct sigaction action = { .sa_handler = look, .sa_flags = SA_NODEFER };

	stress_at_work = s;
	sigaction(SIGALRM, &action, NULL);
	alarm(LOOK_SECONDS);
}

void stress_unwatch(void)
{
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	alarm(LOOK_SECONDS);
}
