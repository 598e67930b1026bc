# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmark reads from performance counters, with counters that every kernel has."""
import json
import subprocess
import tempfile
import unittest
from pathlib import Path

from pvmmio import REPO

FOLDER = REPO / "tools/testing/selftests/kvm/x86_64/doorbell"
# Page faults instead of the PMU's cycles; its instructions are what this machine doesn't
# count.
MAIN = """
#include <linux/perf_event.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "pmu.h"

long __real_syscall(long number, ...);

long __wrap_syscall(long number, struct perf_event_attr *attr, int pid, int cpu, int group,
		    long flags)
{
	if (attr->type != PERF_TYPE_HARDWARE || attr->config != PERF_COUNT_HW_CPU_CYCLES) {
		errno = ENOENT;
		return -1;
	}
	attr->type = PERF_TYPE_SOFTWARE;
	attr->config = PERF_COUNT_SW_PAGE_FAULTS;
	return __real_syscall(number, attr, pid, cpu, group, flags);
}

static void touch(int pages)
{
	long size = pages * 4096l;
	volatile char *area = mmap(NULL, size, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise((void *)area, size, MADV_NOHUGEPAGE);
	for (int i = 0; i < pages; i++)
		area[i * 4096l] = 1;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		touch(3000);
		pmu_start();
		touch(atoi(argv[i]));
		pmu_stop();
		touch(3000);
		pmu_print(stdout, 10);
		puts("");
	}
}
"""


class PmuTest(unittest.TestCase):
    def test_counts_what_lies_between(self):
        with tempfile.TemporaryDirectory() as tmp:
            main = Path(tmp, "main.c")
            main.write_text(MAIN)
            subprocess.run(["gcc", "-fsanitize=undefined", "-Wl,--wrap=syscall", "-I",
                            FOLDER, main, FOLDER / "pmu.c", "-o", main.with_suffix("")], check=True)
            lines = subprocess.run([main.with_suffix(""), "2000", "0", "1000"], text=True,
                                   capture_output=True, check=True).stdout.splitlines()
        counts = [json.loads("{" + line.rstrip(", ") + "}") for line in lines]
        self.assertEqual(counts, [{"core_cycles": 200}, {}, {"core_cycles": 100}])


if __name__ == "__main__":
    unittest.main()
