# SPDX-License-Identifier: GPL-2.0-only
"""Debian's system for the lab: what it is made from, and that it is whole or not there."""
import contextlib
import io
import os
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

from pvmmio.console import JobError
from pvmmio.jobs.debian import system

SAID = """\
Debian uri:one bookworm main
Debian uri:one bookworm main
Somebody uri:else bookworm main
 uri:nobody bookworm main
Debian uri:two bookworm-security main
"""


def make(packages, where, _log):
    (where / "disk").write_text(" ".join(packages))


class SystemTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.home = Path(tmp.name)
        for patch in (mock.patch.dict(os.environ, XDG_CACHE_HOME=tmp.name),
                      contextlib.redirect_stderr(io.StringIO())):
            patch.__enter__()
            self.addCleanup(patch.__exit__, None, None, None)

    def fetch(self, version="1", maker=make):
        with mock.patch.object(system, "make", maker):
            return system.fetch(self.home, version, "cloud", "6.12.1-cloud-amd64")

    def test_is_made_once(self):
        where = self.fetch()
        self.assertIn("linux-image-6.12.1-cloud-amd64-unsigned=1", (where / "disk").read_text())
        never = mock.Mock(side_effect=AssertionError("made again"))
        self.assertEqual(self.fetch(maker=never), where)

    def test_is_made_anew_for_another_kernel(self):
        self.fetch()
        self.assertIn("unsigned=2", (self.fetch(version="2") / "disk").read_text())

    def test_key_is_of_every_file(self):
        before = system.key([])
        with mock.patch.object(Path, "read_bytes", lambda path: b"x"):
            self.assertNotEqual(system.key([]), before)
        self.assertNotEqual(system.key(["more"]), before)

    def test_failure_leaves_nothing(self):
        def fail(packages, where, log):
            make(packages, where, log)
            raise JobError("no network")

        with self.assertRaisesRegex(JobError, "no network"):
            self.fetch(maker=fail)
        self.assertEqual([path.name for path in self.home.iterdir()], ["pv-mmio"])

    def said(self, text):
        return mock.patch.object(system.subprocess, "run",
                                 return_value=types.SimpleNamespace(stdout=text))

    def test_only_debians_sources(self):
        with self.said(SAID):
            self.assertEqual([line.split("] ")[1] for line in system.sources()],
                             ["uri:one bookworm main", "uri:two bookworm-security main"])

    def test_no_source(self):
        with self.said(""), self.assertRaisesRegex(JobError, "no package source"):
            system.sources()


if __name__ == "__main__":
    unittest.main()
