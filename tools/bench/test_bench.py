# SPDX-License-Identifier: GPL-2.0-only
"""The table and the file of figures, from what the benchmark prints."""
import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import bench
import table
from console import JobError

FIGURE = {"ioeventfds": 1, "layout": "spread", "min": 90, "median": 100, "samples": 8,
          "unit": "instructions"}
SCALE = {"operation": "register", "case": "pio", "ioeventfds": 1, "layout": "spread",
         "ringing_vcpus": 0, "total": 40, "per_operation": 40, "unit": "ticks"}
AMD = SimpleNamespace(name="amd")


class BenchTest(unittest.TestCase):
    def results(self, *lines):
        results = bench.Results("6.12.1")
        with contextlib.redirect_stderr(io.StringIO()) as self.said:
            for line in lines:
                results.line(AMD, line)
        self.scale = results.scale
        return results.rows

    def figures(self, **members):
        """A table of what stock and patched both print, for one case and more ioeventfds."""
        line = json.dumps({"case": "outw", **FIGURE, **members})
        one = json.dumps({"case": "outw", **FIGURE})
        return table.render(self.results("kvm stock", one, line, "kvm patched", one, line))

    def both(self):
        return self.results("kvm stock", json.dumps({"case": "outw", **FIGURE}), "kvm patched",
                            json.dumps({"case": "movw_fast", **FIGURE, "median": 60}))

    def test_rows_say_where_they_are_from(self):
        rows = self.both()
        self.assertEqual(rows[1], {"lab": "amd", "kernel": "6.12.1", "kvm": "patched",
                                   "case": "movw_fast", **FIGURE, "median": 60})

    def test_skipped_case_is_told_but_no_figure(self):
        self.assertEqual(self.results("kvm stock", '{"case": "outw", "skipped": "no PIO"}'), [])
        self.assertIn("outw: skipped: no PIO", self.said.getvalue())

    def test_ratio_is_to_stock_outw(self):
        lines = table.render(self.both()).splitlines()
        fast = next(line for line in lines if line.startswith("movw_fast"))
        self.assertRegex(fast, r"1817 +- +- +60 \(90\) +0\.60$")

    def test_no_ratio_without_stock_outw(self):
        fast = table.render(self.both()[1:]).splitlines()
        self.assertRegex("\n".join(fast), r"60 \(90\) +-$|60 \(90\) +-\n")

    def test_unit_is_named(self):
        self.assertIn("stock instructions", table.render(self.both()))

    def test_file_is_a_list_of_objects(self):
        with tempfile.TemporaryDirectory() as tmp, contextlib.redirect_stderr(io.StringIO()):
            bench.write_results(Path(tmp) / "results/bench.json", self.both())
            self.assertEqual(json.loads((Path(tmp) / "results/bench.json").read_text()),
                             self.both())

    def test_growth_has_a_column_for_each_count(self):
        text = self.figures(ioeventfds=4096, median=105)
        self.assertRegex(text, r"stock 1 +stock 4096 +patched 1 +patched 4096\n"
                               r"outw +spread +100 +105 +100 +105\n")

    def test_single_ioeventfd_stands_for_both_layouts(self):
        text = self.figures(ioeventfds=4096, median=105, layout="same")
        self.assertRegex(text, r"outw +same +100 +105 +100 +105\n")
        self.assertIn("movw_wildcard, same: not measured", text)

    def test_no_growth_without_growing(self):
        self.assertNotIn("among others", table.render(self.both()))

    def test_listener_has_a_table_of_its_own(self):
        lines = [json.dumps({"case": "outw" + suffix, **FIGURE, "min": low})
                 for suffix, low in (("", 90), ("_listener", 20), ("_wake", 30))]
        seed, listener = table.render(self.results("kvm stock", *lines)).split("asleep")
        self.assertIn("100 (90)", seed)
        self.assertNotIn("100 (20)", seed)
        self.assertRegex(listener, r"outw +port I/O +100 \(20\) +100 \(30\) +- +-")

    def test_registration_is_no_doorbell(self):
        more = {**SCALE, "ioeventfds": 16, "per_operation": 50}
        self.assertEqual(self.results("kvm stock", json.dumps(SCALE), json.dumps(more)), [])
        self.assertEqual(self.scale[0]["lab"], "amd")
        self.assertRegex("\n".join(table.scale_tables(self.scale)), r"pio +spread +40 +50 +- +-")

    def test_zones_have_a_line_for_each_number(self):
        zones = [{**SCALE, "case": "zone", "ioeventfds": count, "zones": 990,
                  "per_operation": 50 + count} for count in (0, 256)]
        text = "\n".join(table.scale_tables([dict(row, lab="amd", kvm="stock")
                                             for row in (SCALE, *zones)]))
        self.assertRegex(text, r"990 zones +spread +50 +306 +- +-")
        self.assertRegex(text, r"pio +spread +40 +-")

    def test_unknown_lab(self):
        with self.assertRaisesRegex(JobError, "LAB=foo"):
            bench.bench([".", ".", "foo"])


if __name__ == "__main__":
    unittest.main()
