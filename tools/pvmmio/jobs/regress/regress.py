# SPDX-License-Identifier: GPL-2.0-only
"""Run the kernel's own KVM selftests under stock and under our modules.

usage: regress.py BUILT [LAB [TESTS]]

BUILT is a folder that pvmmio/build/kernel.py made, LAB names machines (default:
all), TESTS is "short" (the default), "all" or names.  A test whose result
differs fails; one that can't pass on the machine is listed with the reason.
"""
import functools
import re
import subprocess
import sys
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import debian, kernel, overlay
from pvmmio.build.overlay import write_if_changed
from pvmmio.console import JobError, main, say
from pvmmio.jobs import machines
from pvmmio.jobs.reader import KSFT_SKIP, Reader
from pvmmio.jobs.regress import lists
from pvmmio.lab.fleet import side_by_side
from pvmmio.lab.known import MACHINES
from pvmmio.tally import Tally

KILLED = 137
NO_MODULES = 126
HOST_SECONDS = 5400
WHERE = re.compile(r"==== Test Assertion Failure ====")


class Outcome:
    """What one run of one test said; ENDED(outcome) is called at its end."""

    def __init__(self, ended):
        self.ended = ended
        self.status = None
        self.lines = []

    def line(self, text):
        self.lines.append(text)

    def end(self, status):
        self.status = status
        self.ended(self)

    def kind(self):
        return {0: "passes", KSFT_SKIP: "skips", KILLED: "runs into the time limit"}.get(
            self.status, f"fails with status {self.status}")

    def parts(self):
        """How many parts passed and failed; a part that skips says ok, too."""
        words = [line.split(" ", 1)[0] for line in self.lines]
        return words.count("ok"), words.count("not")

    def result(self):
        # Where the time limit falls is chance.
        return self.kind(), self.parts() if self.status != KILLED else ()

    def reason(self):
        """The words that tell why: of a skip, a failed assertion, or the last ones."""
        if self.status == KILLED:
            return "ended at the time limit"
        for line in self.lines:
            if "# SKIP" in line and self.status == KSFT_SKIP:
                return line.partition("# SKIP")[2].strip(" -") or "no reason given"
        for at, line in enumerate(self.lines):
            if WHERE.search(line):
                return "; ".join(part.strip() for part in self.lines[at + 1:at + 3])
        failed = [line for line in self.lines if line.startswith("not ok")]
        return "; ".join(failed[:2]) or (self.lines[-1].strip() if self.lines else "said nothing")

    def text(self):
        passed, failed = self.parts()
        counts = f", {passed} parts ok, {failed} not" if passed + failed else ""
        return self.kind() + counts


class Pairs(Reader):
    """Judges the two runs of each test."""

    def __init__(self, tally):
        super().__init__(tally)
        self.stock = {}

    def start(self, lab, modules, name):
        return Outcome(functools.partial(self.end, f"{lab} {name}", modules))

    def end(self, name, modules, outcome):
        if outcome.status is None:
            self.tally.add("FAIL", name, f"{modules} modules: its status was lost")
        elif outcome.status == NO_MODULES:
            self.tally.add("FAIL", name, f"{modules} modules: {outcome.reason()}")
        elif modules == "stock":
            # The verdicts come with our modules, minutes later.
            say(f"{name} on stock: {outcome.text()}")
            self.stock[name] = outcome
        elif name in self.stock:
            self.judge(name, self.stock.pop(name), outcome)
        else:
            self.tally.add("FAIL", name, "there is no result on stock modules to compare with")

    def judge(self, name, stock, patched):
        if stock.result() != patched.result():
            self.tally.add("FAIL", name, f"stock {stock.text()}, patched {patched.text()}:"
                           f" {patched.reason()}; stock: {stock.reason()}")
        elif stock.status == 0:
            self.tally.add("PASS", name, stock.text())
        elif stock.status == KSFT_SKIP:
            self.tally.add("SKIP", name, stock.reason())
        else:
            self.tally.add("SKIP", name, f"{stock.text()} on stock too: {stock.reason()}")


def build_tests(built):
    """The kernel's own tests of this build, static, as {name: program}."""
    tree = built / "linux"
    with debian.cache_lock(built / "lock"):
        kernel.make("building the kernel's KVM selftests", tree, built / "logs/regress.log", "-C",
                   kernel.SELFTESTS, "USERLDFLAGS=-static")
    ours = {path.stem for path in (REPO / kernel.SELFTESTS / "x86_64").glob("*.c")}
    programs = {}
    own = overlay.arch(overlay.series_of(tree))
    for where in (tree / kernel.SELFTESTS, tree / kernel.SELFTESTS / own):
        for source in sorted(where.glob("*.c")):
            program = source.with_suffix("")
            if program.exists() and program.name not in ours:
                programs[program.name] = strip(program, built / "regress" / program.name)
    return programs


def strip(program, target):
    """Debug information only makes the machines boot more slowly."""
    if not target.exists() or target.stat().st_mtime < program.stat().st_mtime:
        target.parent.mkdir(exist_ok=True)
        subprocess.run(["strip", "-o", target, program], check=True)
    return target


def choose(programs, tests):
    """The names of TESTS, nearest first; a name that nobody knows is an error."""
    short = lists.short(programs)
    if tests == "all":
        return short + sorted(programs.keys() - set(short))
    wanted = short if tests in ("", "short") else tests.split()
    unknown = [name for name in wanted if name not in programs]
    if unknown:
        raise JobError(f"TESTS: the kernel has no {', '.join(unknown)}; there is short, all,"
                       f" {', '.join(sorted(programs))}")
    return wanted


def write_list(tally, lab, names, folder):
    """The file that tells the machine LAB what to run; the rest is skipped."""
    fit = []
    for name in names:
        why = lists.unfit(lab, name)
        if why:
            tally.add("SKIP", f"{lab} {name}", why)
        else:
            fit.append(name)
    path = folder / f"list-{lab}"
    write_if_changed(path, "".join(f"{name}\n" for name in fit).encode())
    return path


def run_machine(tally, built, programs, names, lab):
    tests = write_list(tally, lab, names, built / "regress")
    machines.run(tally, Pairs(tally), [lab], built, Path(__file__).with_name("in-lab"),
                 [programs[name] for name in names],
                 ["--timeout", str(HOST_SECONDS), "--memory", "2048", f"--file={tests}:/lab/list",
                  "--append", f"limit={MACHINES[lab].KERNEL_TEST_SECONDS}"])


def regress(argv):
    built, (lab, tests) = Path(argv[0]).resolve(), [*argv[1:], "", ""][:2]
    labs = machines.chosen(lab)
    programs = build_tests(built)
    names = choose(programs, tests)
    tally = Tally()
    side_by_side(functools.partial(run_machine, tally, built, programs, names, lab)
                 for lab in labs)
    return tally.finish()


if __name__ == "__main__":
    main(regress, sys.argv[1:], (1, 2, 3), __doc__)
