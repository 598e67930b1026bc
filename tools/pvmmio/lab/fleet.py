# SPDX-License-Identifier: GPL-2.0-only
"""This runs one script on several lab machines at once, and tells their output apart."""
import functools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from pvmmio.lab.known import MACHINES

LAB = [sys.executable, "-m", "pvmmio.lab.lab"]
SCRIPT = "/lab/script"
# Such a function gets each line that a machine prints, while it comes.
OnLine = Callable[["Machine", str], object]


class Machine:
    """A lab machine runs a script, and keeps the lines that the script prints."""

    def __init__(self, name: str, built: Path, script: Path, programs: Iterable[Path],
                 options: Iterable[str], job: str = ""):
        self.name = name
        self.lines: list[str] = []
        self.status: int | None = None
        self.work = built.parent / "lab" / f"{name}-{job or script.parent.name}"
        files = [f"--file={program}" for program in programs]
        sets = [f"--kvm={path.name}={path}" for path in sorted((built / "kvm").iterdir())]
        self.command = [*LAB, "run", "--lab", name, "--kernel",
                        str(built / "vmlinuz"), "--work", str(self.work), *sets, *files,
                        f"--file={script}:{SCRIPT}",
                        *MACHINES[name].FLAVOUR_OPTIONS.get(built.name, []), *options,
                        "--", "sh", SCRIPT]

    def run(self, on_line: OnLine) -> None:
        # If we are stopped, nobody waits for our thread; then the kernel ends the machine.
        with subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "--", *self.command],
                              stdout=subprocess.PIPE, text=True, errors="replace",
                              stdin=subprocess.DEVNULL) as process:
            try:
                for line in process.stdout or ():
                    self.lines.append(line.rstrip("\n"))
                    on_line(self, self.lines[-1])
            finally:
                process.terminate()
        self.status = process.returncode


def side_by_side(calls: Iterable[Callable[[], object]],
                 meanwhile: Callable[[], object] = lambda: None, limit: int | None = None) -> None:
    """Make the CALLS at once, at most LIMIT of them, and raise what one of them raised.

    MEANWHILE is called in the main thread, for what needs that.  A signal that stops us
    doesn't wait for the others.
    """
    raised: list[BaseException] = []
    waiting = list(calls)
    lock = threading.Lock()

    def take():
        with lock:
            return waiting.pop(0) if waiting else None

    def make():
        try:
            for call in iter(take, None):
                call()
        except BaseException as error:  # pylint: disable=broad-exception-caught
            raised.append(error)

    threads = [threading.Thread(target=make, daemon=True) for _ in waiting[:limit]]
    for thread in threads:
        thread.start()
    meanwhile()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def run(names: Iterable[str], built: Path, script: str | Path, programs: Iterable[Path],
        on_line: OnLine, options: Iterable[str] = (), job: str = "") -> list[Machine]:
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


def chosen(lab: str) -> list[str]:
    """Return the machines that the make variable LAB names, or [] if one is unknown."""
    names = lab.replace(",", " ").split() or list(MACHINES)
    return names if set(names) <= set(MACHINES) else []
