# SPDX-License-Identifier: GPL-2.0-only
"""Show what the host executes between a doorbell's exit and the entry behind it.

usage: profile.py BUILT RESULTS

BUILT is a folder that pvmmio/build/kernel.py made.  Only the emulated AMD machine
can tell, and only with one CPU: QEMU logs each instruction that it executes.
Profiles our modules ("patched").  Writes RESULTS/profile.json, a list of objects
  {"lab", "kernel", "kvm", "case", "total", "functions": [[function, instructions], ...],
   "steps": {step: instructions, ...}, "costly": {kind: instructions, ...}}
with functions in the order in which they are first executed, steps as in steps.py, and
kinds as in costly.py.
"""
import bisect
import collections
import os
import re
import socket
import sys
import time
from pathlib import Path

from pvmmio.console import JobError, main, say
from pvmmio.jobs.bench import costly, table
from pvmmio.jobs.bench.bench import write_results
from pvmmio.jobs.bench.steps import Steps
from pvmmio.lab import fleet

KERNEL = 0xffff800000000000
# Holds VMRUN: the exit comes out of it, and the entry goes into it.
ENTRY = "__svm_vcpu_run"
PROMPT = b"(qemu) "
# So many sequences of one length must have been seen before one is believed.
ENOUGH = 100
ATTEMPTS = 10
MANY_ATTEMPTS = 200
TRACE_SECONDS = 1
SYMBOL = re.compile(r"([0-9a-f]{16}) [tTwW] (\S+)")
EXECUTED = re.compile(r"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")


class Symbols:
    """Names for addresses, from the lines of the guest's /proc/kallsyms."""

    def __init__(self):
        self.symbols = []

    def add(self, line):
        match = SYMBOL.match(line)
        if match:
            self.symbols.append((int(match.group(1), 16), match.group(2)))

    def sort(self):
        self.symbols.sort()

    def where(self, address):
        """The function at ADDRESS, and how far into it that is."""
        index = bisect.bisect_right(self.symbols, (address, "\x7f")) - 1
        if index < 0:
            return hex(address), 0
        start, name = self.symbols[index]
        return name, address - start


class Monitor:
    """QEMU's monitor, on a socket in the folder WORK."""

    def __init__(self, work):
        self.socket = socket.socket(socket.AF_UNIX)
        # Sockets have short names only: go there by a descriptor.
        folder = os.open(work, os.O_PATH)
        self.socket.connect(f"/proc/self/fd/{folder}/monitor")
        os.close(folder)
        self.wait()

    def wait(self):
        said = b""
        while not said.endswith(PROMPT):
            said += self.socket.recv(4096)
        return said.decode(errors="replace")

    def do(self, *commands):
        """What the last of them says."""
        for command in commands:
            self.socket.sendall(command.encode() + b"\n")
            said = self.wait()
        return said

    def disassemble(self, addresses):
        """A line for each, as the instruction is now: kernels rewrite theirs at boot."""
        for _ in range(MANY_ATTEMPTS):
            self.do("stop")
            lines = {addresses[0]: self.instruction(addresses[0])}
            # Nothing of the kernel's is to be seen while the CPU runs the guest.
            if lines[addresses[0]]:
                lines |= {address: self.instruction(address) for address in set(addresses)}
            self.do("cont")
            if all(lines.values()):
                return [lines[address] for address in addresses]
        raise JobError("QEMU's monitor doesn't disassemble the host's code")

    def instruction(self, address):
        said = self.do(f"x /1i {address:#x}").splitlines()
        return next((line for line in said if re.match(r"0x[0-9a-f]+: +[0-9a-f]{2} ", line)), "")

    def trace(self, log):
        """The lines that QEMU logs in a while, one for each executed instruction."""
        start = log.stat().st_size
        self.do("stop", "singlestep on", "log exec,nochain", "cont")
        time.sleep(TRACE_SECONDS)
        self.do("stop", "log none", "singlestep off", "cont")
        with open(log, encoding="ascii", errors="replace") as lines:
            lines.seek(start)
            return lines.readlines()


def sequences(lines, symbols):
    """Lists of addresses, one for each instruction from an exit to the next entry."""
    current = []
    for match in filter(None, map(EXECUTED.search, lines)):
        address = int(match.group(1), 16)
        if address >= KERNEL:
            current.append(address)
            continue
        if current and all(symbols.where(current[end])[0] == ENTRY for end in (0, -1)):
            yield current
        current = []


def typical(found):
    """The sequence of the most common length, if it was seen often enough."""
    lengths = collections.Counter(map(len, found)).most_common(1)
    if not lengths or lengths[0][1] < ENOUGH:
        return None
    return next(sequence for sequence in found if len(sequence) == lengths[0][0])


class Profile:
    """Follows the script in the lab, and traces each case while it runs."""

    def __init__(self, work):
        self.work = work
        self.symbols = Symbols()
        self.monitor = None
        self.cases = {}
        self.costly = {}

    def line(self, _machine, text):
        if text.startswith("case "):
            self.symbols.sort()
            self.cases[text[5:]] = self.trace(text[5:])
        else:
            self.symbols.add(text)

    def trace(self, case):
        self.monitor = self.monitor or Monitor(self.work)
        for _ in range(ATTEMPTS):
            found = typical(list(sequences(self.monitor.trace(self.work / "monitor.log"),
                                           self.symbols)))
            if found:
                say(f"amd: patched: {case}: {len(found)} instructions")
                self.costly[case] = costly.count(self.monitor.disassemble(found))
                return list(map(self.symbols.where, found))
        raise JobError(f"{case}: no exit was seen {ENOUGH} times in {ATTEMPTS} traces")


def row(kernel, case, where, steps, dear):
    functions = collections.Counter(name for name, _ in where)  # In order of first appearance.
    return {"lab": "amd", "kernel": kernel, "kvm": "patched", "case": case, "total": len(where),
            "functions": list(functions.items()), "steps": steps.count(where), "costly": dear}


def render(rows):
    """A line for each step and each kind, a column for each case."""
    def lines(field):
        return [(name, "", *(str(some[field][name] or "-") for some in rows))
                for name in rows[0][field]]

    return "\n".join(["", f"amd: patched: Linux {rows[0]['kernel']}: instructions from the exit"
                      " to the next entry, by step", "",
                      *table.align([("step", "", *(some["case"] for some in rows)),
                                    *lines("steps"),
                                    ("total", "", *(str(some["total"]) for some in rows)),
                                    ("of these", "", *("" for _ in rows)), *lines("costly")])])


def profile(argv):
    if len(argv) != 2:
        say(__doc__.strip())
        return 2
    built, folder = Path(argv[0]).resolve(), Path(argv[1]).resolve()
    script = Path(__file__).with_name("profile-in-lab")
    machine = fleet.Machine("amd", built, script, [built / "tests/doorbell_bench"],
                            ["--monitor", "--append", "nokaslr"], "profile")
    run = Profile(machine.work)
    machine.run(run.line)
    if machine.status:
        raise JobError(f"amd: the profile ended with status {machine.status}")
    kernel = (built / "release").read_text().strip()
    steps = Steps(built / "linux/arch/x86/kvm/kvm-amd.ko")
    rows = [row(kernel, case, where, steps, run.costly[case])
            for case, where in run.cases.items()]
    write_results(folder / "profile.json", rows)
    print(render(rows))
    return 0


if __name__ == "__main__":
    main(profile, sys.argv[1:])
