# SPDX-License-Identifier: GPL-2.0-only
"""Which programs a build leaves for the jobs to run, and what a configuration may lose."""
import tempfile
import unittest
from pathlib import Path

from pvmmio.build import kernel
from pvmmio.console import JobError


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


class ConfigTest(unittest.TestCase):
    CONFIG = b"CONFIG_RUST=y\nCONFIG_RUST_OVERFLOW_CHECKS=y\nCONFIG_KVM=m\n"

    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.tree = Path(tmp.name) / "cloud/linux"
        self.tree.mkdir(parents=True)

    def test_lost_symbol_is_named(self):
        (self.tree / ".config").write_text("CONFIG_RUST=y\n")
        with self.assertRaisesRegex(JobError, "lost CONFIG_KVM=m; a build tool"):
            kernel.check_config(self.CONFIG, self.tree)

    def test_rust_is_not_missed(self):
        (self.tree / ".config").write_text("CONFIG_KVM=m\n")
        kernel.check_config(self.CONFIG, self.tree)


if __name__ == "__main__":
    unittest.main()
