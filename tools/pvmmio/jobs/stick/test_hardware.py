# SPDX-License-Identifier: GPL-2.0-only
"""The page on hardware, from results that are there, broken or missing."""
import contextlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pvmmio import REPO
from pvmmio.console import JobError
from pvmmio.jobs.stick import hardware, host

PAGE = REPO / "Documentation/virt/kvm/x86" / hardware.NAME


def row(kvm, case, number, median, **more):
    return {"lab": "stick", "kernel": "6.12", "kvm": kvm, "round": number, "case": case,
            "ioeventfds": 1, "layout": "spread", "address_spaces": 1, "pcid": False, "places": 1,
            "min": 1, "median": median, "samples": 9, "unit": "cycles", **more}


ROWS = [row("stock", "outw", 1, 1000), row("stock", "outw", 2, 800),
        row("patched", "outw", 1, 500), row("patched", "outw", 2, 400),
        row("patched", "hc_mmio_write", 1, 300),
        row("patched", "outw", 1, 7, ioeventfds=16), row("stock", "outw", 1, 6, places=16),
        {"kvm": "stock", "case": "hc_mmio_write", "skipped": "not offered"}]
RESULT = {"format": host.FORMAT, "machine": {"CPU": "Some(R) CPU 9", "hypervisor": "no"},
          "tests": [], "refused": [], "rows": ROWS, "scale": []}


class HardwareTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.folder = Path(tmp.name)
        patch = mock.patch.object(hardware, "MACHINES", self.folder / "machines")
        patch.start()
        self.addCleanup(patch.stop)

    def file(self, result, name="results.json"):
        path = self.folder / name
        path.write_text(result if isinstance(result, str) else json.dumps(result))
        return str(path)

    def page(self, *files):
        with contextlib.redirect_stderr(io.StringIO()):
            hardware.hardware([str(self.folder), *files])
        return (self.folder / hardware.NAME).read_text()

    def test_none_yet(self):
        text = self.page()
        self.assertIn("Nobody has measured hardware yet.", text)
        self.assertIn("``make results FILES=results.json``", text)
        self.assertFalse((self.folder / hardware.PICTURE).exists())

    def test_a_machine(self):
        text = self.page(self.file(RESULT))
        self.assertRegex(text, r"(?m)^    outw +port +1737 +800 +400 +0\.50$")
        self.assertRegex(text, r"(?m)^    hc_mmio_write .* 1566 +- +300 +-$")
        self.assertIn("A\n    CPU Some(R) CPU 9; hypervisor no.\n", text)
        self.assertIn("<svg", (self.folder / hardware.PICTURE).read_text())

    def test_what_the_host_measured_is_a_machine_too(self):
        rows = [[{**row(kvm, "outw", 1, median), "lab": "host"}]
                for kvm, median in (("stock", 900), ("patched", 300))]
        for some in rows:
            some[0].pop("round")
        facts = {"CPU": "Own"}
        merged = host.merge(host.merge({}, facts, rows[0], []), facts, rows[1], [])
        self.assertEqual([some["round"] for some in merged["rows"]], [1, 1])
        text = self.page(self.file(merged, "host.json"))
        self.assertRegex(text, r"(?m)^    outw .* 900 +300 +0\.33$")

    def test_another_comes_beside_it(self):
        self.page(self.file(RESULT))
        other = {**RESULT, "machine": {"CPU": "Other",
                                       "kernel command line": "x mitigations=off"},
                 "tests": [{"test": "a_test", "verdict": "FAILED: status 1"}]}
        text = self.page(self.file(other))
        self.assertRegex(text, r"(?m)^    outw .* 800 +400 +0\.50 +800 +400 +0\.50$")
        self.assertIn("A\n    CPU Other; without the CPU's mitigations. **Our KVM failed there:"
                      " a_test.**\n", text)

    def test_bad_files(self):
        refused = {**RESULT, "rows": [], "refused": ["can't measure that"]}
        for bad, why in (("{", "no results.json"), ("[1]", "no results.json"),
                         ({**RESULT, "format": "else"}, "its format is else"),
                         ({**RESULT, "rows": ROWS[:2]}, "both stock and patched"),
                         (refused, "can't measure that")):
            with self.subTest(why=why), self.assertRaisesRegex(JobError, why):
                self.page(self.file(bad))
        with self.assertRaisesRegex(JobError, "No such file"):
            self.page(str(self.folder / "none"))
        self.assertEqual(list(self.folder.glob("machines/*")), [])


class HostTest(unittest.TestCase):
    def test_the_machine_is_told_without_its_name(self):
        facts = host.machine()
        self.assertEqual(facts["kernel"], os.uname().release)
        self.assertTrue(facts["CPU"])
        self.assertNotIn(os.uname().nodename, json.dumps(facts))

    def test_stock_then_patched(self):
        facts = {"CPU": "x"}
        stock, patched = (row(kvm, "outw", 1, 5) for kvm in ("stock", "patched"))
        first = host.merge({}, facts, [stock], [stock])
        both = host.merge(first, facts, [patched], [])
        self.assertEqual([some["kvm"] for some in both["rows"]], ["stock", "patched"])
        self.assertEqual(len(both["scale"]), 1)
        self.assertEqual(host.merge(both, facts, [stock], [])["rows"], [patched, stock])
        self.assertEqual(host.merge(first, {"CPU": "y"}, [patched], [])["rows"], [patched])


class CommittedTest(unittest.TestCase):
    def test_the_page_is_of_the_machines_that_are_there(self):
        results = [hardware.load(path) for path in sorted(hardware.MACHINES.glob("*.json"))]
        self.assertEqual(PAGE.read_text(), hardware.page(results))


if __name__ == "__main__":
    unittest.main()
