# SPDX-License-Identifier: GPL-2.0-only
"""Run our selftests on the lab's machines, under stock and under our modules.

usage: run.py BUILT [LAB [TEST...]]

BUILT is a folder that pvmmio/build/kernel.py made, LAB names machines (default:
all), TEST some of our selftests, or "short" for those of SHORT, in one boot: then these
alone are run; "all" also runs, on a slow machine, what that leaves to the quick one by
default.  A test passes on stock modules if it skips with a reason; on ours, if it
reports as many results as it planned and none of them is a failure; so does
one that loads modules by itself, "own".  Each machine boots once more for KVM's other ways
of paging; the AMD machine also with page tables of five levels, and with two CPUs.
"""
import functools
import os
import sys
from fnmatch import fnmatch
from pathlib import Path

from pvmmio import REPO
from pvmmio.console import main, say
from pvmmio.jobs import machines
from pvmmio.jobs.machines import SMP, SMP_TESTS
from pvmmio.jobs.reader import Reader
from pvmmio.jobs.test import sanitized, units
from pvmmio.lab.fleet import side_by_side
from pvmmio.lab.known import MACHINES, QUICK
from pvmmio.tally import Tally

TOOLS = REPO / "tools"
# These tests depend on how the guest's page tables and KVM's are walked.
PAGING_TESTS = ("pv_mmio_test", "pv_mmio_state_*_test", "pv_mmio_nested_test",
                "pv_mmio_length0_test")
# These depend on how KVM tells MMIO from RAM.
OTHER_WAYS_TESTS = (*PAGING_TESTS, "hc_mmio_write_test", "pv_mmio_places_test",
                    "pv_mmio_stats_test")
# What another kernel's KVM is likely to break, of what is quick: each way to ring, what isn't
# served, the contract.
SHORT = (*PAGING_TESTS, "hc_mmio_write_test", "pv_mmio_cpuid_test", "pv_mmio_post_test",
         "pv_mmio_stats_test")
# Words for tests.
WORDS = {"short": SHORT, "all": ("*",)}
# What the script in-lab is told; without that it does both.
NATIVE, OTHERS = ["--append", "ways=native"], ["--append", "ways=others"]


def programs(built):
    tests = sorted((built / "tests").glob("*_test"))
    tests += [built / "tools/pv-mmio", built / "tools/small-vmm", TOOLS / "host/kvm-modules"]
    tests += sorted(TOOLS.glob("pv-mmio/*-in-lab")) + sorted(TOOLS.glob("host/*-in-lab"))
    return tests + sorted(TOOLS.glob("pvmmio/docs/*-in-lab"))


def matching(tests, names):
    return [test for test in tests if any(fnmatch(test.name, name) for name in names)]


def boots(lab, built, left):
    """Yield (a name, tests, options) for each boot of the machine LAB, the longest first.

    LEFT are tests that it leaves to another machine.
    """
    machine, tests = MACHINES[lab], programs(built)
    yield "", [test for test in tests if test.name not in left], NATIVE
    yield " paging", matching(tests, OTHER_WAYS_TESTS), OTHERS
    if machine.FIVE_LEVELS:
        yield " la57", matching(tests, PAGING_TESTS), machine.FIVE_LEVELS
    if machine.TAKES_SMP_TESTS:
        yield " 2 CPUs", matching(tests, SMP_TESTS), [*SMP, *NATIVE]


def chosen_boots(lab, built, wanted, labs):
    """Those boots that have any of the tests WANTED, with these alone; all if none is named.

    LABS are all machines that the job starts.
    """
    left = () if wanted or QUICK not in labs else MACHINES[lab].LEFT_TO_QUICK
    if left:
        say(f"{lab}: left to the {QUICK} machine: {', '.join(left)}; TESTS=all runs them here")
    every = [("", programs(built), [])] if wanted == ["short"] else boots(lab, built, left)
    names = [name for word in wanted for name in WORDS.get(word, (word,))]
    for kind, tests, options in every:
        chosen = matching(tests, names or ["*"])
        if chosen:
            yield kind, chosen, options


def run_boot(tally, lab, built, kind, tests, options):
    machines.run(tally, Reader(tally, kind), [lab], built, Path(__file__).with_name("in-lab"),
                 tests, ["--timeout", "2700", *options], kind)


def run(argv):
    labs, wanted = machines.chosen("".join(argv[1:2])), argv[2:]
    built = Path(argv[0]).resolve()
    tally = Tally()

    def on_this_host():
        if wanted in ([], ["all"]):
            units.run_apart(tally)
            sanitized.checks(tally, built)

    # What takes longest is started first.
    calls = [functools.partial(run_boot, tally, lab, built, *boot)
             for lab in labs for boot in chosen_boots(lab, built, wanted, labs)]
    side_by_side(calls, on_this_host, os.cpu_count())
    return tally.finish()


if __name__ == "__main__":
    main(run, sys.argv[1:], range(1, sys.maxsize), __doc__)
