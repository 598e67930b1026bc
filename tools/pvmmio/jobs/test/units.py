# SPDX-License-Identifier: GPL-2.0-only
"""Run the tests of our own tools, and print a line for each, as all jobs do.

usage: units.py [BUILT [LAB]]

With BUILT, a folder that pvmmio/build/kernel.py made, runs those tests that boot the
lab's machines with what is in it; LAB is one machine, or all if empty.  Without it, runs
all others.
"""
import os
import re
import subprocess
import sys
import unittest
from collections.abc import Sequence
from pathlib import Path

from pvmmio import REPO
from pvmmio.console import main, say
from pvmmio.tally import Tally

PACKAGE = REPO / "tools/pvmmio"
LINE = re.compile(r"(PASS|FAIL|SKIP) (.*)")
TOTALS = re.compile(r"\d+ passed, \d+ failed, \d+ skipped")


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


def run_apart(tally: Tally, command: Sequence[str] = (sys.executable, "-m", __name__)) -> None:
    """Run them in a process of their own, and add what it prints.

    They replace stdout and functions of ours, which other threads of a job use.
    """
    ended = False
    with subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "--", *command],
                          stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) as process:
        for text in process.stdout or ():
            line = LINE.match(text)
            ended = bool(TOTALS.match(text))
            if line:
                tally.add(*line.groups())
            elif not ended:
                say(text.rstrip("\n"))
    if not ended or process.returncode not in (0, 1):
        tally.add("FAIL", "tools: unit tests come to their end", f"status {process.returncode}")


def run_boots(built, lab):
    os.environ["LAB_KERNEL"] = str(built / "vmlinuz")
    os.environ["LAB_KVM"] = str(built / "kvm/stock")
    os.environ["LAB_ONLY"] = lab
    tally = Tally()
    run(tally, "boot_test.py")
    return tally.finish()


def run_units(argv):
    if argv:
        return run_boots(Path(argv[0]).resolve(), "".join(argv[1:2]))
    tally = Tally()
    run(tally)
    return tally.finish()


if __name__ == "__main__":
    main(run_units, sys.argv[1:], (0, 1, 2), __doc__)
