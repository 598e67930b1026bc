# SPDX-License-Identifier: GPL-2.0-only
"""What makes a run of L1 fail."""
import contextlib
import io
import tempfile
import types
import unittest
from pathlib import Path

from pvmmio.jobs.bench.bench import Results
from pvmmio.jobs.nested import nested
from pvmmio.tally import Tally

MACHINE = types.SimpleNamespace(name="amd")
FIGURE = ('{"case": "movw", "ioeventfds": 1, "layout": "spread", "min": 1, "median": 2,'
          ' "samples": 3, "unit": "instructions"}')
TEST = ["begin patched some_test", "1..1", "ok 1 rings", "end 0"]
FIGURES = ["kvm stock", FIGURE, "kvm patched", FIGURE]
COUNTS = ["count pv_mmio_fast 0", "count nested_run 7"]
GOOD = ["l0 patched", *TEST, *FIGURES, *COUNTS, "verdict 0"]


class SessionTest(unittest.TestCase):
    def setUp(self):
        self.tally = Tally()
        self.results = Results("6.12")

    def run_lines(self, *lines):
        """What failed."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            session = nested.Session(self.tally, self.results)
            for line in lines:
                session.line(MACHINE, line)
        return [line for line in said.getvalue().splitlines() if line.startswith("FAIL ")]

    def assert_fails(self, words, *lines):
        failed = self.run_lines(*lines)
        self.assertEqual(len(failed), 1, failed)
        self.assertIn(words, failed[0])

    def test_good_run(self):
        self.assertEqual(self.run_lines(*GOOD), [])
        self.assertEqual(self.tally.passed, 6)
        self.assertEqual([(row["l0"], row["kvm"]) for row in self.results.rows],
                         [("patched", "stock"), ("patched", "patched")])

    def test_l1_that_fails_or_says_nothing(self):
        for verdict, words in (("verdict 1", "(status 1)"), ("verdict ", "(status none)")):
            self.assert_fails(words, *GOOD[:-1], verdict)

    def test_failed_test(self):
        lines = [line.replace("ok 1 rings", "not ok 1 rings") for line in GOOD]
        self.assert_fails("amd: L0 patched: L1 patched some_test: rings", *lines)

    def test_l0_took_doorbells(self):
        lines = [line.replace("pv_mmio_fast 0", "pv_mmio_fast 3") for line in GOOD]
        self.assert_fails("pv_mmio_fast is 3", *lines)

    def test_nothing_was_nested(self):
        lines = [line.replace("nested_run 7", "nested_run 0") for line in GOOD]
        self.assert_fails("L0 has run none", *lines)

    def test_l0_counts_nothing(self):
        self.assertEqual(nested.taken("stock", {"nested_run": 7}), "")
        self.assertEqual(nested.taken("patched", {"nested_run": 7}), "L0 counts nothing")

    def test_no_figures(self):
        self.assert_fails("there are none", "l0 patched", *TEST, *COUNTS, "verdict 0")
        self.assertEqual(self.run_lines("l0 patched tests", *TEST, *COUNTS, "verdict 0"), [])

    def test_table_has_each_l0(self):
        self.run_lines("l0 stock", *FIGURES, *GOOD)
        text = nested.render(self.results.rows)
        self.assertIn("amd: instructions", text)
        self.assertEqual(text.splitlines()[-1].split(), "movw patched 2 (1) 2 (1)".split())


class InitramfsTest(unittest.TestCase):
    def test_holds_programs_and_both_sets(self):
        with tempfile.TemporaryDirectory() as name:
            built = Path(name)
            paths = [built / "tests" / program for program in (*nested.TESTS, nested.BENCH)]
            paths += [built / "kvm" / kvm / "kvm-amd.ko" for kvm in nested.SETS]
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"contents")
            archive = nested.build_l1(built, "amd", built).read_bytes()
        for word in (b"lab/bin/doorbell_bench", b"lab/kvm/stock/kvm-amd.ko",
                     b"lab/kvm/patched/kvm-amd.ko", b"lab/script", b"TRAILER!!!"):
            self.assertIn(word, archive)


if __name__ == "__main__":
    unittest.main()
