# SPDX-License-Identifier: GPL-2.0-only
"""The table and the file of figures, from what the benchmark prints."""
import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from pvmmio.console import JobError
from pvmmio.jobs.bench import bench, table

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

    def rounds(self, *variants):
        """A table of movw_fast with each of VARIANTS, stock and patched, after the usual row."""
        lines = [json.dumps({"case": "movw_fast", **FIGURE, **some})
                 for some in ({"median": 70}, *variants)]
        return table.render(self.results("kvm stock", *lines, "kvm patched", *lines))

    def test_address_spaces_have_a_table_of_their_own(self):
        seed, spaces = self.rounds({"address_spaces": 16, "median": 80},
                                   {"address_spaces": 16, "pcid": True, "median": 90},
                                   {"places": 8, "median": 60}).split("address spaces that")
        self.assertIn("70 (90)", seed)
        for median in ("80", "90", "60"):
            self.assertNotIn(f" {median} (90)", seed)
        spaces, places = spaces.split("places of code that")
        self.assertRegex(spaces, r"KVM +1 +16\n")
        self.assertRegex(spaces, r"movw_fast +patched +70 +80\n")
        self.assertRegex(spaces, r"movw_fast, PCID +patched +- +90\n")
        self.assertRegex(places, r"KVM +1 +8\nmovw_fast +stock +70 +60\n"
                                 r"movw_fast +patched +70 +60$")

    def test_address_spaces_are_told_while_it_runs(self):
        self.rounds({"address_spaces": 16, "pcid": True}, {"places": 8})
        self.assertIn("movw_fast, 1 spread: 70", self.said.getvalue())
        self.assertIn("movw_fast, 1 spread, 16 address spaces with PCIDs:", self.said.getvalue())
        self.assertIn("movw_fast, 1 spread, 8 places:", self.said.getvalue())

    def test_no_tables_of_what_was_not_measured(self):
        text = table.render(self.both())
        for words in ("other stores", "no doorbell", "address spaces", "places of code"):
            self.assertNotIn(words, text)

    def test_growth_is_of_one_address_space(self):
        text = self.figures(ioeventfds=16, median=105, address_spaces=2)
        self.assertNotIn("among others", text)

    def test_other_exits_are_compared_with_stock(self):
        lines = [json.dumps({"case": case, **FIGURE}) for case in ("outw", "out_pic", "movw_off")]
        more = json.dumps({"case": "out_pic", **FIGURE, "median": 110})
        text = table.render(self.results("kvm stock", *lines, "kvm patched", lines[0], more))
        seed, others = text.split("other stores that ring")
        self.assertNotIn("out_pic", seed)
        self.assertRegex(others, r"movw_off +feature turned off, DATAMATCH +100 \(90\) +- +-\n")
        self.assertRegex(others, r"out_pic +out, to KVM's PIC +100 \(90\) +110 \(90\) +1\.100$")

    def test_new_tables_have_100_columns_at_most(self):
        lines = [json.dumps({"case": case, **FIGURE, "median": 99999, "min": 99999, **some})
                 for case in (*table.CASES, *table.OTHER_STORES, *table.NO_DOORBELLS)
                 for some in ({}, {"address_spaces": 1024, "pcid": True}, {"address_spaces": 2},
                              {"address_spaces": 64}, {"address_spaces": 128}, {"places": 1024})]
        for lines in table.more_tables(self.results("kvm stock", *lines, "kvm patched", *lines)):
            self.assertLessEqual(max(map(len, lines)), 100)

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
