# SPDX-License-Identifier: GPL-2.0-only
"""Run our selftests on the lab's machines, under stock and under our modules.

usage: run.py BUILT [LAB]

BUILT is a folder that pvmmio/build/kernel.py made, LAB names machines (default:
all).  A test passes on stock modules if it skips with a reason; on ours, if it
reports as many results as it planned and none of them is a failure; so does
one that loads modules by itself, "own".  The AMD machine boots once more, with
page tables of five levels.
"""
import functools
import sys
from pathlib import Path

from pvmmio import REPO
from pvmmio.console import main
from pvmmio.jobs import machines
from pvmmio.jobs.machines import SMP, SMP_TESTS
from pvmmio.jobs.reader import Reader
from pvmmio.jobs.test import sanitized, units
from pvmmio.lab.fleet import side_by_side
from pvmmio.lab.known import MACHINES
from pvmmio.tally import Tally

TOOLS = REPO / "tools"
# These look at how the guest's page tables and KVM's are walked.
PAGING_TESTS = ("pv_mmio_test", "pv_mmio_state_*_test", "pv_mmio_nested_test",
                "pv_mmio_length0_test")


def programs(built):
    tests = sorted((built / "tests").glob("*_test"))
    tests += [built / "tools/pv-mmio", built / "tools/small-vmm", TOOLS / "host/kvm-modules"]
    tests += sorted(TOOLS.glob("pv-mmio/*-in-lab")) + sorted(TOOLS.glob("host/*-in-lab"))
    return tests + sorted(TOOLS.glob("pvmmio/docs/*-in-lab"))


def boots(lab, built):
    """Each boot of the machine LAB: what tells it from the others, tests, options."""
    machine = MACHINES[lab]
    yield "", programs(built), ()
    if machine.TAKES_SMP_TESTS:
        yield " 2 CPUs", [built / "tests" / name for name in SMP_TESTS], SMP
    if machine.FIVE_LEVELS:
        paging = [test for name in PAGING_TESTS for test in (built / "tests").glob(name)]
        yield " la57", sorted(paging), machine.FIVE_LEVELS


def run_machine(tally, lab, built):
    for kind, tests, options in boots(lab, built):
        machines.run(tally, Reader(tally, kind), [lab], built, Path(__file__).with_name("in-lab"),
                     tests, ["--timeout", "2700", *options], kind)


def run(argv):
    labs = machines.chosen("".join(argv[1:]))
    built = Path(argv[0]).resolve()
    tally = Tally()
    units.run(tally)
    sanitized.checks(tally, built)
    side_by_side(functools.partial(run_machine, tally, lab, built) for lab in labs)
    return tally.finish()


if __name__ == "__main__":
    main(run, sys.argv[1:], (1, 2), __doc__)
