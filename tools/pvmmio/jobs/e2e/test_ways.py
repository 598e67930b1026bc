# SPDX-License-Identifier: GPL-2.0-only
"""From KVM's tracepoints to the way that a doorbell took."""
import base64
import gzip
import unittest

from pvmmio.jobs.e2e import ways

MTREE = ("000000000000c060-000000000000c063 virtio-pci-notify-pio-virtio-blk",
         "00000000febe3000-00000000febe3fff virtio-pci-notify-virtio-blk",
         "00000000febd0000-00000000febd1fff nvme")
EMULATE = ("kvm_emulate_insn", "0:ffffffffc05410e6:89 02 (prot64)")


def event(name, rest):
    return f" qemu-system-x86-176     [000] d..1.  10775962021: {name}: {rest}\n"


def trace(reason, *events):
    return (event("kvm_exit", f"vcpu 0 reason {reason} rip 0xffffffffc05410e6 info1 0x0 info2 0x0"
                  " intr_info 0x0 error_code 0x0") + "".join(event(*told) for told in events) +
            event("kvm_entry", "vcpu 0, rip 0xffffffffc05410e9"))


def mmio(gpa=0xfebe3000, kind="write"):
    return "kvm_mmio", f"mmio {kind} len 2 gpa {gpa:#x} val 0x0"


def pv_mmio(how="fast store", addr=0xfebe3000, result="eventfd"):
    return "kvm_pv_mmio", f"vcpu 0 {how} addr {addr:#x} len 2 val 0x0: {result}"


def pio(port=0xc060, kind="write"):
    return "kvm_pio", f"pio_{kind} at {port:#x} size 2 count 1 val 0x0 "


FAST_MMIO = ("kvm_fast_mmio", "fast mmio at gpa 0xfebe3000")


class WaysTest(unittest.TestCase):
    def ways(self, text):
        doorbells = ways.Doorbells()
        for line in MTREE:
            doorbells.add(line)
        return ways.ways(text, doorbells)

    def test_other_addresses_and_reads_are_no_doorbells(self):
        for text in ("", "nonsense\n", trace("npf", mmio(0xfebe4000)),
                     trace("npf", mmio(0xc060)), trace("npf", mmio(kind="read")),
                     trace("io", pio(0xc064)), trace("io", pio(kind="read")),
                     trace("npf", pv_mmio(addr=0xfebe2fff)), trace("hlt")):
            self.assertEqual(self.ways(text), {})

    def test_nvme_doorbells_are_those_of_its_io_queues(self):
        for address, found in ((0xfebd0000, {}), (0xfebd1000, {}), (0xfebd1007, {}),
                               (0xfebd1008, {ways.DECODED: 1}), (0xfebd1fff, {ways.DECODED: 1}),
                               (0xfebd2000, {})):
            self.assertEqual(self.ways(trace("npf", EMULATE, mmio(address))), found, hex(address))

    def test_exit_without_entry_is_not_counted(self):
        text = trace("npf", mmio())
        self.assertEqual(self.ways(text[:text.rindex(" qemu")]), {})

    def test_fault_that_is_only_tried_again(self):
        self.assertEqual(self.ways(trace("npf", ("kvm_page_fault", "vcpu 0 rip 0x1"))), {})

    def test_each_way(self):
        declined = pv_mmio("slow store", result="declined: code")
        for text, way in (
                (trace("npf", pv_mmio()), ways.FAST),
                (trace("EPT_MISCONFIG", pv_mmio()), ways.FAST),
                (trace("npf", mmio(), pv_mmio("slow store", result="in-kernel")), ways.STORE),
                (trace("npf", declined, EMULATE, mmio()), ways.DECODED),
                (trace("EPT_MISCONFIG", FAST_MMIO), ways.UNSEEN),
                (trace("EPT_MISCONFIG", FAST_MMIO, pv_mmio("fast length0")), ways.FAST_UNSEEN),
                (trace("npf", EMULATE, mmio(), pv_mmio("slow store", result="learned")),
                 ways.LEARNED),
                (trace("npf", FAST_MMIO, EMULATE), ways.DECODED),
                (trace("npf", EMULATE, mmio()), ways.DECODED),
                (trace("io", pio()), ways.PORT),
                (trace("io", pio(), pv_mmio("fast port", 0xc060)), ways.FAST_PORT),
                (trace("io", pio(), EMULATE), ways.DECODED)):
            self.assertEqual(self.ways(text * 2), {way: 2}, text)

    def test_events_of_one_exit_are_not_the_next_ones(self):
        text = trace("hlt", EMULATE) + trace("npf", pv_mmio())
        self.assertEqual(self.ways(text), {ways.FAST: 1})

    def test_decodes_by_reason(self):
        text = trace("hlt", EMULATE) * 3 + trace("npf", EMULATE, mmio()) + trace("npf", pv_mmio())
        self.assertEqual(ways.decodes(text), {"hlt": 3, "npf": 1})

    def test_serial_line_brings_the_text(self):
        packed = base64.encodebytes(gzip.compress(b"some text\n" * 50)).decode().splitlines()
        self.assertEqual(ways.unpack(packed), "some text\n" * 50)


if __name__ == "__main__":
    unittest.main()
