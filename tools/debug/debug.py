#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run our selftests on a debug kernel with two CPUs; any report of the kernel's fails.

usage: debug.py BUILT [LAB [TEST...]]

BUILT is a folder that tools/kernel/build.py made for the flavour debug, LAB
names machines (default: amd), TEST some of the tests (default: all).
"""
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("kernel", "lab", "test")]

import machines
from console import JobError, main, say
from run import SMP, Reader
from tally import Tally

HOST_SECONDS = 5400
# A timer cuts its runs, so it needs a clock made of instructions: one CPU.
TIMED = "pv_mmio_diff_test"
# KASAN takes an eighth of it.
MEMORY = 2048


def choose(built, names):
    """The programs of NAMES, or all."""
    tests = {path.name: path for path in sorted((built / "tests").glob("*_test"))}
    unknown = [name for name in names if name not in tests]
    if unknown or not tests:
        raise JobError(f"no test {', '.join(unknown)} in {built}/tests; there is"
                       f" {', '.join(tests)}")
    return [tests[name] for name in names or tests]


def debug(argv):
    if not argv:
        say(__doc__.strip())
        return 2
    built, lab, names = Path(argv[0]).resolve(), "".join(argv[1:2]) or "amd", argv[2:]
    labs = machines.chosen(lab)
    tally, programs = Tally(), choose(built, names)
    for kind, options, part in (
            (f" {built.name} 2 CPUs", SMP, [path for path in programs if path.name != TIMED]),
            (f" {built.name}", [], [path for path in programs if path.name == TIMED])):
        if part:
            machines.run(tally, Reader(tally, kind), labs, built,
                         Path(__file__).with_name("in-lab"), part,
                         ["--timeout", str(HOST_SECONDS), "--memory", str(MEMORY), *options], kind)
    return tally.finish()


if __name__ == "__main__":
    main(debug, sys.argv[1:])
