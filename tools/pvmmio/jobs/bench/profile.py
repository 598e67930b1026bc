# SPDX-License-Identifier: GPL-2.0-only
"""Show what the host executes between a doorbell's exit and the entry after it.

usage: profile.py BUILT RESULTS [LAB]

BUILT is a folder that pvmmio/build/kernel.py made; LAB names emulated machines, all if it
is left out, and "quick" is the one that takes least time.  Each machine has one CPU, and
logs each instruction that it executes.
Profiles our modules ("patched").  Writes RESULTS/profile.json, a list of objects
  {"lab", "kernel", "kvm", "case", "total", "functions": [[function, instructions], ...],
   "steps": {step: instructions, ...}, "costly": {kind: instructions, ...}, "tree"}
with functions in the order in which they are first executed, steps as in steps.py, and
kinds as in costly.py.
"""
import base64
import bisect
import binascii
import collections
import gzip
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pvmmio.console import JobError, main, say
from pvmmio.jobs.bench import costly, origin, table
from pvmmio.jobs.bench.bench import write_results
from pvmmio.jobs.bench.steps import VENDORS, Steps
from pvmmio.lab import fleet
from pvmmio.lab.errors import LabError
from pvmmio.lab.known import MACHINES, QUICK

KERNEL = 0xffff800000000000
ATTEMPTS = 10
SYMBOL = re.compile(r"([0-9a-f]{16}) [tTwW] (\S+)")


class Symbols:
    """Symbols name addresses, by the lines of the guest's /proc/kallsyms."""

    def __init__(self):
        self.symbols = []

    def add(self, line):
        match = SYMBOL.match(line)
        if match:
            self.symbols.append((int(match.group(1), 16), match.group(2)))

    def sort(self):
        self.symbols.sort()

    def where(self, address):
        """Return the function at ADDRESS, and how far into it that is."""
        index = bisect.bisect_right(self.symbols, (address, "\x7f")) - 1
        if index < 0:
            return hex(address), 0
        start, name = self.symbols[index]
        return name, address - start


def sequences(addresses, symbols, entries):
    """Yield a list of addresses for each exit: its instructions until the next entry."""
    current = []
    for address in addresses:
        if address >= KERNEL:
            current.append(address)
            continue
        if current and all(symbols.where(current[end])[0] in entries for end in (0, -1)):
            yield current
        current = []


def typical(found, enough):
    """Return a sequence of the most common length, if that was seen often enough."""
    lengths = collections.Counter(map(len, found)).most_common(1)
    if not lengths or lengths[0][1] < enough:
        return None
    return next(sequence for sequence in found if len(sequence) == lengths[0][0])


def unpack(packed):
    """Return the lines of a file that the lab sent as gzip's output in base64."""
    try:
        return gzip.decompress(base64.b64decode("".join(packed))).decode().splitlines()
    except (OSError, EOFError, binascii.Error) as error:
        raise JobError(f"the lab's list of functions is damaged: {error}") from error


class Profile:
    """A profile follows the script in the lab, and traces each case while it runs."""

    def __init__(self, lab, work):
        self.lab = lab
        self.machine = MACHINES[lab]
        self.entries = VENDORS[self.machine.VENDOR_MODULE].entries
        self.work = work
        self.packed = []
        self.symbols = Symbols()
        self.tracer = None
        self.cases = {}
        self.costly = {}

    def line(self, _machine, text):
        if text.startswith("case "):
            self.start()
            self.cases[text[5:]] = self.trace(text[5:])
        else:
            self.packed.append(text)

    def start(self):
        """Start the tracer, before the first case."""
        if self.tracer:
            return
        for line in unpack(self.packed):
            self.symbols.add(line)
        self.symbols.sort()
        self.tracer = self.machine.Tracer(self.work)

    def trace(self, case):
        for attempt in range(1, ATTEMPTS + 1):
            found = typical(list(sequences(self.tracer.trace(attempt), self.symbols,
                                           self.entries)), self.tracer.ENOUGH)
            if found:
                say(f"{self.lab}: patched: {case}: {len(found)} instructions")
                self.costly[case] = costly.count(self.tracer.disassemble(found))
                return list(map(self.symbols.where, found))
        raise JobError(f"{case}: no exit was seen {self.tracer.ENOUGH} times"
                       f" in {ATTEMPTS} traces")

    def rows(self, kernel, steps):
        for case, where in self.cases.items():
            functions = collections.Counter(name for name, _ in where)  # As first seen.
            yield {"lab": self.lab, "kernel": kernel, "kvm": "patched", "case": case,
                   "tree": origin.tree(),
                   "total": len(where), "functions": list(functions.items()),
                   "steps": steps.count(where), "costly": self.costly[case]}


def render(rows):
    """Return a table: a line for each step and each kind, a column for each case."""
    def lines(field):
        return [(name, "", *(str(some[field][name] or "-") for some in rows))
                for name in rows[0][field] if any(some[field][name] for some in rows)]

    return "\n".join(["", f"{rows[0]['lab']}: patched: Linux {rows[0]['kernel']}: instructions"
                      " from the exit to the next entry, by step", "",
                      *table.align([("step", "", *(some["case"] for some in rows)),
                                    *lines("steps"),
                                    ("total", "", *(str(some["total"]) for some in rows)),
                                    ("of these", "", *("" for _ in rows)), *lines("costly")])])


def measure(lab, built):
    """Return the rows of one machine."""
    script = Path(__file__).with_name("profile-in-lab")
    machine = fleet.Machine(lab, built, script, [built / "tests/doorbell_bench"],
                            ["--monitor", "--append", "nokaslr", "--timeout", "900"], "profile")
    run = Profile(lab, machine.work)
    try:
        machine.run(run.line)
    except LabError as error:
        raise JobError(f"{lab}: {error}") from error
    if machine.status:
        raise JobError(f"{lab}: the profile ended with status {machine.status}")
    kernel = (built / "release").read_text().strip()
    return list(run.rows(kernel, Steps(MACHINES[lab].VENDOR_MODULE,
                                       built / "linux/arch/x86/kvm")))


def profile(argv):
    built, folder = Path(argv[0]).resolve(), Path(argv[1]).resolve()
    lab = argv[2] if len(argv) > 2 else ""
    labs = fleet.chosen(QUICK if lab == "quick" else lab)
    with ThreadPoolExecutor() as pool:
        machines = list(pool.map(measure, labs, [built] * len(labs)))
    write_results(folder / "profile.json", [row for rows in machines for row in rows])
    for rows in machines:
        print(render(rows))
    return 0


if __name__ == "__main__":
    main(profile, sys.argv[1:], (2, 3), __doc__)
