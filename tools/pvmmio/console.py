# SPDX-License-Identifier: GPL-2.0-only
"""Progress and errors, in the same words for every job."""
import os
import subprocess
import sys
import time


class JobError(Exception):
    """What went wrong and what to do, in one line."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def own_environment():
    """Ours, without what a make above us says to a make below it."""
    return {name: value for name, value in os.environ.items()
            if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}


def step(what, command, log, cwd=None):
    """Run COMMAND with its output in the file LOG; tell what and how long."""
    say(f"{what} (log: {log})")
    start = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as out:
        try:
            run = subprocess.run(command, cwd=cwd, env=own_environment(), stdout=out,
                                 stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                 check=False)
        except FileNotFoundError:
            raise JobError(f"{what}: {command[0]} is missing; run 'make packages'") from None
    if run.returncode:
        for line in log.read_text(errors="replace").splitlines()[-15:]:
            say(f"  | {line}")
        raise JobError(f"{what} failed with status {run.returncode}; see {log}")
    say(f"{what}: done in {time.monotonic() - start:.0f} s")


def main(job, argv, counts=None, usage=""):
    """Run JOB(ARGV) and turn what goes wrong into one line and a status.

    How many arguments there may be is in COUNTS, if told; else USAGE is said.
    """
    if counts is not None and len(argv) not in counts:
        say(usage.strip())
        sys.exit(2)
    try:
        sys.exit(job(argv))
    except JobError as error:
        say(f"error: {error}")
    except OSError as error:
        say(f"error: {error}; check space and permissions, then run it again")
    except KeyboardInterrupt:
        say("error: interrupted; run it again to go on")
    sys.exit(1)
