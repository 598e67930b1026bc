# SPDX-License-Identifier: GPL-2.0-only
"""Run our selftests on a kernel that looks for bugs; any report of that kernel's fails.

usage: debug.py BUILT [LAB [TEST...]]

BUILT is a folder that pvmmio/build/kernel.py made for the flavour debug or kcsan,
LAB names machines (default: the quick one), TEST some of the tests that fit there
(default: all of them).
"""
import functools
import os
import sys
from pathlib import Path

from pvmmio.console import JobError, main
from pvmmio.jobs import machines
from pvmmio.jobs.reader import Reader
from pvmmio.jobs.machines import SMP, SMP_TESTS
from pvmmio.lab.fleet import side_by_side
from pvmmio.lab.known import MACHINES, QUICK
from pvmmio.tally import Tally

HOST_SECONDS = 5400
# A timer cuts its runs, so it needs a clock made of instructions: one CPU.
TIMED = "pv_mmio_diff_test"
# KASAN takes an eighth of it.
MEMORY = 2048


def fitting(flavour, lab, names):
    """Of the tests NAMES, what runs on the machine LAB, as {kind: (tests, options)}."""
    if flavour == "kcsan":
        return {" 2 CPUs": ([name for name in names if name in SMP_TESTS], SMP)}
    machine = MACHINES[lab]
    if machine.DEBUG_TESTS is not None:
        return {"": ([name for name in names if name in machine.DEBUG_TESTS],
                     machine.DEBUG_OPTIONS)}
    others, options = [name for name in names if name != TIMED], [*SMP, *machine.DEBUG_OPTIONS]
    half = len(others) // 2
    return {" 2 CPUs": (others[half:], options), " 2 CPUs too": (others[:half], options),
            "": ([name for name in names if name == TIMED], machine.DEBUG_OPTIONS)}


def choose(built, wanted):
    """The names WANTED, or all; one that nobody knows is an error."""
    known = sorted(path.name for path in (built / "tests").glob("*_test"))
    unknown = [name for name in wanted if name not in known]
    if unknown or not known:
        raise JobError(f"no test {', '.join(unknown)} in {built}/tests; there is"
                       f" {', '.join(known)}")
    return wanted or known


def run_boot(tally, built, lab, kind, tests, options):
    kind = f" {built.name}{kind}"
    script = Path(__file__).with_name("kcsan-in-lab" if built.name == "kcsan" else "in-lab")
    machines.run(tally, Reader(tally, kind), [lab], built, script,
                 [built / "tests" / name for name in tests],
                 ["--timeout", str(HOST_SECONDS), "--memory", str(MEMORY), *options], kind)


def run_machine(tally, built, lab, names):
    parts = {kind: part for kind, part in fitting(built.name, lab, names).items() if part[0]}
    if not parts:
        raise JobError(f"TESTS: none of {', '.join(names)} is for the {lab} machine with the"
                       f" {built.name} kernel")
    # The CPUs of one emulated machine take turns, so it takes one of ours.
    side_by_side([functools.partial(run_boot, tally, built, lab, kind, *part)
                  for kind, part in parts.items()], limit=os.cpu_count())


def debug(argv):
    built, lab, names = Path(argv[0]).resolve(), "".join(argv[1:2]), argv[2:]
    default = machines.fit("test-kcsan") if built.name == "kcsan" else [QUICK]
    labs = machines.chosen(lab) if lab else default
    tally, names = Tally(), choose(built, names)
    for lab in labs:
        run_machine(tally, built, lab, names)
    return tally.finish()


if __name__ == "__main__":
    main(debug, sys.argv[1:], range(1, sys.maxsize), __doc__)
