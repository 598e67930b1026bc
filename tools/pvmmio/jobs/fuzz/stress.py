# SPDX-License-Identifier: GPL-2.0-only
"""Run the stress test on the lab's machines, for as long as told.

usage: stress.py BUILT LAB TIME SEED

BUILT is a folder that pvmmio/build/kernel.py made, LAB names machines ("": all).
TIME is seconds, roughly ("": a minute), SEED a number ("": a new one).
"""
import secrets
import sys
from pathlib import Path

from pvmmio.console import main, say
from pvmmio.jobs import machines
from pvmmio.jobs.fuzz import fuzz
from pvmmio.jobs.machines import SMP
from pvmmio.tally import Tally

TEST = "pv_mmio_stress_test"


def stress(argv):
    built, lab = Path(argv[0]).resolve(), argv[1]
    seconds = fuzz.number("TIME", argv[2], fuzz.DEFAULT_TIME)
    seed = fuzz.number("SEED", argv[3], secrets.randbits(31) + 1)
    labs = machines.chosen(lab)
    say(f"again with: make stress SEED={seed:#x}")
    tally = Tally()
    script = fuzz.script(built.parent / "stress", seed, seconds, TEST, f"-s {seed:#x}",
                         cpus=2)
    machines.run(tally, fuzz.Progress(tally), labs, built, script, [built / "tests" / TEST],
                 [*SMP, "--timeout", str(fuzz.host_limit(seconds, fuzz.NO_LIMIT))])
    return tally.finish()


if __name__ == "__main__":
    main(stress, sys.argv[1:], (4,), __doc__)
