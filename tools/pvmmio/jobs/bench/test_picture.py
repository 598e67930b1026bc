# SPDX-License-Identifier: GPL-2.0-only
"""The pictures, drawn from figures that are made up."""
import contextlib
import io
import json
import re
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

from pvmmio.console import JobError
from pvmmio.jobs.bench import picture

ROW = {"kernel": "6.12.1-test", "ioeventfds": 1, "min": 90, "median": 100, "samples": 8,
       "unit": "instructions", "layout": "spread"}
ROWS = [{**ROW, "lab": lab, "kvm": kvm, "case": case, "ioeventfds": count, "median": 1000 + count}
        for lab in ("intel", "amd") for kvm in ("stock", "patched")
        for case in ("outw", "movw_fast") for count in (1, 16)]


class PictureTest(unittest.TestCase):
    def drawn(self, figures):
        """Names and contents of the pictures that come of FIGURES."""
        with tempfile.TemporaryDirectory() as tmp, contextlib.redirect_stderr(io.StringIO()) as said:
            source = Path(tmp) / "bench.json"
            source.write_text(figures if isinstance(figures, str) else json.dumps(figures))
            picture.picture([str(source), tmp])
            self.said = said.getvalue()
            return {path.name: path.read_text() for path in Path(tmp).glob("*.svg*")}

    def test_no_figures(self):
        for bad in ("", "{", "[1]", '[{"lab": "amd"}]'):
            with self.assertRaisesRegex(JobError, "make bench"):
                self.drawn(bad)

    def test_one_machine_draws_nothing(self):
        self.assertEqual(self.drawn([row for row in ROWS if row["lab"] == "amd"]), {})
        self.assertIn("left as they are", self.said)

    def test_units_that_differ_draw_nothing(self):
        self.assertEqual(self.drawn([*ROWS, {**ROWS[0], "unit": "cycles"}]), {})

    def test_pictures_say_what_they_are_of(self):
        drawn = self.drawn(ROWS)
        self.assertEqual(sorted(drawn), ["pv-mmio-doorbells.svg", "pv-mmio-growth.svg"])
        for text in drawn.values():
            xml.etree.ElementTree.fromstring(text)
            self.assertNotRegex(text, r"[ \t]\n")
            self.assertIn("SPDX-License-Identifier", "\n".join(text.splitlines()[:3]))
            for word in ("instructions", "6.12.1-test", "fixed instruction", "stock", "patched", "Intel"):
                self.assertIn(word, text)

    def test_pictures_are_of_one_address_space_and_one_place(self):
        more = [{**row, **some, "median": 777777} for row in ROWS
                for some in ({"address_spaces": 64}, {"places": 64}, {"pcid": True})]
        self.assertEqual(self.drawn(more + ROWS), self.drawn(ROWS))

    def test_the_legend_of_growth_has_one_entry_for_each_way(self):
        growth = self.drawn(ROWS)["pv-mmio-growth.svg"]
        for way in ("port", "fixed instruction"):
            self.assertEqual(len(re.findall(rf"<text>{way}</text>", growth)), 2)


if __name__ == "__main__":
    unittest.main()
