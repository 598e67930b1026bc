# SPDX-License-Identifier: GPL-2.0-only
"""Every job prints a line for each check by this, and the totals at the end."""
import sys
import threading


class Tally:
    """A tally counts checks, and prints a line for each; several threads may add some."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()

    def add(self, verdict: str, name: str, why: str = "") -> None:
        count = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}[verdict]
        with self.lock:
            setattr(self, count, getattr(self, count) + 1)
            print(f"{verdict} {name}" + (f" ({why})" if why else ""), flush=True)

    def finish(self) -> int:
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        if not self.passed + self.failed:
            print("error: no test ran", file=sys.stderr)
            return 1
        return 1 if self.failed else 0
