# SPDX-License-Identifier: GPL-2.0-only
"""Which way each doorbell took, from what KVM's tracepoints say about its exit."""
import base64
import collections
import gzip
import re

EVENT = re.compile(r"^\s*\S+-\d+\s+\[\d+\]\s+\S+\s+\d+: (kvm_\w+): (.*)$")
EXIT = re.compile(r"reason (\w+) rip \S+ info1 0x(\w+) info2 0x(\w+)")
DOORBELL = re.compile(r"(\w+)-(\w+) virtio-pci-notify(-pio)?-")

# The ways, best first.
FAST = "pv-store"               # in the exit fast path
STORE = "pv-store-late"         # where the emulator would have started
PORT = "port"
UNSEEN = "length-0"             # fast MMIO, with the hardware's instruction length
DECODED = "decoded"             # KVM fetched and decoded the guest's instruction
WAYS = (FAST, STORE, PORT, UNSEEN, DECODED)


def unpack(lines):
    """The text that gzip and base64 brought through a serial line."""
    return gzip.decompress(base64.b64decode("".join(lines))).decode(errors="replace")


class Doorbells:
    """Where a guest's doorbells are, from QEMU's "info mtree"."""

    def __init__(self):
        self.memory = []
        self.ports = []

    def add(self, line):
        first, last, pio = DOORBELL.search(line).groups()
        (self.ports if pio else self.memory).append((int(first, 16), int(last, 16)))

    def rung_by(self, reason, info1, info2):
        """Whether an exit is the ring of one; AMD's exit information."""
        if reason == "npf":
            return any(first <= info2 <= last for first, last in self.memory)
        is_out = not info1 & 1
        return reason == "io" and is_out and any(
            first <= info1 >> 16 <= last for first, last in self.ports)


def exits(text):
    """Each exit up to the next entry, as (what it was, names of the events)."""
    what, names = None, set()
    for line in text.splitlines():
        found = EVENT.match(line)
        if not found:
            continue
        name, rest = found.groups()
        if name == "kvm_exit":
            what, names = rest, set()
        elif name == "kvm_entry" and what:
            yield what, names
            what = None
        else:
            names.add(name)


def way(reason, names):
    """The way of one doorbell; None if the guest only got to try again."""
    if "kvm_emulate_insn" in names:
        return DECODED
    if reason == "io":
        return PORT
    if "kvm_fast_mmio" in names:
        return UNSEEN
    if "kvm_mmio" in names:
        return STORE
    # All else reports the page fault first, and what it then does.
    return None if "kvm_page_fault" in names else FAST


def ways(text, doorbells):
    """How many doorbells took which way."""
    count = collections.Counter()
    for what, names in exits(text):
        found = EXIT.search(what)
        if not found:
            continue
        reason, info1, info2 = found[1], int(found[2], 16), int(found[3], 16)
        if doorbells.rung_by(reason, info1, info2):
            count[way(reason, names)] += 1
    del count[None]
    return dict(count)
