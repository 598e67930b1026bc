# SPDX-License-Identifier: GPL-2.0-only
"""Check the sources: licence tags, checkpatch, sparse, W=1, shellcheck, pylint, mypy.

usage: check.py BUILT

BUILT is a folder that pvmmio/build/kernel.py made: checkpatch and the kernel's
build are taken from there.
"""
import functools
import os
import subprocess
import sys
from pathlib import Path

from pvmmio import REPO
from pvmmio.build.compiler import complaints
from pvmmio.console import main, own_environment
from pvmmio.lab.fleet import side_by_side
from pvmmio.tally import Tally

EVENT_STYLE = "COMPLEX_MACRO,PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE,SPACING"
NO_TAG = {"COPYING"}
# The lab's busybox sh has "local", as dash has.
SHELLS = {b"sh": "sh", b"bash": "bash", b"dash": "dash", b"busybox sh": "dash"}


def tracked():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                            cwd=REPO, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (REPO / name).is_file()]


def shell_of(name):
    """The dialect of a shell script, for shellcheck; None for other files."""
    first = (REPO / name).read_bytes().split(b"\n", 1)[0]
    return SHELLS.get(first.rsplit(b"/", 1)[-1]) if first.startswith(b"#!") else None


def check_tag(name):
    head = (REPO / name).read_text(errors="replace").splitlines()[:3]
    return "" if any("SPDX-License-Identifier: " in line for line in head) else "no SPDX tag"


def run(command, cwd=REPO):
    """What COMMAND complained about, in one line; nothing if it is content."""
    done = subprocess.run(command, cwd=cwd, env=own_environment(), capture_output=True,
                          text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return "; ".join(lines[:6] or ["no reason given"]) if done.returncode else ""


def checkpatch(tree, name):
    # Events are declared in a way that is theirs alone, and it takes a label in an entry of
    # the exception table for arithmetic.
    own = {"_trace.h": EVENT_STYLE, "pv_mmio_memory.h": "SPACING"}
    ignored = [f"--ignore={style}" for end, style in own.items() if name.endswith(end)]
    # What all who run it here want is in .checkpatch.conf.
    return run([tree / "scripts/checkpatch.pl", "--terse", "--no-summary",
                *ignored, "-f", REPO / name])


def kernel_objects(names):
    """The objects of our kernel files, as paths below arch/x86/kvm."""
    for name in names:
        if name.startswith("arch/x86/kvm/") and name.endswith(".c"):
            yield name.removeprefix("arch/x86/kvm/")[:-2] + ".o"
        elif name.startswith("virt/kvm/") and name.endswith(".c"):
            yield "../../../" + name[:-2] + ".o"


def sparse(built, name):
    """Compile one object with all warnings and run sparse over its source."""
    release = (built / "release").read_text().strip()
    source = built / "linux/arch/x86/kvm" / (name[:-2] + ".c")
    source.touch()
    done = subprocess.run(["make", f"KERNELRELEASE={release}", "M=arch/x86/kvm", "W=1", "C=2",
                           name], cwd=built / "linux", env=own_environment(),
                          capture_output=True, text=True, check=False)
    lines = complaints(done.stderr)
    if done.returncode and not lines:
        lines = done.stderr.splitlines()[-3:]
    return "; ".join(lines)


def read_only(tree, names):
    """The checks of the files NAMES that leave them as they are, as (name, function, what...)."""
    yield "pylint tools/pvmmio", run, ["pylint", "--score=n", "tools/pvmmio"]
    yield "mypy tools/pvmmio", run, ["mypy", "--no-error-summary"]
    for name in names:
        if name not in NO_TAG:
            yield f"licence tag {name}", check_tag, name
        if name.endswith((".c", ".h")):
            yield f"checkpatch {name}", checkpatch, tree, name
        if shell_of(name):
            yield f"shellcheck {name}", run, ["shellcheck", "-f", "gcc", "-s", shell_of(name), name]


def note(tally, name, function, *what):
    complaint = function(*what)
    tally.add("FAIL" if complaint else "PASS", name, complaint)


def check_objects(tally, built, names):
    # They are built in one folder, so one by one.
    for name in kernel_objects(names):
        note(tally, f"sparse and W=1 {name}", sparse, built, name)


def check(argv):
    built, names, tally = Path(argv[0]).resolve(), tracked(), Tally()
    calls = [functools.partial(check_objects, tally, built, names)]
    calls += [functools.partial(note, tally, *each) for each in read_only(built / "linux", names)]
    side_by_side(calls, limit=os.cpu_count())
    return tally.finish()


if __name__ == "__main__":
    main(check, sys.argv[1:], (1,), __doc__)
