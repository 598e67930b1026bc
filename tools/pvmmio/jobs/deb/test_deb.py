# SPDX-License-Identifier: GPL-2.0-only
"""For which kernels the package builds, what goes into it, and what bad input is told."""
import contextlib
import io
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pvmmio import REPO
from pvmmio.build import prepare
from pvmmio.console import JobError
from pvmmio.jobs.deb import check, deb
from pvmmio.tally import Tally

RELEASE = "6.12.117+deb12-amd64"


class KernelsTest(unittest.TestCase):
    def fits(self, release):
        """As dkms asks: bash's own regular expressions, in double quotes."""
        return subprocess.run(["bash", "-c", f'p="{deb.kernels()}"; [[ $1 =~ $p ]]', "", release],
                              check=False).returncode == 0

    def test_known_kernels(self):
        for release in (RELEASE, "6.12.9+deb12-cloud-amd64", "6.12.117+deb12-rt-amd64",
                        "6.12.118+deb13-amd64", "6.12.90+deb13.1-cloud-amd64"):
            self.assertTrue(self.fits(release), release)

    def test_others_keep_their_own_kvm(self):
        for release in ("6.1.0-44-amd64", "7.3.4+deb14-amd64", "6.12.117", "6.12.117+deb12-arm64",
                        "6.12.117+deb12-foo-amd64", "x" + RELEASE, RELEASE + "-x",
                        "6x12.117+deb12-amd64"):
            self.assertFalse(self.fits(release), release)


class PackageTest(unittest.TestCase):
    def test_each_name_is_filled_in(self):
        values = {"VERSION": "0.7", "SERIES": "6.12", "KERNELS": "x", "MAINTAINER": "A <a@b>"}
        with tempfile.TemporaryDirectory() as tmp:
            for path in (deb.HERE / "debian").iterdir():
                deb.fill(path, Path(tmp) / path.name, values)
                text = (Path(tmp) / path.name).read_text()
                self.assertNotRegex(text, "@[A-Z]+@")
            self.assertIn("Version: 0.7\n", (Path(tmp) / "control").read_text())
            for name in ("prepare", "postinst", "prerm"):
                self.assertTrue((Path(tmp) / name).stat().st_mode & 0o111, name)

    def test_the_overlay_is_whole(self):
        names = subprocess.run(["git", "ls-files", "--", *deb.PARTS], cwd=REPO, check=True,
                               capture_output=True, text=True).stdout.splitlines()
        for name in ("Kconfig", "virt/kvm/ioeventfd_index.c", "arch/x86/kvm/x86.c.cocci",
                     "include/uapi/linux/kvm_pv_mmio.h", "tools/pvmmio/build/prepare.py",
                     "versions/6.12/arch/x86/kvm/pv_mmio_compat.h"):
            self.assertIn(name, names)

    def test_local_changes_are_refused(self):
        with mock.patch.object(deb, "git", lambda *_: " M virt/kvm/x.c\n"):
            with self.assertRaisesRegex(JobError, r"\Avirt/kvm/x.c has local changes.*commit"):
                deb.committed(["virt"])

    def test_shallow_clone_is_refused(self):
        with mock.patch.object(deb, "git", lambda *_: "true\n"):
            with self.assertRaisesRegex(JobError, "git fetch --unshallow"):
                deb.version()

    def test_no_checkout(self):
        with tempfile.TemporaryDirectory() as tmp, \
                mock.patch.object(deb, "REPO", Path(tmp)):
            with self.assertRaisesRegex(JobError, "no checkout of git's"):
                deb.version()


class SourceTest(unittest.TestCase):
    """That source and headers are of one version."""

    def told(self, **packages):
        have = {name.replace("_", "-"): version for name, version in packages.items()}
        with mock.patch.object(prepare, "installed", lambda name: have.get(name.replace(
                ".", "-").replace("+", "-"), "")):
            return prepare.source_package(RELEASE)

    def test_one_version(self):
        self.assertEqual(self.told(linux_headers_6_12_117_deb12_amd64="1", linux_source_6_12="1"),
                         "linux-source-6.12")

    def test_two_versions(self):
        with self.assertRaisesRegex(JobError, r"version 2, linux-source-6\.12 is 1; apt install"
                                    r" linux-source-6\.12=2\Z"):
            self.told(linux_headers_6_12_117_deb12_amd64="2", linux_source_6_12="1")

    def test_no_source(self):
        with self.assertRaisesRegex(JobError, "is not installed; apt install linux-source-6.12=2"):
            self.told(linux_headers_6_12_117_deb12_amd64="2")

    def test_no_headers(self):
        with self.assertRaisesRegex(JobError, r"apt install linux-headers-6\.12\.117\+deb12"):
            self.told(linux_source_6_12="1")

    def test_no_release(self):
        with self.assertRaisesRegex(JobError, "no release of a kernel"):
            prepare.source_package("nonsense")

    def test_each_module_has_the_version(self):
        with tempfile.TemporaryDirectory() as tmp:
            prepare.add_version(Path(tmp), "0.7")
            kbuild = (Path(tmp) / "Kbuild").read_text()
            included, added = kbuild.split("srctree := $(headers-tree)\n")
            self.assertIn("include $(kvm-tree)/arch/x86/kvm/Makefile", included)
            for name in ("kvm", "kvm-intel", "kvm-amd"):
                self.assertIn(f"{name}-y += {name}-version.o\n", added)
                source = (Path(tmp) / f"{name}-version.c").read_text()
                self.assertIn('MODULE_VERSION("0.7");', source)

    def test_what_dpkg_says(self):
        for said, version in (("installed 1.2-3", "1.2-3"), ("config-files 1.2-3", ""), ("", "")):
            done = subprocess.CompletedProcess([], 0, stdout=said)
            with mock.patch.object(prepare.subprocess, "run", return_value=done):
                self.assertEqual(prepare.installed("x"), version)


class ReadTest(unittest.TestCase):
    def tallied(self, text):
        tally = Tally()
        with contextlib.redirect_stdout(io.StringIO()) as said:
            check.read(text, tally)
        return tally.passed, tally.failed, said.getvalue()

    def test_results(self):
        passed, failed, said = self.tallied("1..2\nok 1 one\n# why\nnot ok 2 two\n")
        self.assertEqual((passed, failed), (1, 1))
        self.assertTrue(re.search(r"^FAIL deb two \(why\)$", said, re.MULTILINE))

    def test_plan_that_is_not_kept(self):
        for text in ("", "1..2\nok 1 one\n", "ok 1 one\n"):
            self.assertEqual(self.tallied(text)[1], 1)


if __name__ == "__main__":
    unittest.main()
