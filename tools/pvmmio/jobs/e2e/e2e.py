# SPDX-License-Identifier: GPL-2.0-only
"""Run a stock guest under a stock QEMU on stock KVM and on ours; see which way its doorbells take.

usage: e2e.py BUILT RESULTS [LAB [TESTS]]

BUILT is a folder that pvmmio/build/kernel.py and virtio.py made, LAB names machines
(default: the quick one).  TESTS is "short" (the default) or "all", with UEFI firmware as a
guest, which takes minutes.  Prints a table, and writes RESULTS/e2e.json: one object for
each machine, KVM, kind of doorbell and load.
"""
import json
import sys
from pathlib import Path
from typing import Any

from pvmmio.build import packages
from pvmmio.console import JobError, main, say
from pvmmio.jobs import machines
from pvmmio.jobs.e2e import images, ways
from pvmmio.lab import fleet
from pvmmio.lab.known import MACHINES, QUICK
from pvmmio.tally import Tally

IN_LAB = Path(__file__).with_name("in-lab")
KVMS = ("stock", "patched")
# The kinds of doorbells, each with the loads that ring it.  An NVMe device's are in
# memory, too, but 4 bytes wide; "user" rings those in memory at CPL 3.
LOADS = {"memory": ("read", "write", "udp", "rng", "user"),
         "port": ("read", "write", "udp", "rng"), "nvme": ("read", "write"),
         "bios": ("copy",), "bios-nvme": ("copy",), "uefi": ("copy",), "ipxe": ("udp",)}
BIOSES = ("bios", "bios-nvme")
UEFI = ("uefi", "ipxe")
# How many more of our seconds that takes at most.  OVMF waits for a TPM for 1.5 seconds of the
# machine's clock.
UEFI_SECONDS = 600
# An NVMe driver rings twice for each operation: to submit it, and having seen its end.
RINGS = {"nvme": 2}
# The way that each doorbell takes on stock KVM, the one that it has to take on ours, and
# the counter of that.
STORES = (ways.DECODED, ways.FAST, "pv_mmio_fast")
PORTS = (ways.PORT, ways.FAST_PORT, "pio_doorbell_fast")
# A BIOS has no shadow doorbells, so QEMU gives its NVMe device no ioeventfds.
TO_VMM = (ways.DECODED, ways.STORE, "pv_mmio_slow")
UNSEEN = (ways.UNSEEN, ways.FAST_UNSEEN, "mmio_doorbell_fast")
# By the CPU vendor's module: KVM has a way of its own for length 0 on Intel's CPUs.
EXPECTED = {"kvm-amd": {"memory": STORES, "port": PORTS, "nvme": STORES,
                        "bios": STORES, "bios-nvme": TO_VMM,
                        "uefi": STORES, "ipxe": STORES},
            "kvm-intel": {"memory": UNSEEN, "port": PORTS, "nvme": STORES}}
# A new process rings from a place that KVM doesn't know yet, and puts off to learn where
# it has learned too much in vain: how many doorbells may go otherwise until it does.
FIRST = {"user": 16}
# How often a driver also reads registers of the device for each operation, which is decoded:
# a BIOS looks why it was interrupted, OVMF which queue is selected and where its doorbell is.
# iPXE looks for an interrupt whenever it's asked for a packet, about this often.
READS = {"bios": 1, "uefi": 2, "ipxe": 4}
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

    def __init__(self, tally, lab, uefi=False):
        self.tally = tally
        self.lab = lab
        self.uefi = uefi
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


def runs(lab, uefi=False):
    """Each KVM, kind of doorbell and load of a machine."""
    without = (*(BIOSES if MACHINES[lab].NO_BIOS else ()), *(() if uefi else UEFI))
    bells = [bell for bell in EXPECTED[MACHINES[lab].VENDOR_MODULE] if bell not in without]
    return [(kvm, bell, load) for kvm in KVMS for bell in bells for load in LOADS[bell]]


def expected(lab: str, kvm: str, bell: str) -> tuple[str, str | None]:
    """The way that doorbells may take, and the counter that they add to, or None."""
    stock, ours, counter = EXPECTED[MACHINES[lab].VENDOR_MODULE][bell]
    return (ours, counter) if kvm == "patched" else (stock, None)


def complaint(row: dict[str, Any] | None, may: str, counter: str | None = None) -> str:
    """Why ROW isn't as it should be, or nothing.

    MAY is the way that its doorbells may go, and COUNTER the name of what counts them.
    """
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
    reads = row["ops"] * READS.get(row["bell"], 0)
    if may != ways.DECODED and decoded - first - reads >= row["ops"]:
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
    for key in runs(session.lab, session.uefi):
        kvm, bell, load = key
        may, counter = expected(session.lab, kvm, bell)
        why = complaint(session.rows.get(key), may, counter)
        session.tally.add("FAIL" if why else "PASS", f"{session.lab}: {kvm}: {bell}, {load}:"
                          f" doorbells go {may}", why)
    judge_learning(session)
    if MACHINES[session.lab].NO_BIOS:
        session.tally.add("SKIP", f"{session.lab}: a BIOS boots and gets all data right",
                          MACHINES[session.lab].NO_BIOS)
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


def run_machine(lab, built, files, uefi, tally):
    """The rows of one machine, in the order in which they were measured."""
    machine = MACHINES[lab]
    uefi = uefi and not machine.NO_BIOS
    seconds = machine.E2E_SECONDS + (UEFI_SECONDS if uefi else 0)
    options = ["--memory", "1536", "--timeout", str(seconds), *files,
               *(["--append", "bios=no"] if machine.NO_BIOS else []),
               *(["--append", "uefi=yes"] if uefi else [])]

    def attempt():
        session = Session(tally, lab, uefi)
        return fleet.run([lab], built, IN_LAB, [], lambda _, text: session.line(text),
                         options)[0], session

    machine, session = machines.run_hypervisor(lab, attempt)
    tally.add("FAIL" if machine.status else "PASS", f"{lab}: the machine ran to its end",
              f"status {machine.status}" if machine.status else "")
    judge(session)
    return list(session.rows.values())


def run(argv):
    built, results = Path(argv[0]).resolve(), Path(argv[1])
    lab, tests = (*argv[2:], "", "")[:2]
    if tests not in ("", "short", "all"):
        raise JobError(f"TESTS={tests}: there is short, all")
    labs, uefi = machines.chosen(lab or QUICK), tests == "all"
    if uefi:
        packages.install(images.UEFI_PACKAGES)
    tally = Tally()
    files = images.lab_files(built, built.parent / "e2e", uefi)
    kernel = (built / "release").read_text().strip()
    rows = [dict(row, kernel=kernel) for lab in labs
            for row in run_machine(lab, built, files, uefi, tally)]
    results.mkdir(parents=True, exist_ok=True)
    (results / "e2e.json").write_text(json.dumps(rows, indent=1) + "\n")
    print("\n".join(render(rows)))
    return tally.finish()


if __name__ == "__main__":
    main(run, sys.argv[1:], (2, 3, 4), __doc__)
