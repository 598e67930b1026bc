# SPDX-License-Identifier: GPL-2.0-only
"""One script on several lab machines at once, with its output told apart."""
import functools
import subprocess
import sys
import threading
from pathlib import Path

from pvmmio.lab.known import MACHINES

LAB = [sys.executable, "-m", "pvmmio.lab.lab"]
SCRIPT = "/lab/script"


class Machine:
    """A lab machine that runs a script, and what the script printed."""

    def __init__(self, name, built, script, programs, options, job=""):
        self.name = name
        self.lines = []
        self.status = None
        self.work = built.parent / "lab" / f"{name}-{job or script.parent.name}"
        files = [f"--file={program}" for program in programs]
        sets = [f"--kvm={path.name}={path}" for path in sorted((built / "kvm").iterdir())]
        self.command = [*LAB, "run", "--lab", name, "--kernel",
                        str(built / "vmlinuz"), "--work", str(self.work), *sets, *files,
                        f"--file={script}:{SCRIPT}",
                        *MACHINES[name].FLAVOUR_OPTIONS.get(built.name, []), *options,
                        "--", "sh", SCRIPT]

    def run(self, on_line):
        # Nobody waits for our thread when we are stopped: then the kernel ends the machine.
        with subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "--", *self.command],
                              stdout=subprocess.PIPE, text=True, errors="replace",
                              stdin=subprocess.DEVNULL) as process:
            try:
                # pylint: disable-next=not-an-iterable
                for line in process.stdout:
                    self.lines.append(line.rstrip("\n"))
                    on_line(self, self.lines[-1])
            finally:
                process.terminate()
        self.status = process.returncode


def side_by_side(calls):
    """Make the CALLS at once, raise what one of them raised; what stops us doesn't wait."""
    raised = []

    def make(call):
        try:
            call()
        except BaseException as error:  # pylint: disable=broad-exception-caught
            raised.append(error)

    threads = [threading.Thread(target=make, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def run(names, built, script, programs, on_line, options=(), job=""):
    """Run SCRIPT on all machines of NAMES at once; return them when all are done.

    BUILT is what pvmmio/build/kernel.py made; PROGRAMS come to /lab/bin.
    ON_LINE(machine, line) is called for each line while it comes.  JOB names the folder
    of logs, if not SCRIPT's folder does.
    """
    machines = [Machine(name, built, Path(script), programs, options, job) for name in names]
    lock = threading.Lock()

    def serialised(machine, line):
        with lock:
            on_line(machine, line)

    side_by_side(functools.partial(machine.run, serialised) for machine in machines)
    return machines


def chosen(lab):
    """The machines that the make variable LAB names; none of them if one is unknown."""
    names = lab.replace(",", " ").split() or list(MACHINES)
    return names if set(names) <= set(MACHINES) else []
