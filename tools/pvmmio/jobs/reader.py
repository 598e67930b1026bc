# SPDX-License-Identifier: GPL-2.0-only
"""What test programs on the lab's machines print, as checks."""
import re

KSFT_SKIP = 4
RESULT = re.compile(r"(not ok|ok) \d+ (.*)")
END = re.compile(r"end \d+$")
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
        elif status != 0 or self.planned is None or self.results != self.planned:
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
            # As after the words of a program that died in the middle of a line.
            if program:
                program.end(None)
            self.running[machine.name] = Program(machine.name + self.kind, *rest.split(),
                                                 self.tally)
        elif program and word == "end":
            self.running.pop(machine.name).end(int(rest))
        elif program:
            program.line(text)
        elif END.match(text):
            self.tally.add("FAIL", f"{machine.name}{self.kind}: a test begins before it ends", text)
