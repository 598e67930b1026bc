# SPDX-License-Identifier: GPL-2.0-only
"""Which way each doorbell took, from what KVM's tracepoints say about its exit."""
import base64
import collections
import gzip
import re

EVENT = re.compile(r"^\s*\S+-\d+\s+\[\d+\]\s+\S+\s+\d+: (kvm_\w+): (.*)$")
REASON = re.compile(r"reason (\w+)")
DOORBELL = re.compile(r"(\w+)-(\w+) (virtio-pci-notify-pio-|virtio-pci-notify-|nvme$)")
# Where an NVMe device's doorbells begin in its memory, after those of the queue for
# administration, which QEMU gives no ioeventfds.
NVME_DOORBELLS = 0x1008
# The event that tells where a write went, and the address in it.  An EPT
# misconfiguration's exit has none.
WRITTEN = {
    "kvm_mmio": re.compile(r"mmio write .*gpa 0x(\w+)"),
    "kvm_fast_mmio": re.compile(r"gpa 0x(\w+)"),
    "kvm_pio": re.compile(r"pio_write at 0x(\w+)"),
    "kvm_pv_mmio": re.compile(r"addr 0x(\w+)"),
}

# The ways, best first: those of the exit fast path, where nothing is decoded,
FAST = "fast store"
FAST_UNSEEN = "fast length-0"   # nobody looks at what was written
FAST_PORT = "fast port"
# those outside of it, without decoding either,
STORE = "slow store"
PORT = "port"
UNSEEN = "length-0"             # stock KVM's, with the hardware's instruction length
# and where KVM fetched and decoded the guest's instruction.
LEARNED = "learned"             # for the next time
DECODED = "decoded"

# By what the tracepoint says of it.
FAST_KINDS = {"store": FAST, "length0": FAST_UNSEEN, "port": FAST_PORT}
FAST_KIND = re.compile(r" fast (\w+) ")

# What a store to a device exits with: on AMD, on Intel.
MEMORY_FAULTS = ("npf", "EPT_MISCONFIG")


def unpack(lines):
    """The text that gzip and base64 brought through a serial line."""
    return gzip.decompress(base64.b64decode("".join(lines))).decode(errors="replace")


def addresses(events):
    """Where an exit wrote: {"port": addresses, "memory": addresses}."""
    found = {"port": set(), "memory": set()}
    for name, rest in events:
        address = WRITTEN[name].search(rest) if name in WRITTEN else None
        if address:
            port = name == "kvm_pio" or " port " in rest
            found["port" if port else "memory"].add(int(address[1], 16))
    return found


class Doorbells:
    """Where a guest's doorbells are, from QEMU's "info mtree"."""

    def __init__(self):
        self.ranges = {"port": [], "memory": []}

    def add(self, line):
        first, last, name = DOORBELL.search(line).groups()
        skipped = NVME_DOORBELLS if name == "nvme" else 0
        self.ranges["port" if "-pio-" in name else "memory"].append(
            (int(first, 16) + skipped, int(last, 16)))

    def has(self, space, address):
        return any(first <= address <= last for first, last in self.ranges[space])

    def rung_by(self, events):
        return any(self.has(space, address) for space, some in addresses(events).items()
                   for address in some)


def exits(text):
    """Each exit up to the next entry, as (reason, [(event, what it says)])."""
    reason, events = None, []
    for line in text.splitlines():
        found = EVENT.match(line)
        if not found:
            continue
        name, rest = found.groups()
        if name == "kvm_exit":
            told = REASON.search(rest)
            reason, events = told and told[1], []
        elif name == "kvm_entry" and reason:
            yield reason, events
            reason = None
        else:
            events.append((name, rest))


def way(events):
    """The way of one doorbell."""
    said = dict(events)
    ours = said.get("kvm_pv_mmio", "")
    fast = FAST_KIND.search(ours)
    if "kvm_emulate_insn" in said:
        return LEARNED if ours.endswith(": learned") else DECODED
    if fast:
        return FAST_KINDS[fast[1]]
    if "kvm_pio" in said:
        return PORT
    return UNSEEN if "kvm_fast_mmio" in said else STORE


def ways(text, doorbells):
    """How many doorbells took which way."""
    return dict(collections.Counter(way(events) for _, events in exits(text)
                                    if doorbells.rung_by(events)))


def decodes(text):
    """How many instructions KVM decoded, by the reason of the exit."""
    return dict(collections.Counter(reason for reason, events in exits(text)
                                    if "kvm_emulate_insn" in dict(events)))
