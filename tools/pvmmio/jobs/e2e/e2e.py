# SPDX-License-Identifier: GPL-2.0-only
"""Run a stock guest under a stock QEMU on stock KVM and on ours; see which way its doorbells take.

usage: e2e.py BUILT RESULTS [LAB]

BUILT is a folder that pvmmio/build/kernel.py and virtio.py made, LAB names machines
(default: amd).  Prints a table, and writes RESULTS/e2e.json: one object for each
machine, KVM, kind of doorbell and load.
"""
import json
import sys
from pathlib import Path

from pvmmio.console import main, say
from pvmmio.jobs import machines
from pvmmio.jobs.e2e import images, ways
from pvmmio.lab import fleet
from pvmmio.lab.known import MACHINES
from pvmmio.tally import Tally

IN_LAB = Path(__file__).with_name("in-lab")
KVMS = ("stock", "patched")
# The kinds of doorbells, each with the loads that ring it.  An NVMe device's are in
# memory, too, but 4 bytes wide; "user" rings those in memory at CPL 3.
LOADS = {"memory": ("read", "write", "udp", "rng", "user"),
         "port": ("read", "write", "udp", "rng"), "nvme": ("read", "write"),
         "bios": ("copy",), "bios-nvme": ("copy",)}
# An NVMe driver rings twice for each operation: to submit it, and having seen its end.
RINGS = {"nvme": 2}
# The way that each doorbell takes on stock KVM, the one that it has to take on ours, and
# the counter of that.
STORES = (ways.DECODED, ways.FAST, "pv_mmio_fast")
PORTS = (ways.PORT, ways.FAST_PORT, "pio_doorbell_fast")
UNSEEN = (ways.UNSEEN, ways.FAST_UNSEEN, "mmio_doorbell_fast")
# A BIOS rings in 32-bit code, which isn't served, with its own drivers.
DECODED = (ways.DECODED, ways.DECODED, None)
EXPECTED = {"amd": {"memory": STORES, "port": PORTS, "nvme": STORES,
                    "bios": DECODED, "bios-nvme": DECODED},
            "intel": {"memory": UNSEEN, "port": PORTS, "nvme": STORES}}
# A new process rings from a place that KVM doesn't know yet, and puts off to learn where
# it has learned too much in vain: how many doorbells may go otherwise until it does.
FIRST = {"user": 16}
# From how many places in its code a guest rings by memory, at most.
MAX_PLACES = 4
# How many more doorbells than it was asked for stock KVM's guest may ring the other
# way, as a network device does now and then; on ours it may ring none.
MAX_STRAYS = 2
# The load that is little more than a doorbell, at its best: whether the thread that
# serves it runs at once or has to be woken makes a larger difference.
CHEAP = "rng"


class Session:
    """What one of the lab's machines prints: checks, figures and traces."""

    def __init__(self, tally, lab):
        self.tally = tally
        self.lab = lab
        self.rows = {}
        self.doorbells = {kvm: ways.Doorbells() for kvm in KVMS}
        # For each store, whether it was a doorbell.
        self.learned = {kvm: [] for kvm in KVMS}
        self.trace = None

    def line(self, text):
        kvm, _, rest = text.partition(" ")
        word, _, rest = rest.partition(" ")
        if kvm == "check":
            name, _, why = rest.partition(" (")
            self.tally.add(word, f"{self.lab}: {name}", why.removesuffix(")"))
        elif kvm in KVMS and word in self.WORDS:
            self.WORDS[word](self, kvm, rest)
        elif self.trace is not None:
            self.trace[1].append(text)
        else:
            say(f"{self.lab}: {text}")

    def row(self, kvm, words):
        bell, load = words
        return self.rows.setdefault((kvm, bell, load), {
            "lab": self.lab, "kvm": kvm, "bell": bell, "load": load})

    def guest(self, kvm, _rest):
        """Another guest's doorbells are elsewhere."""
        self.doorbells[kvm] = ways.Doorbells()

    def doorbell(self, kvm, rest):
        self.doorbells[kvm].add(rest)

    def figures(self, kvm, rest):
        words = rest.split()
        names, values = words[2::2], words[3::2]
        self.row(kvm, words[:2]).update(zip(names, map(int, values)), unit="instructions")

    def learn(self, kvm, rest):
        self.learned[kvm].append(self.doorbells[kvm].has("memory", int(rest, 16)))

    def begin(self, kvm, rest):
        self.trace = (self.row(kvm, rest.split()), [])

    def end(self, kvm, _rest):
        row, lines = self.trace
        self.trace = None
        text = ways.unpack(lines)
        row["doorbells"] = ways.ways(text, self.doorbells[kvm])
        row["decodes"] = ways.decodes(text)

    WORDS = {"guest": guest, "doorbell": doorbell, "figures": figures, "learned": learn,
             "trace": begin, "end": end}


