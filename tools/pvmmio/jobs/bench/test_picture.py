# SPDX-License-Identifier: GPL-2.0-only
"""The pictures, drawn from figures that are made up."""
import contextlib
import io
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
    def drawn(self, rows):
        """Names and contents of the pictures that come of ROWS."""
        with tempfile.TemporaryDirectory() as tmp, contextlib.redirect_stderr(io.StringIO()):
            picture.draw_all(rows, Path(tmp))
            return {path.name: path.read_text() for path in Path(tmp).glob("*.svg*")}

    def words(self, name, rows=None):
        """What is to be read in the picture NAME."""
        text = self.drawn(ROWS if rows is None else rows)[f"pv-mmio-{name}.svg"]
        return [word.strip() for word in re.findall(r">([^<>]+)</t", text)]

    def test_pictures_say_what_they_are_of(self):
        drawn = self.drawn(ROWS)
        self.assertEqual(sorted(drawn), ["pv-mmio-doorbells.svg", "pv-mmio-growth.svg"])
        for text in drawn.values():
            xml.etree.ElementTree.fromstring(text)
            self.assertNotRegex(text, r"[ \t]\n")
            self.assertIn("SPDX-License-Identifier", "\n".join(text.splitlines()[:3]))
            for word in ("instructions", "6.12.1-test", "emulated machines", "fixed instruction",
                         "stock", "patched", "Intel, emulated", "AMD, emulated"):
                self.assertIn(word, text)

    def test_pictures_are_of_one_address_space_and_one_place(self):
        more = [{**row, **some, "median": 777777} for row in ROWS
                for some in ({"address_spaces": 64}, {"places": 64}, {"pcid": True})]
        self.assertEqual(self.drawn(more + ROWS), self.drawn(ROWS))

    def test_bars_have_their_values(self):
        rows = [{**row, "median": 1234} if row["lab"] == "amd" and row["kvm"] == "patched"
                and row["case"] == "outw" else row for row in ROWS]
        words = self.words("doorbells", rows)
        self.assertEqual(words.count("1234"), 1)
        self.assertEqual(words.count("1001"), 7)
        # Three ways that weren't measured, on two machines and both sets.
        self.assertEqual(words.count("n/a"), 12)

    def test_both_machines_have_one_scale(self):
        rows = [{**row, "median": 9000} if row["lab"] == "amd" else row for row in ROWS]
        words = self.words("doorbells", rows)
        self.assertEqual(words.count("8000"), 2)
        words = self.words("growth", rows)
        self.assertEqual(words.count("1000"), 2)

    def test_lines_that_would_hide_each_other_are_one(self):
        self.assertEqual(self.words("growth").count("stock: port; fixed instruction"), 2)
        rows = [{**row, "median": 5000} if row["case"] == "outw" else row for row in ROWS]
        words = self.words("growth", rows)
        self.assertEqual(words.count("stock: port"), 2)
        self.assertEqual(words.count("patched: fixed instruction"), 2)

    def test_close_lines(self):
        self.assertTrue(picture.are_close([100, "NaN"], [101, "NaN"]))
        self.assertFalse(picture.are_close([100, 100], [100, 103]))
        self.assertFalse(picture.are_close([100, "NaN"], [100, 100]))

    def test_gnuplot_that_fails(self):
        with self.assertRaisesRegex(JobError, "gnuplot failed"):
            picture.draw("set nonsense\n", Path("/nowhere.svg"))


if __name__ == "__main__":
    unittest.main()
