# SPDX-License-Identifier: GPL-2.0-only
"""This makes checks of what test programs on the lab's machines print."""
import re
import time
from typing import Any

from pvmmio.lab import fleet
from pvmmio.tally import Tally

KSFT_SKIP = 4
RESULT = re.compile(r"(not ok|ok) (\d+) (.*)")
END = re.compile(r"end (\d+)$")
PLAN = re.compile(r"1\.\.(\d+)(?: # SKIP (.*))?$")


class Program:
    """One run of one test program is judged by the lines that it prints."""

    def __init__(self, lab, modules, name, tally):
        self.label = f"{lab} {modules} {name}"
        self.expect_skip = modules == "stock"
        self.tally = tally
        self.planned = None
        self.results = set()
        self.reason = None
        self.notes = []
        self.began = time.monotonic()

    def line(self, text):
        plan, result = PLAN.match(text), RESULT.match(text)
        if plan:
            self.planned, self.reason = int(plan.group(1)), plan.group(2)
        elif result:
            self.results.add(int(result.group(2)))
            self.result(result.group(1) == "ok", result.group(3))
        elif text and not text.startswith("TAP version"):
            self.notes.append(text)

    def result(self, ok, name):
        # The kernel's library puts the directive first: "# SKIP NAME: REASON".
        if name.startswith("# SKIP "):
            name, _, skip = name.removeprefix("# SKIP ").partition(": ")
        else:
            name, _, skip = name.partition(" # SKIP")
        verdict = "SKIP" if skip else "PASS" if ok else "FAIL"
        why = skip.strip() if skip else "" if ok else "; ".join(self.notes)
        self.tally.add(verdict, f"{self.label}: {name}", why)
        self.notes = []

    def lost(self):
        """The numbers that were planned or printed, but not both."""
        return sorted(self.results ^ set(range(1, (self.planned or 0) + 1)))

    def end(self, status):
        if self.expect_skip:
            skips = status == KSFT_SKIP and self.reason
            self.tally.add("PASS" if skips else "FAIL", f"{self.label}: skips",
                           self.reason or f"status {status}")
        elif status != 0 or self.planned is None or self.lost():
            lost = f", without {self.lost()}" if self.lost() else ""
            self.tally.add("FAIL", f"{self.label}: completes",
                           f"status {status}, {len(self.results)} results of {self.planned}"
                           f" planned{lost}; " + "; ".join(self.notes[-8:]))
        else:
            self.tally.add("PASS", f"{self.label}: completes",
                           f"{time.monotonic() - self.began:.1f} s")


class Reader:
    """A reader hands each line of a machine to the program that runs there.

    /lab/tests prints where a program begins and ends.  start(LAB, MODULES, NAME) makes an
    object for it, which gets its lines by line(), and then its status by end(): None if the
    status was lost.
    """

    def __init__(self, tally: Tally, kind: str = ""):
        self.tally = tally
        self.kind = kind
        self.running: dict[str, Any] = {}

    def start(self, lab: str, modules: str, name: str) -> Any:
        return Program(lab + self.kind, modules, name, self.tally)

    def line(self, machine: fleet.Machine, text: str) -> None:
        program, end = self.running.get(machine.name), END.match(text)
        if text.startswith("begin "):
            # A program that died in the middle of a line hides the line of its end.
            if program:
                program.end(None)
            self.running[machine.name] = self.start(machine.name, *text.split()[1:])
        elif program and end:
            self.running.pop(machine.name).end(int(end[1]))
        elif program:
            program.line(text)
        elif end:
            self.tally.add("FAIL", f"{machine.name}{self.kind}: a test begins before it ends", text)
