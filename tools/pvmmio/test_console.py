# SPDX-License-Identifier: GPL-2.0-only
"""What jobs say of their steps, their errors and their arguments."""
import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pvmmio import console
from pvmmio.console import JobError


class StepTest(unittest.TestCase):
    def step(self, command):
        with tempfile.TemporaryDirectory() as tmp, \
                contextlib.redirect_stderr(io.StringIO()) as said:
            console.step("trying", command, Path(tmp) / "log")
        return said.getvalue()

    def test_failure_names_the_log(self):
        with self.assertRaisesRegex(JobError, "trying failed with status 3; see .*/log"):
            self.step(["sh", "-c", "echo why; exit 3"])

    def test_missing_program_is_named(self):
        with self.assertRaisesRegex(JobError, "no-such-program is missing"):
            self.step(["no-such-program"])

    def test_make_above_us_is_hidden(self):
        with mock.patch.dict(os.environ, MAKELEVEL="1", MAKEFLAGS="k"):
            self.step(["sh", "-c", 'test -z "$MAKELEVEL$MAKEFLAGS"'])

    def test_time_is_told(self):
        self.assertRegex(self.step(["true"]), r"trying: done in \d+ s")


class MainTest(unittest.TestCase):
    """How a job starts and ends."""

    def main(self, argv, counts=(1, 2), job=lambda argv: 7):
        with contextlib.redirect_stderr(io.StringIO()) as said, \
                self.assertRaises(SystemExit) as ended:
            console.main(job, argv, counts, "usage: job A [B]\n")
        return ended.exception.code, said.getvalue()

    def test_status_is_the_jobs(self):
        self.assertEqual(self.main(["a"]), (7, ""))
        self.assertEqual(self.main(["a"] * 9, None), (7, ""))

    def test_too_few_or_many_arguments(self):
        for argv in ([], ["a"] * 3):
            self.assertEqual(self.main(argv), (2, "usage: job A [B]\n"))

    def test_error_is_one_line(self):
        def job(argv):
            raise JobError(f"no {argv[0]}")
        self.assertEqual(self.main(["a"], job=job), (1, "error: no a\n"))


if __name__ == "__main__":
    unittest.main()
