# SPDX-License-Identifier: GPL-2.0-only
"""Run our KVM in a guest of the lab's KVM, and let that L1's own guests ring.

usage: nested.py BUILT RESULTS [LAB]

BUILT is a folder that pvmmio/build/kernel.py made, LAB names machines (default:
all).  L1 is Debian's kernel under Debian's QEMU.  Our selftests run in it, and
the benchmark with stock and with our modules: RESULTS/nested.json has its
figures, as bench.json has, with the modules of the lab's machine as "l0".
"""
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from pvmmio.console import main, say
from pvmmio.jobs import machines
from pvmmio.jobs.bench.bench import Results, write_results
from pvmmio.jobs.bench.table import SETS, align, cell
from pvmmio.jobs.e2e import images
from pvmmio.jobs.reader import Reader
from pvmmio.lab import fleet, initramfs
from pvmmio.lab.known import MACHINES
from pvmmio.tally import Tally

HERE = Path(__file__).resolve().parent
TESTS = ("pv_mmio_test", "hc_mmio_write_test", "pv_mmio_length0_test", "pv_mmio_stats_test")
BENCH = "doorbell_bench"
MEMORY = 1536


class Level0:
    """One L1: which modules ran it, what its tests said, and what its host counted."""

    def __init__(self, machine, what, tally, results):
        modules, _, part = what.partition(" ")
        self.name = f"{machine.name}: L0 {modules}"
        self.modules = modules
        self.part = part
        self.tally = tally
        self.results = results
        self.reader = Reader(tally, f": L0 {modules}: L1")
        self.rows = 0
        self.counts = {}

    def line(self, machine, text):
        word, _, rest = text.partition(" ")
        if word == "count":
            name, count = rest.split()
            self.counts[name] = int(count)
        elif word == "verdict":
            self.end(rest)
        elif word == "kvm" or text.startswith("{"):
            self.figure(machine, text)
        elif word == "begin" or machine.name in self.reader.running:
            self.reader.line(machine, text)
        else:
            say(f"{self.name}: {text}")

    def figure(self, machine, text):
        before = len(self.results.rows)
        self.results.line(machine, text)
        for row in self.results.rows[before:]:
            row["l0"] = self.modules
            self.rows += 1

    def check(self, name, why):
        self.tally.add("FAIL" if why else "PASS", f"{self.name}: {name}", why)

    def end(self, status):
        self.check("L1 ran to its end", "" if status == "0" else f"status {status or 'none'}")
        self.check("L1 had guests of its own", "" if self.counts.get("nested_run") else
                   "L0 has run none")
        self.check("none of L2's doorbells was L0's", taken(self.modules, self.counts))
        if self.part != "tests":
            self.check("figures under both sets", "" if self.rows else "there are none")


def taken(modules: str, counts: dict[str, int]) -> str:
    """What L0, whose MODULES are "stock" or "patched", had to do with an L1 that rings none itself.

    COUNTS are L0's counters of that VM.
    """
    # Beside its guests' doorbells, an L1 has stores of its own to its devices.
    ours = {name: count for name, count in counts.items()
            if name.endswith("_fast") or name.startswith("hc_mmio_write_")}
    if modules == "patched" and not ours:
        return "L0 counts nothing"
    return ", ".join(f"{name} is {count}" for name, count in ours.items() if count)


class Session:
    """All machines' lines, each for the L1 that runs there."""

    def __init__(self, tally, results):
        self.tally = tally
        self.results = results
        self.levels = {}

    def line(self, machine, text):
        word, _, rest = text.partition(" ")
        if word == "l0":
            say(f"{machine.name}: starting L1 on KVM: {rest}")
            self.levels[machine.name] = Level0(machine, rest, self.tally, self.results)
        elif machine.name in self.levels:
            self.levels[machine.name].line(machine, text)
        else:
            say(f"{machine.name}: {text}")


def build_l1(built: Path, lab: str, work: Path) -> Path:
    """L1's initramfs: the lab's own, with another command."""
    path = work / f"{lab}-initramfs"
    programs = [built / "tests" / name for name in (*TESTS, BENCH)]
    files = [(str(program), f"/lab/bin/{program.name}") for program in programs]
    initramfs.build(SimpleNamespace(
        busybox=images.BUSYBOX, lab=lab, command=["sh", fleet.SCRIPT], initrd="",
        kvm=[(name, str(built / "kvm" / name)) for name in SETS],
        file=[*files, (str(HERE / "in-l1"), fleet.SCRIPT)]), str(path))
    return path


def lab_files(built: Path, lab: str, work: Path) -> list[str]:
    """Options for lab.py that bring QEMU and L1 to the machine."""
    work.mkdir(parents=True, exist_ok=True)
    places = {path: Path(path) for path in [images.QEMU, *images.libraries(images.QEMU),
                                            *images.FIRMWARE]}
    places |= {"/nested/vmlinuz": built / "vmlinuz",
               "/nested/initramfs": build_l1(built, lab, work)}
    return [f"--file={source}:{place}" for place, source in places.items()]


def render(rows):
    """A line for each case: L1's modules beside each other, for each L0."""
    found = {(row["lab"], row["l0"], row["kvm"], row["case"]): row for row in rows}
    lines = []
    for lab in dict.fromkeys(row["lab"] for row in rows):
        table = [("case", "L1's KVM", "L0 stock", "L0 patched")]
        for case in dict.fromkeys(row["case"] for row in rows):
            table += [(case, kvm, *(cell(found.get((lab, l0, kvm, case))) for l0 in SETS))
                      for kvm in SETS]
        lines += [f"\n{lab}: instructions for a doorbell of L2, median (min)", *align(table)]
    return "\n".join(lines)


def run_boot(lab, built, name, options, tally):
    """The figures of one boot of a machine."""
    def attempt():
        results = Results((built / "release").read_text().strip())
        session = Session(tally, results)
        return fleet.run([lab], built, HERE / "in-lab", [], session.line, options,
                         name)[0], results

    machine, results = machines.run_hypervisor(lab, attempt)
    tally.add("FAIL" if machine.status else "PASS", f"{lab} {name}: the machine ran to its end",
              f"status {machine.status}; see {machine.work}/console.log" if machine.status else "")
    return results.rows


def boots(lab: str) -> Iterator[list[str]]:
    """What each boot of a machine gets beside the rest: a part for one L0, or all at once."""
    for part, options in MACHINES[lab].NESTED_BOOTS:
        for l0 in SETS if part else ("",):
            yield [*options, *(["--append", f"part={part} l0={l0}"] if part else [])]


def run_machine(lab, built, tally):
    """The figures of one machine."""
    options = ["--memory", str(MEMORY), *lab_files(built, lab, built.parent / "nested")]
    rows = {}

    def boot(number, more):
        rows[number] = run_boot(lab, built, f"nested-{number}", [*options, *more], tally)

    fleet.side_by_side([functools.partial(boot, *item) for item in enumerate(boots(lab))],
                       limit=os.cpu_count())
    return [row for _, some in sorted(rows.items()) for row in some]


def run(argv):
    built, folder = Path(argv[0]).resolve(), Path(argv[1]).resolve()
    lab = argv[2] if len(argv) > 2 else ""
    labs = machines.chosen(lab)
    tally = Tally()
    rows = []
    for name in labs:
        rows += run_machine(name, built, tally)
    write_results(folder / "nested.json", rows)
    print(render(rows))
    return tally.finish()


if __name__ == "__main__":
    main(run, sys.argv[1:], (2, 3), __doc__)
