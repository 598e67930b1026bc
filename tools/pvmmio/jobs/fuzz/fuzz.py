# SPDX-License-Identifier: GPL-2.0-only
"""Run the differential test on the lab's machines, for as long as told.

usage: fuzz.py BUILT LAB TIME SEED CASES

BUILT is a folder that pvmmio/build/kernel.py made, LAB names machines ("": all).
TIME is seconds, roughly, CASES how many at most ("": no limit; with neither it
is a minute), SEED a number ("": a new one).
"""
import secrets
import sys
from pathlib import Path

from pvmmio.console import JobError, main, say
from pvmmio.jobs import machines
from pvmmio.jobs.reader import Reader
from pvmmio.lab.known import MACHINES
from pvmmio.tally import Tally

TEST = "pv_mmio_diff_test"
DEFAULT_TIME = 60
NO_LIMIT = 10 ** 12
BOOT_SECONDS = 300
# How much longer than TIME a machine may take: a busy host, a case made smaller.
SLOWDOWN = 5
# What a machine does at least, for a limit by number only.
CASES_PER_SECOND = 20


class Progress(Reader):
    """Prints comments while they come; results are counted as for every test."""

    def line(self, machine, text):
        if text.startswith("# "):
            say(f"{machine.name}: {text[2:]}")
        super().line(machine, text)


def number(name, text, default):
    if not text:
        return default
    try:
        value = int(text, 0)
    except ValueError:
        value = 0
    if value <= 0:
        raise JobError(f"{name}={text}: that is not a positive number")
    return value


def host_limit(seconds, cases):
    """How many of our seconds a machine may take before it counts as stuck."""
    by_time = seconds * SLOWDOWN if seconds < NO_LIMIT else NO_LIMIT
    return BOOT_SECONDS + min(by_time, cases // CASES_PER_SECOND)


def script(folder, seed, seconds, test, options, cpus=1):
    """What runs TEST in the lab, told in its machine's time how long."""
    # Of its own: two of these jobs may run side by side.
    path = folder / f"in-lab-{seed:x}"
    folder.mkdir(parents=True, exist_ok=True)
    clocks = {machine.VENDOR: machine.CLOCK_FACTORS[cpus] for machine in MACHINES.values()}
    path.write_text("#!/bin/busybox sh\n"
                    ". /lab/tests\n" +
                    "".join(f"grep -q {vendor} /proc/cpuinfo && seconds={seconds / factor}\n"
                            for vendor, factor in clocks.items()) +
                    f"run_test patched {test} with-kvm patched /lab/bin/{test} {options}"
                    " -t \"$seconds\"\n"
                    "exit 0\n")
    return path


def fuzz(argv):
    built, lab = Path(argv[0]).resolve(), argv[1]
    cases = number("CASES", argv[4], NO_LIMIT)
    seconds = number("TIME", argv[2], NO_LIMIT if argv[4] else DEFAULT_TIME)
    seed = number("SEED", argv[3], secrets.randbits(63) + 1)
    labs = machines.chosen(lab)
    say(f"again with: make fuzz SEED={seed:#x}")
    tally = Tally()
    in_lab = script(built.parent / "fuzz", seed, seconds, TEST, f"-s {seed:#x} -n {cases}")
    machines.run(tally, Progress(tally), labs, built, in_lab, [built / "tests" / TEST],
                 ["--timeout", str(host_limit(seconds, cases))])
    return tally.finish()


if __name__ == "__main__":
    main(fuzz, sys.argv[1:], (5,), __doc__)
