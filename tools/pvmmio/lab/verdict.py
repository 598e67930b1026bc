# SPDX-License-Identifier: GPL-2.0
"""This decides whether a run passed, by its exit status and by what the kernel said."""

import re
from collections.abc import Iterable

# The kernel prints this in front of a message: a time stamp and, if configured, the
# caller. Patterns start there, lest words inside a message pass for a report.
PREFIX = r"^(?:\[ *\d+\.\d+\])?(?:\[ *[TC]\d+\])? ?"

# (what to tell the user, the pattern, anchored at the start of the message)
SPLATS = [(name, re.compile(PREFIX + pattern)) for name, pattern in (
    ("panic", r"Kernel panic - not syncing"),
    ("oops", r"Oops:|.*: [0-9a-f]{4} \[#\d+\]"),
    ("oops", r"(?:general protection fault|stack segment|divide error|invalid opcode"
             r"|double fault|int3|PANIC: double fault)\b"),
    ("kernel BUG", r"kernel BUG at "),
    ("soft or hard lockup", r"watchdog: BUG: |.*Watchdog detected hard LOCKUP"),
    # KASAN, KCSAN, KFENCE, KMSAN, sleeping or scheduling in atomic context, SLUB
    ("BUG", r"(?:\[ )?BUG[: ]"),
    ("undefined behaviour", r"UBSAN: "),
    # WARN_ON() and lockdep alike
    ("warning", r"WARNING: "),
    ("lockdep", r"INFO: (?:trying to register non-static key|lockdep is turned off"
                r"|possible (?:circular|recursive|irq))"),
    ("RCU stall", r"(?:rcu: )?INFO: rcu\w* .*(?:detected|stall)"),
    ("hung task", r"INFO: task .* blocked for more than"),
    ("memory leak", r"kmemleak: [1-9]\d* new suspected memory leak|unreferenced object 0x"),
    ("wrong MSR access", r"unchecked MSR access error: "),
    ("lost interrupt", r"irq \d+: nobody cared"),
    ("stack trace", r"Call Trace:"),
)]


def classify(line: str) -> str | None:
    return next((name for name, pattern in SPLATS if pattern.match(line)), None)


def find_splat(console: str, known: Iterable[str] = ()) -> tuple[str, str] | None:
    """Return (kind, line) for the first kernel report in the console's text, or None.

    KNOWN are patterns of reports that the machine itself is to blame for.
    """
    lines = iter(console.splitlines())
    for line in lines:
        kind = classify(line)
        if kind and any(re.search(pattern, line) for pattern in known):
            # The rest of the report, such as its stack trace, is known too. A report
            # without an end would hide all that follows.
            if not any("---[ end trace" in end for end in lines):
                return kind, line.strip()
        elif kind:
            return kind, line.strip()
    return None


def parse_status(verdict: str) -> int | None:
    """Return the exit status that the guest sent, or None if it sent none, or half of one."""
    match = re.fullmatch(r"(\d{1,3})\n", verdict)
    return int(match.group(1)) if match else None
