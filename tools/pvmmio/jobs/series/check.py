# SPDX-License-Identifier: GPL-2.0-only
"""Apply the series patch by patch to Debian's kernel: each builds, the end is the overlay.

usage: check.py BUILT WORK

BUILT is a folder that pvmmio/build/kernel.py made; WORK is made anew.
"""
import shutil
import subprocess
import sys
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import kernel, overlay
from pvmmio.build.compiler import complaints
from pvmmio.console import JobError, main, say, step
from pvmmio.jobs.check.check import EVENT_STYLE
from pvmmio.jobs.series import series
from pvmmio.tally import Tally

# What checkpatch asks of a patch and this can't have: a change of MAINTAINERS wherever it adds
# a file, as one entry, which the last patch adds, is for all of them; and a header that doesn't
# contain its own name, as those of tracepoints have to.
IGNORED = "FILE_PATH_CHANGES,EMBEDDED_FILENAME"


def make_tree(source, tree, targets):
    """The kernel's SOURCE in TREE, with what the series changes under git."""
    shutil.rmtree(tree, ignore_errors=True)
    overlay.copy_source(source, tree)
    series.git(tree, "init", "--quiet", "--initial-branch", "main")
    series.git(tree, "add", "--force", *sorted(name for name in targets if (tree / name).exists()))
    series.git(tree, "commit", "--quiet", "--message", "the kernel")


def checkpatch(tree, patch):
    # One declares the tracepoint, which has a style of its own.
    ignored = [IGNORED, EVENT_STYLE] if "TRACE_EVENT(" in patch.read_text() else [IGNORED]
    done = subprocess.run([tree / "scripts/checkpatch.pl", "--strict", "--terse", "--no-summary",
                           "--no-tree", "--ignore", ",".join(ignored), patch], cwd=tree,
                          capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return "; ".join(lines[:4] or ["no reason given"]) if done.returncode else ""


def build(tree, logs, number):
    """Build KVM as it is by now; what it says about our code, or nothing."""
    log = logs / f"{number}.log"
    try:
        kernel.make(f"configuring step {number}", tree, logs / f"{number}-config.log",
                    "olddefconfig", "modules_prepare")
        kernel.make(f"building step {number}", tree, log, "M=arch/x86/kvm", "modules")
    except JobError as error:
        return str(error)
    return "; ".join(complaints(log.read_text(errors="replace"))[:3])


def differences(tree, laid, targets):
    return [name for name in targets
            if not (tree / name).is_file()
            or (tree / name).read_bytes() != (laid / name).read_bytes()]


def prepare(built, tree):
    flavour = Path((built / "source").read_text()).parent / built.name
    shutil.copy(built / "release", tree.parent)
    shutil.copy(flavour / "config", tree / ".config")
    shutil.copy(flavour / "Module.symvers", tree)


def check(argv):
    built, work = (Path(arg).resolve() for arg in argv)
    source, tree, tally = Path((built / "source").read_text()), work / "linux", Tally()
    targets = overlay.overlay_files(REPO, overlay.series_of(source))
    make_tree(source, tree, targets)
    prepare(built, tree)
    series.series([str(work / "patches"), str(tree)])
    patches = sorted((work / "patches").glob("*-KVM-*"))
    for patch in patches:
        number = patch.name.split("-")[0]
        step(f"applying {patch.name}", ["git", "am", "--quiet", str(patch)],
             work / "logs" / f"{number}-am.log", cwd=tree)
        for what, why in (("checkpatch", checkpatch(tree, patch)),
                          ("builds", build(tree, work / "logs", number))):
            tally.add("FAIL" if why else "PASS", f"series {patch.name} {what}", why)
    wrong = differences(tree, built / "linux", targets)
    tally.add("FAIL" if wrong else "PASS", "series: its end is the overlay", " ".join(wrong[:3]))
    hooked = [name for name, parts in targets.items() if overlay.is_hook(parts[0])]
    changed = series.git(tree, "diff", "--shortstat", f"HEAD~{len(patches)}", "--", *hooked)
    say(f"series: the kernel's own files: {changed.strip()}")
    return tally.finish()


if __name__ == "__main__":
    main(check, sys.argv[1:], (2,), __doc__)
