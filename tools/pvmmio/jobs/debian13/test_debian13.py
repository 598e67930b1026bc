# SPDX-License-Identifier: GPL-2.0-only
"""What is refused before a Debian 13 is made, and that nothing is left of a job there."""
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

from pvmmio import REPO
from pvmmio.console import JobError
from pvmmio.jobs.debian13 import debian13

LINES = ["deb [signed-by=/usr/share/k.gpg] http://a/debian/ bookworm main",
         "deb [signed-by=/usr/share/k.gpg] http://bookworm/security bookworm-security main"]


class WordsTest(unittest.TestCase):
    def test_jobs(self):
        self.assertEqual(debian13.words("test LAB=amd"), ["test", "LAB=amd"])
        self.assertEqual(debian13.words("regress TESTS='a b'"), ["regress", "TESTS=a b"])

    def test_refused(self):
        for job, why in (("", "which job"), ("LAB=amd", "which job"), ("no-such", "No rule"),
                         ("test LAB=vax", "no such machine"), ("load", "for this system"),
                         ("build TIME=5", "takes no TIME"), ("-k test", "no job"),
                         ("debian13", "for this system"), ("test 'x", "No closing quotation")):
            with self.subTest(job=job), self.assertRaisesRegex(JobError, rf"\AJOB.*{why}"):
                debian13.words(job)


class SourcesTest(unittest.TestCase):
    def test_only_the_release_is_replaced(self):
        self.assertEqual(debian13.sources(LINES, "bookworm"), [
            "deb [signed-by=/usr/share/k.gpg] http://a/debian/ trixie main",
            "deb [signed-by=/usr/share/k.gpg] http://bookworm/security trixie-security main",
            "deb [signed-by=/usr/share/k.gpg] http://a/debian/ trixie-backports main"])

    def test_backports_once(self):
        both = ["deb http://a trixie main", "deb http://a trixie-backports main"]
        self.assertEqual(debian13.sources(both[:1], "trixie"), both)
        self.assertEqual(debian13.sources(both, "trixie"), both)

    def test_mirror_without_it(self):
        with tempfile.TemporaryDirectory() as tmp:
            line = f"deb [signed-by=/k] file:{tmp}/ trixie main"
            with self.assertRaisesRegex(JobError, rf"\Afile:{tmp}/ offers no trixie, [^\n]*\Z"):
                debian13.ask([line], Path(tmp) / "InRelease")

    def test_mirror_with_it(self):
        with tempfile.TemporaryDirectory() as tmp:
            release = Path(tmp) / "dists/trixie/InRelease"
            release.parent.mkdir(parents=True)
            release.write_text("Suite: stable\n")
            debian13.ask([f"deb [signed-by=/k] file:{tmp}/ trixie main"], Path(tmp) / "InRelease")


class MakeTest(unittest.TestCase):
    def test_failure_leaves_nothing_that_passes_for_whole(self):
        with tempfile.TemporaryDirectory() as tmp, \
                mock.patch.object(debian13.system, "sources", lambda: LINES), \
                mock.patch.object(debian13.system, "suite", lambda: "bookworm"), \
                mock.patch.object(debian13, "ask"), \
                mock.patch.object(debian13, "step", side_effect=JobError("no space")), \
                contextlib.redirect_stderr(io.StringIO()):
            with self.assertRaisesRegex(JobError, "no space"):
                debian13.make_system(Path(tmp))
            self.assertEqual(os.listdir(tmp), [])


# A job that mounts something, tells where, and stays.
STAYS = """
import sys
from pvmmio.console import main
from pvmmio.jobs.debian13 import debian13
def run(argv):
    return debian13.run_leashed(["sh", "-c",
        "mount -t tmpfs pv-mmio-test $1 && echo up >$1/../up; exec sleep 1000", "", argv[0]])
main(run, sys.argv[1:])
"""


def heed_sigint():
    """What a script starts in the background ignores it, and so would we."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@unittest.skipUnless(os.geteuid() == 0, "mounts, as root only")
class LeashTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.folder = Path(tmp.name) / "mounted"
        self.folder.mkdir()

    def wait_until(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def left(self):
        """Processes that were told of our folder."""
        found = []
        for process in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in Path(f"/proc/{process}/cmdline").read_bytes():
                    found.append(process)
        return found

    def test_however_it_ends(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            with self.subTest(signal=number):
                # pylint: disable-next=subprocess-popen-preexec-fn
                process = subprocess.Popen([sys.executable, "-c", STAYS, str(self.folder)],
                                           env=dict(os.environ, PYTHONPATH=str(REPO / "tools")),
                                           stderr=subprocess.PIPE, preexec_fn=heed_sigint)
                self.wait_until((self.folder.parent / "up").exists)
                (self.folder.parent / "up").unlink()
                self.assertNotIn("pv-mmio-test", Path("/proc/mounts").read_text())
                process.send_signal(number)
                said = process.communicate(timeout=30)[1]
                if number != signal.SIGKILL:
                    self.assertEqual(process.returncode, 1)
                    self.assertIn(b"error: interrupted", said)
                self.wait_until(lambda: not self.left())

    def test_status(self):
        for status in (0, 7):
            self.assertEqual(debian13.run_leashed(["sh", "-c", f"exit {status}"]), status)


if __name__ == "__main__":
    unittest.main()
