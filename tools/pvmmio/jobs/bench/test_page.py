# SPDX-License-Identifier: GPL-2.0-only
"""The page of figures, from results that are there, broken or missing."""
import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

from pvmmio.console import JobError
from pvmmio.jobs.bench import page


def row(lab, kvm, case, count=1, layout="spread"):
    return {"lab": lab, "kernel": "6.12", "kvm": kvm, "case": case, "ioeventfds": count,
            "min": 7, "median": 9 + count, "samples": 512, "unit": "instructions",
            "layout": layout}


BENCH = [row(lab, kvm, case, count) for lab in ("intel", "amd") for kvm in ("stock", "patched")
         for case in ("outw", "outw_listener", "outw_wake") for count in (1, 16)]
MORE = [{**row(lab, kvm, case), **some} for lab in ("intel", "amd") for kvm in ("stock", "patched")
        for case, some in (("out_pic", {}), ("outw", {"address_spaces": 64, "median": 99}),
                           ("outw", {"places": 32, "median": 88}))]
SCALE = [{"lab": "amd", "kernel": "6.12", "kvm": "stock", "operation": "register",
          "case": "mmio", "layout": "spread", "ioeventfds": 16, "ringing_vcpus": 0,
          "total": 160, "per_operation": 10, "unit": "TSC ticks"}]
PROFILE = [{"lab": "amd", "case": "outw", "kernel": "6.12", "total": 4, "steps": {"SRCU": 3, "turned on": 1},
            "costly": {"locked": 2}}]


class PageTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name, rows in (("bench", BENCH), ("scale", SCALE), ("profile", PROFILE)):
            (self.folder / f"{name}.json").write_text(json.dumps(rows))

    def write(self):
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            return page.write([str(self.folder), str(self.folder)])

    def test_page_has_each_table(self):
        self.assertEqual(self.write(), 0)
        text = (self.folder / page.NAME).read_text()
        for line in (r"intel: Linux 6.12.*::", r"    outw +port I/O +1737 +10 \(7\)",
                     r"amd: to register one ioeventfd.*::", r"    SRCU +3$"):
            self.assertRegex(text, f"(?m)^{line}")
        self.assertEqual(list(self.folder.glob("*.partial")), [])

    def test_page_has_what_else_was_measured(self):
        (self.folder / "bench.json").write_text(json.dumps(BENCH + MORE))
        self.assertEqual(self.write(), 0)
        text = (self.folder / page.NAME).read_text()
        for line in (r"amd: exits that are no doorbell.*::", r"    outw +patched +10 +99",
                     r"intel: one doorbell by number of places.*::", r"    outw +stock +10 +88",
                     r"    outw +port I/O +1737 +10 \(7\)"):
            self.assertRegex(text, f"(?m)^{line}")

    def test_one_machine_leaves_the_page(self):
        (self.folder / "bench.json").write_text(json.dumps(BENCH[:12]))
        self.assertEqual(self.write(), 0)
        self.assertFalse((self.folder / page.NAME).exists())

    def test_missing_and_broken_figures(self):
        for text, word in ((None, "is missing"), ("[", "no figures")):
            path = self.folder / "profile.json"
            path.unlink(missing_ok=True)
            if text:
                path.write_text(text)
            with self.assertRaisesRegex(JobError, word):
                self.write()


if __name__ == "__main__":
    unittest.main()
