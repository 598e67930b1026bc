# SPDX-License-Identifier: GPL-2.0-only
"""Which programs a build leaves for the jobs to run."""
import tempfile
import unittest
from pathlib import Path

from pvmmio.build import kernel


class PlaceProgramsTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.built, self.out = Path(tmp.name) / "built", Path(tmp.name) / "out"
        for folder in (self.built, self.out):
            folder.mkdir()

    def place(self, *names):
        for name in names:
            (self.built / name).write_text(name)
        kernel.place_programs([Path(f"{name}.c") for name in names], self.built, self.out)
        return sorted(path.name for path in self.out.iterdir())

    def test_programs_are_there_and_can_be_run(self):
        self.assertEqual(self.place("one_test", "two_bench"), ["one_test", "two_bench"])
        self.assertEqual((self.out / "one_test").read_text(), "one_test")
        self.assertTrue((self.out / "one_test").stat().st_mode & 0o100)

    def test_one_that_is_gone_is_not_run_any_more(self):
        self.place("old_test", "one_test")
        self.assertEqual(self.place("one_test"), ["one_test"])


if __name__ == "__main__":
    unittest.main()
