# SPDX-License-Identifier: GPL-2.0-only
"""Packages are installed by who can be root, and others are told which are missing."""
import contextlib
import io
import os
import unittest
from unittest import mock

from pvmmio.build import packages
from pvmmio.console import JobError


class PackagesTest(unittest.TestCase):
    def setUp(self):
        self.run = mock.Mock(return_value=mock.Mock(returncode=0, stdout="", stderr=""))
        self.said = io.StringIO()
        for patch in (mock.patch.object(packages.subprocess, "run", self.run),
                      contextlib.redirect_stderr(self.said)):
            patch.__enter__()
            self.addCleanup(patch.__exit__, None, None, None)

    def install(self, installed, user, sudo):
        """Install "bc" and "flex"; the commands that were run for it but dpkg-query."""
        self.run.return_value.stdout = "".join(f"{name} install ok installed\n"
                                               for name in installed)
        with mock.patch.object(os, "geteuid", lambda: user), \
                mock.patch.object(packages.shutil, "which", lambda name: sudo):
            packages.install(["bc", "flex"])
        return [call.args[0] for call in self.run.call_args_list if call.args[0][0] != "dpkg-query"]

    def test_nothing_missing_needs_neither(self):
        self.assertEqual(self.install(["bc", "flex"], 1000, None), [])
        self.assertEqual(self.said.getvalue(), "")

    def test_missing_without_root_and_sudo(self):
        with self.assertRaisesRegex(JobError, r"\Athis needs root or sudo to install flex\Z"):
            self.install(["bc"], 1000, None)

    def test_missing_with_sudo(self):
        commands = self.install(["bc"], 1000, "/usr/bin/sudo")
        self.assertEqual([command[:2] for command in commands], [["sudo", "apt-get"]] * 2)
        self.assertEqual(self.said.getvalue(), "installing packages: flex\n")

    def test_missing_as_root(self):
        commands = self.install(["bc"], 0, None)
        self.assertEqual([command[0] for command in commands], ["apt-get"] * 2)

    def test_no_debian(self):
        self.run.side_effect = FileNotFoundError(2, "No such file", "dpkg-query")
        with self.assertRaisesRegex(JobError, "dpkg-query is missing; this needs Debian 12"):
            self.install([], 0, None)


if __name__ == "__main__":
    unittest.main()
