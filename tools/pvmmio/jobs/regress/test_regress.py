# SPDX-License-Identifier: GPL-2.0-only
"""What makes a result differ, and what bad input is told."""
import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from pvmmio.console import JobError
from pvmmio.jobs.regress import lists, regress
from pvmmio.tally import Tally

GOOD = ["1..2", "ok 1 first", "ok 2 second", "end 0"]
SKIPPED = ["1..0 # SKIP - Requirement not met: no such CPU", "end 4"]
FAILED = ["  ==== Test Assertion Failure ====", "    some.c:7: ret", "    pid=1", "end 254"]
KILLED = ["ok 1 first", "end 137"]
NO_MODULES = ["  with-kvm: stock: kvm does not unload", "end 126"]


class ReaderTest(unittest.TestCase):
    def totals(self, stock, patched):
        tally = Tally()
        reader = regress.Pairs(tally)
        with contextlib.redirect_stdout(io.StringIO()) as self.said:
            for line in ["begin stock t", *stock, "begin patched t", *patched]:
                reader.line(SimpleNamespace(name="amd"), line)
        return tally.passed, tally.failed, tally.skipped

    def test_same(self):
        self.assertEqual(self.totals(GOOD, GOOD), (1, 0, 0))

    def test_differing_status(self):
        for stock, patched in ((GOOD, FAILED), (FAILED, GOOD), (GOOD, SKIPPED), (GOOD, KILLED)):
            self.assertEqual(self.totals(stock, patched), (0, 1, 0))

    def test_differing_part(self):
        worse = [GOOD[0], "not ok 1 first", *GOOD[2:]]
        self.assertEqual(self.totals(GOOD, worse), (0, 1, 0))

    def test_modules_that_do_not_load_are_no_result(self):
        self.assertEqual(self.totals(NO_MODULES, [])[1], 1)
        self.assertEqual(self.totals(GOOD, NO_MODULES)[1], 1)

    def test_skip_says_why(self):
        self.assertEqual(self.totals(SKIPPED, SKIPPED), (0, 0, 1))
        self.assertIn("(Requirement not met: no such CPU)", self.said.getvalue())

    def test_failure_on_stock_is_listed_once(self):
        self.assertEqual(self.totals(FAILED, FAILED), (0, 0, 1))
        self.assertEqual(self.said.getvalue().count("some.c:7: ret"), 1)

    def test_time_limit_may_fall_anywhere(self):
        self.assertEqual(self.totals(KILLED, KILLED[1:]), (0, 0, 1))

    def test_lost_status_is_a_failure_under_either_set(self):
        lost = [*GOOD[:-1], "  last wordsend 0", "begin stock next"]
        self.assertEqual(self.totals(GOOD, lost), (0, 1, 0))
        self.assertIn("(patched modules: its status was lost)", self.said.getvalue())
        self.assertEqual(self.totals(lost[:-1], GOOD), (0, 2, 0))
        self.assertIn("(stock modules: its status was lost)", self.said.getvalue())
        self.assertIn("no result on stock modules", self.said.getvalue())
        self.assertEqual(self.totals(lost[:-1], lost), (0, 2, 0))

    def test_output_is_no_status(self):
        self.assertEqual(self.totals(GOOD, ["  end 0", "end of it", "end 254"])[1], 1)


class ChooseTest(unittest.TestCase):
    def test_unknown_name(self):
        with self.assertRaisesRegex(JobError, "TESTS: the kernel has no foo;"):
            regress.choose({"bar": None}, "foo bar")

    def test_all_and_short(self):
        programs = dict.fromkeys([*lists.SHORT, "other"])
        self.assertEqual(regress.choose(programs, "short"), lists.SHORT)
        self.assertEqual(regress.choose(programs, ""), lists.SHORT)
        self.assertEqual(regress.choose(programs, "all"), [*lists.SHORT, "other"])

    def test_an_older_kernel_has_them_by_other_names(self):
        older = [lists.OLDER_NAMES.get(name, name) for name in lists.SHORT]
        self.assertEqual(set(older) - set(lists.SHORT), set(lists.OLDER_NAMES.values()))
        self.assertEqual(regress.choose(dict.fromkeys(older), "short"), older)
        self.assertEqual(regress.choose(dict.fromkeys([*older, "other"]), "all"), [*older, "other"])

    def test_one_that_is_gone_is_an_error(self):
        programs = dict.fromkeys(lists.SHORT[1:])
        with self.assertRaisesRegex(JobError, f"the kernel has no {lists.SHORT[0]};"):
            regress.choose(programs, "short")


class ListTest(unittest.TestCase):
    def listed(self, lab):
        tally = Tally()
        with tempfile.TemporaryDirectory() as tmp, \
                contextlib.redirect_stdout(io.StringIO()) as self.said:
            path = regress.write_list(tally, lab, ["hyperv_ipi", "other"], Path(tmp))
            return path.name, path.read_text(), tally.skipped

    def test_what_one_machine_cannot_run(self):
        self.assertEqual(self.listed("amd"), ("list-amd", "hyperv_ipi\nother\n", 0))
        self.assertEqual(self.listed("intel"), ("list-intel", "other\n", 1))
        self.assertIn("SKIP intel hyperv_ipi (stops the machine", self.said.getvalue())

    def test_what_no_machine_can_run(self):
        for lab in ("intel", "amd"):
            self.assertTrue(lists.unfit(lab, "hardware_disable_test"))


if __name__ == "__main__":
    unittest.main()
