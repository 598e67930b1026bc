#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run a stock guest under a stock QEMU on our KVM, and see which way its doorbells take.

usage: e2e.py BUILT RESULTS

BUILT is a folder that tools/kernel/build.py and tools/kernel/guest.py made.
Prints a table, and writes RESULTS/e2e.json: one object for each KVM, phase of
the guest's driver, kind of doorbell and load.  The emulated AMD machine only.
"""
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name)
                for name in ("kernel", "lab", "test")]

import fleet
import images
import ways
from console import main, say
from tally import Tally

IN_LAB = Path(__file__).with_name("in-lab")
KVMS = ("stock", "patched")
PHASES = ("stock", "module", "unloaded")
BELLS = ("memory", "port")
LOADS = ("read", "write", "udp", "rng")
# The load that is little more than a doorbell.  In the others, whether the thread
# that serves it runs at once or has to be woken makes a larger difference.
CHEAP = "rng"


class Session:
    """What the lab's machine prints: checks, figures and traces."""

    def __init__(self, tally):
        self.tally = tally
        self.rows = {}
        self.doorbells = {kvm: ways.Doorbells() for kvm in KVMS}
        self.trace = None

    def line(self, machine, text):
        kvm, _, rest = text.partition(" ")
        word, _, rest = rest.partition(" ")
        if kvm == "check":
            name, _, why = rest.partition(" (")
            self.tally.add(word, f"{machine.name}: {name}", why.removesuffix(")"))
        elif kvm in KVMS and word in self.WORDS:
            self.WORDS[word](self, kvm, rest)
        elif self.trace is not None:
            self.trace[1].append(text)
        else:
            say(f"{machine.name}: {text}")

    def row(self, kvm, words):
        phase, bell, load = words
        return self.rows.setdefault((kvm, phase, bell, load), {
            "kvm": kvm, "driver": phase, "bell": bell, "load": load})

    def doorbell(self, kvm, rest):
        self.doorbells[kvm].add(rest)

    def figures(self, kvm, rest):
        words = rest.split()
        names, values = words[3::2], words[4::2]
        self.row(kvm, words[:3]).update(zip(names, map(int, values)), unit="instructions")

    def begin(self, kvm, rest):
        self.trace = (self.row(kvm, rest.split()), [])

    def end(self, kvm, _rest):
        row, lines = self.trace
        self.trace = None
        row["doorbells"] = ways.ways(ways.unpack(lines), self.doorbells[kvm])

    WORDS = {"doorbell": doorbell, "figures": figures, "trace": begin, "end": end}


def allowed(kvm, phase, bell):
    """The ways that doorbells may take; AMD's stock KVM has to decode all in memory."""
    if bell == "port":
        return {ways.PORT}
    if (kvm, phase) == ("patched", "module"):
        return {ways.FAST, ways.STORE}
    return {ways.DECODED}


def complaint(row, key):
    """Why a row isn't as it should be, or nothing."""
    if not row or "ops" not in row or "doorbells" not in row:
        return "there are no figures"
    took = row["doorbells"]
    wrong = set(took) - allowed(*key[:3])
    if wrong:
        return f"doorbells went {took}"
    if sum(took.values()) < row["ops"]:
        return f"only {sum(took.values())} doorbells for {row['ops']} operations"
    return ""


def judge(session):
    """One check for each row, and one for what the module gains."""
    keys = [(kvm, phase, bell, load) for kvm in KVMS for phase in PHASES
            for bell in BELLS for load in LOADS]
    for key in keys:
        kvm, phase, bell, load = key
        why = complaint(session.rows.get(key), key)
        session.tally.add("FAIL" if why else "PASS", f"amd: {kvm}: {phase} driver, {bell},"
                          f" {load}: doorbells go {' or '.join(sorted(allowed(*key[:3])))}", why)
    before, after = (session.rows.get(("patched", phase, "memory", CHEAP), {}).get("median", 0)
                     for phase in ("stock", "module"))
    session.tally.add("PASS" if after < before else "FAIL", "amd: patched: the module makes"
                      f" {CHEAP} cheaper", f"median {before}, then {after} instructions")


def render(rows):
    lines = ["instructions per operation, in the guest; doorbells that went each way",
             f"{'KVM':8}{'driver':10}{'bell':8}{'load':7}{'min':>8}{'median':>8}"
             f"{'decodes':>9}  doorbells"]
    for row in rows:
        took = ", ".join(f"{count} {way}" for way, count in row.get("doorbells", {}).items())
        lines.append(f"{row['kvm']:8}{row['driver']:10}{row['bell']:8}{row['load']:7}"
                     f"{row.get('min', 0):8}{row.get('median', 0):8}"
                     f"{row.get('insn_emulation', 0):9}  {took}")
    return "\n".join(lines)


def run(argv):
    if len(argv) != 2:
        say(__doc__.strip())
        return 2
    built, results = Path(argv[0]).resolve(), Path(argv[1])
    tally = Tally()
    session = Session(tally)
    options = ["--memory", "1536", "--timeout", "600",
               *images.lab_files(built, built.parent / "e2e")]
    machine = fleet.run(["amd"], built, IN_LAB, [], session.line, options)[0]
    tally.add("FAIL" if machine.status else "PASS", "amd: the machine ran to its end",
              f"status {machine.status}" if machine.status else "")
    judge(session)
    rows = [dict(row, lab="amd", kernel=(built / "release").read_text().strip())
            for row in session.rows.values()]
    results.mkdir(parents=True, exist_ok=True)
    (results / "e2e.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(render(rows))
    return tally.finish()


if __name__ == "__main__":
    main(run, sys.argv[1:])
