# SPDX-License-Identifier: GPL-2.0-only
"""Run one of the jobs in a Debian 13, made by mmdebstrap.

usage: debian13.py OUT JOB

JOB is what make is told there, such as "test LAB=amd".  The system lies in the cache,
with a cache of its own.  It sees a copy of this checkout, and OUT as its build folder.
"""
import contextlib
import fcntl
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import debian
from pvmmio.build.packages import as_root
from pvmmio.console import JobError, main, own_environment, say, step
from pvmmio.jobs.debian import system

HERE = Path(__file__).resolve().parent
# What root or sudo is needed for.
PURPOSE = "make a Debian 13 and run jobs there"
SUITE = "trixie"
# The jobs themselves install what else they need.
PACKAGES = ("ca-certificates", "make", "python3")
# Packages that jobs install there are fetched once.
NO_DEBS = 'APT::Keep-Downloaded-Packages "false";'
APT_HELPER = "/usr/lib/apt/apt-helper"
# They read or change what the system there doesn't see.
NOT_THERE = ("clean", "debian13", "load", "results", "series", "unload")
PASSED_ON = ("TERM", "http_proxy", "https_proxy", "no_proxy")
# How long a job may take to end by itself when it is interrupted.
PATIENCE = 3


def words(job):
    """JOB as arguments of make, asked of the Makefile before anything is made for it."""
    try:
        found = shlex.split(job)
    except ValueError as error:
        raise JobError(f"JOB={job}: {error}") from None
    names = [word for word in found if "=" not in word]
    if not names:
        raise JobError('JOB: which job is to run there? Say JOB="test LAB=amd", for example')
    for name in names:
        if name.startswith("-"):
            raise JobError(f"JOB={job}: {name} is no job; make's own options aren't taken")
        if name in NOT_THERE:
            raise JobError(f"JOB={job}: {name} is for this system, not for another one")
    done = subprocess.run(["make", "-C", str(REPO), "-s", "-n", *found], env=own_environment(),
                          capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["make gave no reason"])[-1]
        raise JobError(f"JOB={job}: {re.sub(r'^.*?[*]{3} | +Stop[.]$', '', why)}")
    return found


def sources(lines, here):
    """Package sources as those of the release HERE in LINES, for Debian 13.

    Its backports, which the same mirror has, offer newer kernels; of them apt takes only
    what it is asked for by its version.
    """
    lines = [re.sub(rf"(?<= ){here}(?=[ -])", SUITE, line) for line in lines]
    backports = [line.replace(f" {SUITE} ", f" {SUITE}-backports ") for line in lines]
    return list(dict.fromkeys(lines + [line for line in backports if "-backports " in line]))


def ask(lines, where):
    """Have it told in one line if a mirror in LINES has no Debian 13."""
    for line in lines:
        uri, suite = line.split()[-3:-1]
        done = subprocess.run([APT_HELPER, "download-file",
                               f"{uri.rstrip('/')}/dists/{suite}/InRelease", str(where)],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise JobError(f"{uri} offers no {suite}, which is Debian 13"
                           f" ({why.removeprefix('E: ')})")


@contextlib.contextmanager
def leash():
    """A file that is locked as long as we are there, however we end."""
    with tempfile.NamedTemporaryFile(prefix="pv-mmio-") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield held.name


def leashed(held, command):
    """COMMAND as root, where what it mounts is seen by nobody else and goes with it."""
    return as_root(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                    str(HERE / "leashed"), held, *map(str, command)], PURPOSE)


def remove(path):
    subprocess.run(as_root(["rm", "-rf", "--one-file-system", str(path)], PURPOSE), check=False)


def install_system(lines, home):
    """Make the system from package sources LINES, whole or not at all."""
    root, partial = home / "root", home / "root.partial"
    remove(partial)
    with tempfile.TemporaryDirectory(dir=home) as tmp, leash() as held:
        ask(lines, Path(tmp) / "InRelease")
        listed = Path(tmp) / "sources.list"
        listed.write_text("\n".join(lines) + "\n")
        try:
            step("installing a Debian 13, once", leashed(held, [
                "mmdebstrap", "--mode=root", "--variant=apt", "--format=directory",
                # As an option of apt's, it would take away what is to be installed here.
                f"--customize-hook=echo '{NO_DEBS}' >\"$1/etc/apt/apt.conf.d/no-debs\"",
                # A system that can be made again needs no fsync() for each of its files.
                "--dpkgopt=force-unsafe-io",
                f"--include={','.join(PACKAGES)}", SUITE, partial, listed]),
                home / "root.log")
        except BaseException:
            remove(partial)
            raise
    subprocess.run(as_root(["mv", str(partial), str(root)], PURPOSE), check=True)


def make_system(home):
    """Have the system in the cache, with the package sources that there are now."""
    lines = sources(system.sources(), system.suite())
    # This is what mmdebstrap makes of a file "sources.list".
    listed = home / "root/etc/apt/sources.list.d/0000sources.list"
    if not (home / "root").exists():
        install_system(lines, home)
    elif listed.read_text().splitlines() != lines:
        with tempfile.NamedTemporaryFile("w", dir=home) as now:
            now.write("\n".join(lines) + "\n")
            now.flush()
            subprocess.run(as_root(["install", "-m", "644", now.name, str(listed)], PURPOSE),
                           check=True)


def copy_checkout(out):
    """A job there may write to the documentation: that isn't to be mixed with ours."""
    copy = out / "checkout"
    step("copying the checkout", ["rsync", "-a", "--delete", "--exclude=/build",
                                  "--exclude=/.git/", f"{REPO}/", f"{copy}/"],
         out / "logs/checkout.log")
    return copy


def run_leashed(command):
    """COMMAND's status; an interrupt at the keyboard is for it, too, so it's given time."""
    process = None
    try:
        with leash() as held:
            process = subprocess.Popen(leashed(held, command), env=own_environment())
            try:
                return process.wait()
            except KeyboardInterrupt:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(PATIENCE)
                raise
    finally:
        # The leash is let go: all that is there ends by that.
        if process:
            process.wait()


def run_there(home, out, arguments):
    """The status of make with ARGUMENTS in the system."""
    environment = {"HOME": "/root", "LANG": "C.UTF-8",
                   "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    environment |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    cache = home / "cache"
    cache.mkdir(exist_ok=True)
    command = [HERE / "inside", home / "root", REPO, copy_checkout(out), out, cache, "env", "-i",
               *(f"{name}={value}" for name, value in environment.items()), "make", *arguments]
    say(f"in Debian 13: make {shlex.join(arguments)}")
    return run_leashed(command)


def give_back(out):
    """What root made there is the caller's, who is to be able to remove it."""
    if os.geteuid():
        subprocess.run(as_root(["chown", "-R", f"{os.getuid()}:{os.getgid()}", str(out)],
                               PURPOSE),
                       check=False)


def run(argv):
    out, arguments = Path(argv[0]).resolve(), words(argv[1])
    home = debian.cache_root() / "debian13"
    out.mkdir(parents=True, exist_ok=True)
    with debian.cache_lock(home / "lock"):
        make_system(home)
        try:
            return run_there(home, out, arguments)
        finally:
            give_back(out)


if __name__ == "__main__":
    main(run, sys.argv[1:], (2,), __doc__)
