# SPDX-License-Identifier: GPL-2.0-only
"""Every job tells its progress and its errors by this, in the same words."""
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any, NoReturn


class JobError(Exception):
    """Its text says what went wrong and what to do, in one line."""


def say(text: object) -> None:
    print(text, file=sys.stderr, flush=True)


def own_environment() -> dict[str, str]:
    """Return our environment without what a make that runs us tells a make below it."""
    settings = re.findall(r"(?<!\\)\s(\w+)=", os.environ.get("MAKEFLAGS", ""))
    return {name: value for name, value in os.environ.items()
            if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", *settings)}


STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_to_the_end(command: Sequence[str], **options: Any) -> int:
    """Run COMMAND and return its status; what stops us stops it first."""
    # A signal has to wait until there is a process that can be stopped.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)

    def unblock():
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    try:
        # It only sets a mask.  pylint: disable-next=subprocess-popen-preexec-fn
        process = subprocess.Popen(command, preexec_fn=unblock, **options)
    except OSError:
        unblock()
        raise
    with process:
        try:
            unblock()
            return process.wait()
        except BaseException:
            # Given time, make removes what it had half made, and tar ends what it had started.
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def step(what: str, command: Sequence[str], log: Path, cwd: Path | None = None) -> None:
    """Run COMMAND with its output in the file LOG; say WHAT it does and how long it took."""
    say(f"{what} (log: {log})")
    start = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as out:
        try:
            status = run_to_the_end(command, cwd=cwd, env=own_environment(), stdout=out,
                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            raise JobError(f"{what}: {command[0]} is missing; run 'make packages'") from None
    if status:
        for line in log.read_text(errors="replace").splitlines()[-15:]:
            say(f"  | {line}")
        raise JobError(f"{what} failed with status {status}; see {log}")
    say(f"{what}: done in {time.monotonic() - start:.0f} s")


def stop(number, _frame):
    """Stop as after Ctrl-C, so that nothing is left half made.

    A second signal is ignored, so that this gets to its end.
    """
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(job: Callable[[Any], int], argv: Sequence[str], counts: Container[int] | None = None,
         usage: str | None = "") -> NoReturn:
    """Run JOB(ARGV) and turn what goes wrong into one line and a status.

    How many arguments there may be is in COUNTS, if told; else USAGE is said.
    """
    if counts is not None and len(argv) not in counts:
        say((usage or "").strip())
        sys.exit(2)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        sys.exit(job(argv))
    except JobError as error:
        say(f"error: {error}")
    except OSError as error:
        say(f"error: {error}; check space and permissions, then run it again")
    except KeyboardInterrupt as error:
        say(f"error: interrupted{f' by {error}' if str(error) else ''}; run it again to go on")
    sys.exit(1)