def runs(lab):
    """Each KVM, kind of doorbell and load of a machine."""
    return [(kvm, bell, load) for kvm in KVMS for bell in EXPECTED[lab] for load in LOADS[bell]]


def expected(lab, kvm, bell):
    """The way that doorbells may take, and the counter that they add to, or None."""
    stock, ours, counter = EXPECTED[lab][bell]
    return (ours, counter) if kvm == "patched" else (stock, None)


def complaint(row, may, counter=None):
    """Why a row isn't as it should be, or nothing; COUNTER counts the doorbells."""
    if not row or "ops" not in row or "doorbells" not in row:
        return "there are no figures"
    took, wanted = row["doorbells"], row["ops"] * RINGS.get(row["bell"], 1)
    strays = sum(count for way, count in took.items() if way != may)
    first = min(strays, FIRST.get(row["load"], 0))
    if strays - first > (0 if counter else MAX_STRAYS):
        return f"doorbells went {took}"
    if took.get(may, 0) < wanted:
        return f"only {took.get(may, 0)} doorbells for {row['ops']} operations"
    if counter and row.get(counter, 0) < wanted:
        return f"{counter} grew by {row.get(counter, 0)} in {row['ops']} operations"
    # Clocks and the like are few; what grows with I/O is one for each operation.
    decoded = sum(row["decodes"].get(fault, 0) for fault in ways.MEMORY_FAULTS)
    if may != ways.DECODED and decoded - first >= row["ops"]:
        return f"{decoded} accesses to memory were decoded"
    return ""


def judge_learning(session):
    """A place may be learned at another register: iowrite16() writes all of virtio's."""
    learned = {kvm: len(some) for kvm, some in session.learned.items()}
    rung = sum(session.learned["patched"])
    good = not learned["stock"] and learned["patched"] and rung <= MAX_PLACES
    session.tally.add("PASS" if good else "FAIL", f"{session.lab}: our KVM learns stores while the"
                      " guest boots", f"{learned['patched']}, of which {rung} are doorbells")


def judge(session):
    """One check for each row, one for what was learned, and one for what our KVM gains."""
    for key in runs(session.lab):
        kvm, bell, load = key
        may, counter = expected(session.lab, kvm, bell)
        why = complaint(session.rows.get(key), may, counter)
        session.tally.add("FAIL" if why else "PASS", f"{session.lab}: {kvm}: {bell}, {load}:"
                          f" doorbells go {may}", why)
    judge_learning(session)
    before, after = (session.rows.get((kvm, "memory", CHEAP), {}).get("min", 0) for kvm in KVMS)
    session.tally.add("PASS" if 0 < after < before else "FAIL", f"{session.lab}: our KVM makes"
                      f" {CHEAP} cheaper", f"at least {before}, then {after} instructions")


def counts(row, member):
    return ", ".join(f"{count} {what}" for what, count in row.get(member, {}).items())


def render(rows):
    """With the decodes that tracing saw, by reason: doorbells are only some of them."""
    yield "instructions per operation, in the guest; doorbells that went each way; what KVM decoded"
    yield (f"{'lab':6}{'KVM':8}{'bell':10}{'load':7}{'min':>8}{'median':>8}"
           f"{'decodes':>9}  doorbells")
    for row in rows:
        yield (f"{row['lab']:6}{row['kvm']:8}{row['bell']:10}{row['load']:7}"
               f"{row.get('min', '-'):>8}{row.get('median', '-'):>8}"
               f"{row.get('insn_emulation', 0):9}"
               f"  {counts(row, 'doorbells')}; decoded: {counts(row, 'decodes') or 'none'}")


def run_machine(lab, built, files, tally):
    """The rows of one machine, in the order in which they were measured."""
    options = ["--memory", "1536", "--timeout", str(MACHINES[lab].E2E_SECONDS), *files]

    def attempt():
        session = Session(tally, lab)
        return fleet.run([lab], built, IN_LAB, [], lambda _, text: session.line(text),
                         options)[0], session

    machine, session = machines.run_hypervisor(lab, attempt)
    tally.add("FAIL" if machine.status else "PASS", f"{lab}: the machine ran to its end",
              f"status {machine.status}" if machine.status else "")
    judge(session)
    return list(session.rows.values())


def run(argv):
    built, results, lab = Path(argv[0]).resolve(), Path(argv[1]), "".join(argv[2:]) or "amd"
    labs = machines.chosen(lab)
    tally = Tally()
    files = images.lab_files(built, built.parent / "e2e")
    kernel = (built / "release").read_text().strip()
    rows = [dict(row, kernel=kernel) for lab in labs
            for row in run_machine(lab, built, files, tally)]
    results.mkdir(parents=True, exist_ok=True)
    (results / "e2e.json").write_text(json.dumps(rows, indent=1) + "\n")
    print("\n".join(render(rows)))
    return tally.finish()


if __name__ == "__main__":
    main(run, sys.argv[1:], (2, 3), __doc__)
