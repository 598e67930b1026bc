# SPDX-License-Identifier: GPL-2.0-only
"""Install the Debian packages that the jobs need, if any is missing.

usage: packages.py
"""
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence

from pvmmio.console import JobError, main, say

# spatch runs script rules with the Python library of the -dev package.
NEEDED = """
    bc bison bochs bochs-term bochsbios build-essential busybox-static
    ca-certificates coccinelle dwarves flex git gnuplot-nox isolinux kmod libelf-dev
    libpython3-dev libssl-dev mmdebstrap mypy pylint python3-sphinx qemu-system-x86 rsync seabios
    shellcheck sparse syslinux-common uuid-dev vgabios xorriso xz-utils
""".split()


def can_be_root() -> bool:
    return os.geteuid() == 0 or bool(shutil.which("sudo"))


def as_root(command: Sequence[str], what: str) -> Sequence[str]:
    """Return COMMAND as root runs it; an error says WHAT it would do if nobody can be root."""
    if not can_be_root():
        raise JobError(f"this needs root or sudo to {what}")
    return command if os.geteuid() == 0 else ["sudo", *command]


def missing(needed: Iterable[str]) -> list[str]:
    run = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Status}\n", *needed],
                         capture_output=True, text=True, check=False)
    installed = {line.split()[0] for line in run.stdout.splitlines()
                 if line.endswith(" installed")}
    return [name for name in needed if name not in installed]


def apt(*arguments: str, what: str = "") -> None:
    """Run apt-get, for WHAT; if it fails, its last line of output says why."""
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    command = as_root(["apt-get", "-q", *arguments], what or f"run apt-get {arguments[0]}")
    run = subprocess.run(command, env=env, text=True, capture_output=True, check=False,
                         stdin=subprocess.DEVNULL)
    if run.returncode:
        why = (run.stderr or run.stdout).strip().splitlines() or ["no reason given"]
        raise JobError(f"apt-get {arguments[0]} failed: {why[-1]}; check network and"
                       " package sources, then run it again")


def install(needed: Iterable[str]) -> int:
    """Install those packages of NEEDED that are missing, and say which."""
    try:
        names = missing(sorted(needed)) if needed else []
        if not names:
            return 0
        what = f"install {' '.join(names)}"
        as_root([], what)
        say(f"installing packages: {' '.join(names)}")
        apt("update", what=what)
        apt("install", "-y", "--no-install-recommends", *names, what=what)
    except FileNotFoundError as error:
        raise JobError(f"{error.filename} is missing; this needs Debian 12 or 13, and root or"
                       " sudo") from None
    return 0


if __name__ == "__main__":
    main(install, NEEDED)
