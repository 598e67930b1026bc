# SPDX-License-Identifier: GPL-2.0-only
"""Run the tests of our own tools, and print a line for each, as all jobs do.

usage: units.py BUILT [LAB]

Runs the tests that boot the lab's machines, with what pvmmio/build/kernel.py made
in the folder BUILT; LAB is one machine, or all if empty.
"""
import os
import sys
import unittest
from pathlib import Path

from pvmmio import REPO
from pvmmio.console import main
from pvmmio.tally import Tally

PACKAGE = REPO / "tools/pvmmio"


class TallyResult(unittest.TestResult):
    def __init__(self, tally):
        super().__init__()
        self.tally = tally

    def line(self, verdict, test, why=""):
        self.tally.add(verdict, "tools " + ".".join(test.id().split(".")[-3:]), why)

    def addSuccess(self, test):
        self.line("PASS", test)

    def addSkip(self, test, reason):
        self.line("SKIP", test, reason)

    def addFailure(self, test, err):
        self.line("FAIL", test, str(err[1]).splitlines()[0] if str(err[1]) else err[0].__name__)

    def addError(self, test, err):
        self.line("FAIL", test, f"{err[0].__name__}: {err[1]}")

    def addSubTest(self, test, subtest, err):
        """Add a line for a part that failed; its test then gets no other line."""
        if err:
            what = self.addFailure if issubclass(err[0], test.failureException) else self.addError
            what(subtest, err)

    def addUnexpectedSuccess(self, test):
        self.line("FAIL", test, "it passed, which was not expected")


def run(tally, pattern="test_*.py"):
    result = TallyResult(tally)
    tests = unittest.defaultTestLoader.discover(str(PACKAGE), pattern, str(PACKAGE.parent))
    tests.run(result)


def run_boots(argv):
    built = Path(argv[0]).resolve()
    os.environ["LAB_KERNEL"] = str(built / "vmlinuz")
    os.environ["LAB_KVM"] = str(built / "kvm/stock")
    os.environ["LAB_ONLY"] = argv[1] if len(argv) > 1 else ""
    tally = Tally()
    run(tally, "boot_test.py")
    return tally.finish()


if __name__ == "__main__":
    main(run_boots, sys.argv[1:], (1, 2), __doc__)
