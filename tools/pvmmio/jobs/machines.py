# SPDX-License-Identifier: GPL-2.0-only
"""What all jobs that run test programs on the lab's machines have in common."""
from pathlib import Path

from pvmmio.console import JobError, say
from pvmmio.lab import fleet
from pvmmio.lab.errors import TIMEOUT

# Those with several vCPUs at once, which run on two CPUs, too.
SMP_TESTS = ("pv_mmio_smp_test", "pv_mmio_stress_test", "pv_mmio_post_smp_test")
SMP = ["--cpus", "2"]
TRIES = 8


def chosen(lab):
    """The machines that the make variable LAB names."""
    names = fleet.chosen(lab)
    if not names:
        raise JobError(f"LAB={lab}: no such machine; there is {', '.join(fleet.MACHINES)}")
    return names


def run(tally, reader, names, built, script, programs, options, kind=""):
    """Run SCRIPT, see fleet.run(); one check for each machine as such.

    The lab's status tells of anything that its kernel reported, too.  READER takes
    the lines and knows whether a machine's last test is still RUNNING.
    """
    job = Path(script).parent.name + kind.replace(" ", "-")
    for machine in fleet.run(names, built, script, programs, reader.line, options, job):
        ended = machine.status == 0 and machine.name not in reader.running
        tally.add("PASS" if ended else "FAIL",
                  f"{machine.name}{kind}: the machine ran to its end, no report by its kernel",
                  "" if ended else f"status {machine.status}; see {machine.work}/console.log")


def run_hypervisor(name, attempt):
    """What ATTEMPT() returns, a machine and more; once more if that had no end.

    Where a guest of QEMU's machine runs Linux and the clock counts instructions, an
    interrupt now and then reaches that guest twice, and Linux waits for its own lock:
    on stock KVM as well, see TESTING.md.
    """
    for tried in range(1, TRIES + 1):
        machine, *more = attempt()
        if machine.status != TIMEOUT or tried == TRIES:
            return machine, *more
        say(f"{name}: the machine came to no end: starting it once more")
