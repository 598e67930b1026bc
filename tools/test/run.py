#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run our selftests on the lab's machines, under stock and under our modules.

usage: run.py BUILT [LAB]

BUILT is a folder that tools/kernel/build.py made, LAB names machines (default:
all).  A test passes on stock modules if it skips with a reason; on ours, if it
reports as many results as it planned and none of them is a failure; so does
one that loads modules by itself, "own".  The AMD machine boots once more, with
page tables of five levels.
"""
import re
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("lab", "kernel")]

import machines
import sanitized
import units
from console import main, say
from tally import Tally

TOOLS = Path(__file__).resolve().parents[1]
KSFT_SKIP = 4
# Those with several vCPUs at once, which run on two CPUs, too.  Bochs takes too long.
SMP_MACHINES = {"amd"}
SMP_TESTS = ("pv_mmio_smp_test", "pv_mmio_stress_test")
SMP = ["--cpus", "2"]
# These look at how the guest's page tables and KVM's are walked.
PAGING_TESTS = ("pv_mmio_test", "pv_mmio_state_test", "pv_mmio_nested_test",
                "pv_mmio_length0_test")
RESULT = re.compile(r"(not ok|ok) \d+ (.*)")
PLAN = re.compile(r"1\.\.(\d+)(?: # SKIP (.*))?$")


class Program:
    """One run of one test program, from the lines that it prints."""

    def __init__(self, lab, modules, name, tally):
        self.label = f"{lab} {modules} {name}"
        self.expect_skip = modules == "stock"
        self.tally = tally
        self.planned = None
        self.results = 0
        self.reason = None
        self.notes = []

    def line(self, text):
        plan, result = PLAN.match(text), RESULT.match(text)
        if plan:
            self.planned, self.reason = int(plan.group(1)), plan.group(2)
        elif result:
            self.result(result.group(1) == "ok", result.group(2))
        elif text and not text.startswith("TAP version"):
            self.notes.append(text)

    def result(self, ok, name):
        self.results += 1
        # The kernel's library puts the directive first: "# SKIP NAME: REASON".
        if name.startswith("# SKIP "):
            name, _, skip = name.removeprefix("# SKIP ").partition(": ")
        else:
            name, _, skip = name.partition(" # SKIP")
        verdict = "SKIP" if skip else "PASS" if ok else "FAIL"
        why = skip.strip() if skip else "" if ok else "; ".join(self.notes)
        self.tally.add(verdict, f"{self.label}: {name}", why)
        self.notes = []

    def end(self, status):
        if self.expect_skip:
            skips = status == KSFT_SKIP and self.reason
            self.tally.add("PASS" if skips else "FAIL", f"{self.label}: skips",
                           self.reason or f"status {status}")
        elif status or self.planned is None or self.results != self.planned:
            self.tally.add("FAIL", f"{self.label}: completes",
                           f"status {status}, {self.results} results of"
                           f" {self.planned} planned; " + "; ".join(self.notes[-8:]))
        else:
            self.tally.add("PASS", f"{self.label}: completes")


class Reader:
    """Feeds each machine's lines to the test that is running there."""

    def __init__(self, tally, kind=""):
        self.tally = tally
        self.kind = kind
        self.running = {}

    def line(self, machine, text):
        word, _, rest = text.partition(" ")
        program = self.running.get(machine.name)
        if word == "begin":
            self.running[machine.name] = Program(machine.name + self.kind, *rest.split(),
                                                 self.tally)
        elif program and word == "end":
            self.running.pop(machine.name).end(int(rest))
        elif program:
            program.line(text)


def run_machines(tally, labs, built, tests, kind="", options=()):
    """KIND is added to the machines' names, to tell one run from another."""
    machines.run(tally, Reader(tally, kind), labs, built, Path(__file__).with_name("in-lab"),
                 tests, ["--timeout", "2700", *options], kind)


def run(argv):
    if len(argv) not in (1, 2):
        say(__doc__.strip())
        return 2
    labs = machines.chosen("".join(argv[1:]))
    built = Path(argv[0]).resolve()
    tests = sorted((built / "tests").glob("*_test"))
    tests += [built / "tools/pv-mmio", TOOLS / "host/kvm-modules"]
    tests += sorted(TOOLS.glob("pv-mmio/*-in-lab")) + sorted(TOOLS.glob("host/*-in-lab"))
    tally = Tally()
    units.run(tally)
    sanitized.checks(tally, built)
    run_machines(tally, labs, built, tests)
    run_machines(tally, [name for name in labs if name in SMP_MACHINES], built,
                 [built / "tests" / name for name in SMP_TESTS], " 2 CPUs", SMP)
    # The Intel machine's CPUs have four.
    run_machines(tally, [lab for lab in labs if lab == "amd"], built,
                 [built / "tests" / name for name in PAGING_TESTS], " la57",
                 ["--cpu-flags=+la57"])
    return tally.finish()


if __name__ == "__main__":
    main(run, sys.argv[1:])
