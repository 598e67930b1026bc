# SPDX-License-Identifier: GPL-2.0-only
"""The commands and settings that the documentation prints, and where each is run."""
import re

from pvmmio import REPO

PAGES = [REPO / "README.md", REPO / "TESTING.md", REPO / "CONTRIBUTING.md",
         *sorted((REPO / "Documentation").rglob("*.rst"))]
JOBS = REPO / ".ci/jobs"

# In back quotes, or indented with the explanation after two blanks.
SPAN = re.compile(r"`+([^`]+)`+")
BLOCK = re.compile(r"^ {4}(\S.*?)(?:  |$)", re.MULTILINE)
SETTING = re.compile(r"\b([A-Z]+(?:_[A-Z]+)*)=")
# What people type besides make; the name alone is no command.
PROGRAM = re.compile(r"(?:PYTHONPATH=tools python3 -m |\S*/)?(with-kvm|pv-mmio|pvmmio\.lab\.lab"
                     r"|kvm_stat|perf|trace-cmd|kvm-modules|\w+_(?:test|bench)) \S")

IN_DEBIAN = "tools/pvmmio/jobs/debian/in-lab"
# What CI doesn't start as a job: the file that runs it, and how it says so there.
RUN_BY = {
    "make load": (IN_DEBIAN, "\njob load\n"),
    "make unload": (IN_DEBIAN, "\njob unload\n"),
    "tools/host/kvm-modules load DIR": ("tools/host/modules-in-lab", "\njob load $ours\n"),
    "with-kvm patched /lab/bin/pv_mmio_test": (
        ".ci/typed", "with-kvm patched /lab/bin/pv_mmio_test"),
    "build/modules/*/pv-mmio probe": ("tools/pv-mmio/probe-in-lab", "$probe probe\n"),
    "pv-mmio probe --json": ("tools/pv-mmio/probe-in-lab", "$probe probe --json\n"),
    "pv-mmio probe": ("tools/pv-mmio/probe-in-lab", "$probe probe\n"),
    "pv-mmio stats": ("tools/pv-mmio/stats-in-lab", "\nstats\n"),
    "pv-mmio stats --prometheus": ("tools/pv-mmio/stats-in-lab", "\nstats --prometheus\n"),
    "kvm_stat -d -1 -f pv_mmio": (IN_DEBIAN, "kvm_stat -d -1 -f '^pv_mmio'"),
    "perf trace --libtraceevent_print -e kvm:kvm_pv_mmio": (
        IN_DEBIAN, "perf trace --libtraceevent_print -o /tmp/trace -e kvm:kvm_pv_mmio"),
    "trace-cmd record -e kvm_pv_mmio": (
        IN_DEBIAN, "trace-cmd record -q -o /tmp/trace.dat -e kvm_pv_mmio"),
    "trace-cmd report -i trace.dat": (IN_DEBIAN, "trace-cmd report -i /tmp/trace.dat"),
    "PYTHONPATH=tools python3 -m pvmmio.lab.lab run --help": (
        "tools/pvmmio/lab/test_lab.py", '"run", "--help"'),
    "pv_mmio_hostile_test -n 10000": (".ci/typed", "pv_mmio_hostile_test -n"),
}
# What no emulated machine can show; the page has to say so where it prints the command.
HARDWARE = ("make bench LAB=host",)
# Settings that aren't make's.
SET_BY = {"XDG_CACHE_HOME": "tools/pvmmio/build/test_debian.py",
          "PYTHONPATH": "Makefile"}


def spans(page):
    text = page.read_text()
    if page.suffix == ".md":
        text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        return SPAN.findall(text) + BLOCK.findall(text)
    return SPAN.findall(text)


def commands(page):
    """The commands that PAGE prints."""
    return [" ".join(span.split()) for span in spans(page)
            if span.startswith("make ") or PROGRAM.match(span)]


def settings(page):
    """The settings that PAGE prints in its commands, or on their own, and in $NAME."""
    found = {name for span in spans(page) for name in SETTING.findall(span)}
    return found | {name for span in spans(page) for name in re.findall(r"\$([A-Z_]+)", span)}


def words(job):
    """A job and its settings, without their values."""
    return {re.sub("=.*", "=", word) for word in job.split()}


def jobs():
    """What CI tells make, each as its words; "&" stands between jobs of one time."""
    return [words(job) for line in JOBS.read_text().splitlines()
            if line and not line.startswith("#") for job in line.split(" & ")]
