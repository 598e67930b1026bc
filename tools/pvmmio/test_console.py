# SPDX-License-Identifier: GPL-2.0-only
"""What jobs say of their steps, their errors and their arguments."""
import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
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
        with mock.patch.dict(os.environ, MAKEFLAGS="k -- TESTS=a\\ b LAB=intel", LAB="intel",
                             TESTS="a b", b="kept"):
            self.step(["sh", "-c", 'test "$LAB$TESTS$b" = kept'])

    def test_time_is_told(self):
        self.assertRegex(self.step(["true"]), r"trying: done in \d+ s")


# Says when its step runs, which ends by itself long after the test has given up.
STOPPED = """
from pathlib import Path
from pvmmio import console
from pvmmio.build import debian

def job(argv):
    with debian.unfinished(Path(argv[0])) as folder:
        console.step("unpacking", ["sh", "-c", f"echo $$ >{argv[0]}/pid; exec sleep 300"],
                     Path(argv[0]) / "log")

console.main(job, [WHERE])
"""


class StopTest(unittest.TestCase):
    """A job that is told to end in the middle of a step."""

    def stop(self, number):
        with tempfile.TemporaryDirectory() as where:
            # Jobs in a script's background are started with SIGINT ignored.
            # pylint: disable-next=subprocess-popen-preexec-fn
            with subprocess.Popen([sys.executable, "-c", STOPPED.replace("WHERE", repr(where))],
                                  stderr=subprocess.PIPE, text=True, preexec_fn=lambda:
                                  signal.signal(signal.SIGINT, signal.SIG_DFL)) as job:
                pid = Path(where) / "pid"
                for _ in range(1000):
                    if pid.exists() and pid.read_text():
                        break
                    time.sleep(0.01)
                job.send_signal(number)
                said = job.communicate(timeout=30)[1]
            left = sorted(path.name for path in Path(where).iterdir())
            running = Path("/proc", pid.read_text().strip()).exists()
        return job.returncode, said, left, running

    def test_nothing_is_left(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            status, said, left, running = self.stop(number)
            with self.subTest(number=number):
                self.assertEqual((status, left), (1, ["log", "pid"]))
                self.assertRegex(said.splitlines()[-1], "^error: interrupted.*; run it again")
                self.assertFalse(running)


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
