# SPDX-License-Identifier: GPL-2.0-only
"""All jobs that run test programs on the lab's machines use this.

usage: machines.py LAB JOB...

Says why the jobs can't have the machine that the make variable LAB names, if so.
"""
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pvmmio.console import JobError, main, say
from pvmmio.jobs.reader import Reader
from pvmmio.lab import fleet
from pvmmio.lab.errors import TIMEOUT
from pvmmio.lab.known import MACHINES
from pvmmio.tally import Tally

# These tests have several vCPUs that run at once, so they run on two CPUs as well.
SMP_TESTS = ("pv_mmio_smp_test", "pv_mmio_stress_test", "pv_mmio_post_smp_test",
             "pv_mmio_device_test")
SMP = ["--cpus", "2"]
# LAB names the machine that we run on so, and only this job takes it.
HOST, HOST_JOB = "host", "bench"


def chosen(lab: str) -> list[str]:
    """Return the machines that the make variable LAB names; it's an error if one is unknown."""
    names = fleet.chosen(lab)
    if not names:
        raise JobError(f"LAB={lab}: no such machine; there is {', '.join(MACHINES)}")
    return names


def fit(job: str) -> list[str]:
    """Return the machines that can take JOB."""
    return [name for name, machine in MACHINES.items() if job not in machine.NOT_FOR]


def refusal(lab: str, jobs: Sequence[str]) -> str:
    """Say why JOBS can't have the one machine that the make variable LAB names, or nothing."""
    if len(lab.split()) > 1:
        return f"LAB={lab}: that is more than one machine; say one, or none for both"
    if lab == HOST:
        return f"LAB={lab}: that is for {HOST_JOB} only" if set(jobs) - {HOST_JOB} else ""
    if lab not in MACHINES:
        return f"LAB={lab}: no such machine; there is {', '.join(MACHINES)}, and for" \
               f" {HOST_JOB} {HOST}"
    return next((f"LAB={lab}: {job} is not for this machine: {MACHINES[lab].NOT_FOR[job]}"
                 for job in jobs if job in MACHINES[lab].NOT_FOR), "")


def run(tally: Tally, reader: Reader, names: Iterable[str], built: Path, script: str | Path,
        programs: Iterable[Path], options: Iterable[str], kind: str = "") -> None:
    """Run SCRIPT, see fleet.run(), and add one check for each machine itself.

    The lab's status tells of anything that its kernel reported, too.  READER takes
    the lines and knows whether a machine's last test is still RUNNING.
    """
    job = Path(script).parent.name + kind.replace(" ", "-")
    for machine in fleet.run(names, built, script, programs, reader.line, options, job):
        ended = machine.status == 0 and machine.name not in reader.running
        tally.add("PASS" if ended else "FAIL",
                  f"{machine.name}{kind}: the machine ran to its end, no report by its kernel",
                  "" if ended else f"status {machine.status}; see {machine.work}/console.log")


def run_hypervisor(name: str, attempt: Callable[[], tuple[fleet.Machine, Any]]
                   ) -> tuple[fleet.Machine, Any]:
    """Return what ATTEMPT() returns, a machine and a result.

    If the machine NAME came to no end, attempt it again, as often as its file says.
    """
    tries = MACHINES[name].HYPERVISOR_TRIES
    for tried in range(1, tries + 1):
        machine, result = attempt()
        if machine.status != TIMEOUT or tried == tries:
            break
        say(f"{name}: the machine came to no end: starting it once more")
    return machine, result


def refuse(argv):
    why = refusal(argv[0], argv[1:])
    print(why, end="")
    return 1 if why else 0


if __name__ == "__main__":
    main(refuse, sys.argv[1:], range(1, sys.maxsize), __doc__)
