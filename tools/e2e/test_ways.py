# SPDX-License-Identifier: GPL-2.0-only
"""From KVM's tracepoints to the way that a doorbell took."""
import base64
import gzip
import unittest

import ways

MTREE = ("000000000000c060-000000000000c063 virtio-pci-notify-pio-virtio-blk",
         "00000000febe3000-00000000febe3fff virtio-pci-notify-virtio-blk")


def event(name, rest):
    return f" qemu-system-x86-176     [000] d..1.  10775962021: {name}: {rest}\n"


def leave(reason, info1, info2):
    return event("kvm_exit", f"vcpu 0 reason {reason} rip 0xffffffffc05410e6"
                 f" info1 0x{info1:016x} info2 0x{info2:016x} intr_info 0x0 error_code 0x0")


def trace(reason, info1, info2, *names):
    return (leave(reason, info1, info2) + "".join(event(name, "any") for name in names) +
            event("kvm_entry", "vcpu 0, rip 0xffffffffc05410e9"))


def store(*names, gpa=0xfebe3000):
    return trace("npf", 0x10000000e, gpa, *names)


class WaysTest(unittest.TestCase):
    def ways(self, text):
        doorbells = ways.Doorbells()
        for line in MTREE:
            doorbells.add(line)
        return ways.ways(text, doorbells)

    def test_other_addresses_and_reads_are_no_doorbells(self):
        for text in ("", "nonsense\n", store(gpa=0xfebe4000), trace("hlt", 0, 0xfebe3000),
                     trace("io", 0xc0640010, 0, "kvm_pio"), trace("io", 0xc0600011, 0, "kvm_pio")):
            self.assertEqual(self.ways(text), {})

    def test_exit_without_entry_is_not_counted(self):
        self.assertEqual(self.ways(leave("npf", 0, 0xfebe3000)), {})

    def test_fault_that_is_only_tried_again(self):
        self.assertEqual(self.ways(store("kvm_page_fault")), {})

    def test_each_way(self):
        for text, way in ((store(), ways.FAST), (store("kvm_page_fault", "kvm_mmio"), ways.STORE),
                          (store("kvm_page_fault", "kvm_fast_mmio"), ways.UNSEEN),
                          (store("kvm_page_fault", "kvm_fast_mmio", "kvm_emulate_insn"),
                           ways.DECODED),
                          (store("kvm_page_fault", "kvm_emulate_insn", "kvm_mmio"), ways.DECODED),
                          (trace("io", 0xc0600010, 0, "kvm_pio"), ways.PORT),
                          (trace("io", 0xc0600010, 0, "kvm_pio", "kvm_emulate_insn"),
                           ways.DECODED)):
            self.assertEqual(self.ways(text * 2), {way: 2})

    def test_events_of_one_exit_are_not_the_next_ones(self):
        text = trace("hlt", 0, 0, "kvm_emulate_insn") + store()
        self.assertEqual(self.ways(text), {ways.FAST: 1})

    def test_serial_line_brings_the_text(self):
        packed = base64.encodebytes(gzip.compress(b"some text\n" * 50)).decode().splitlines()
        self.assertEqual(ways.unpack(packed), "some text\n" * 50)


if __name__ == "__main__":
    unittest.main()
