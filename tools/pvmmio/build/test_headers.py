# SPDX-License-Identifier: GPL-2.0-only
"""What is fetched and laid to build KVM against headers alone, and what bad input is told."""
import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pvmmio.build import debian, headers
from pvmmio.console import JobError

VERSION = "6.12.117-1~deb12u1"
RELEASE = "6.12.117+deb12-rt-amd64"
COMMON = "linux-headers-6.12.117+deb12-common-rt"


def download(packages, version, where, _log):
    """As debian.download(), of packages that have a file each."""
    assert version == VERSION
    for package in packages:
        folder = where / "usr/src" / package
        folder.mkdir(parents=True)
        (folder / "Makefile").write_text(f"include /usr/src/{COMMON}/Makefile\n")


class FetchTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.home = Path(tmp.name)
        patch = mock.patch.object(debian, "download", download)
        patch.start()
        self.addCleanup(patch.stop)

    def fetch(self):
        debian.fetch_headers(VERSION, "rt", RELEASE, self.home)

    def test_packages(self):
        for flavour, name, common in (
                ("cloud", "6.12.117+deb12-cloud-amd64", "linux-headers-6.12.117+deb12-common"),
                ("generic", "6.12.117+deb12-amd64", "linux-headers-6.12.117+deb12-common"),
                ("rt", RELEASE, COMMON)):
            self.assertEqual(debian.headers_packages(flavour, name), (
                [f"linux-headers-{name}", common, "linux-kbuild-6.12.117+deb12"], common))

    def test_headers_find_each_other(self):
        self.fetch()
        folder = self.home / "headers-rt/usr/src" / f"linux-headers-{RELEASE}"
        self.assertEqual((folder / "Makefile").read_text(), f"include ../{COMMON}/Makefile\n")
        self.assertTrue((folder / ".." / COMMON / "Makefile").is_file())

    def test_what_is_there_is_not_fetched_again(self):
        self.fetch()
        with mock.patch.object(debian, "download", side_effect=JobError("no route")):
            self.fetch()

    def test_failure_leaves_nothing_that_passes_for_whole(self):
        for what in ("download", "step"):
            with mock.patch.object(debian, what, side_effect=JobError("no space")):
                with self.assertRaisesRegex(JobError, "no space"):
                    if what == "download":
                        self.fetch()
                    debian.fetch_kvm_source("6.12", VERSION, self.home)
            self.assertEqual(list(self.home.iterdir()), [])

    def test_whole_source_is_taken_if_it_is_there(self):
        self.assertEqual(debian.kvm_source(self.home).name, "kvm-source")
        (self.home / "source").mkdir()
        debian.fetch_kvm_source("6.12", VERSION, self.home)
        self.assertEqual(debian.kvm_source(self.home).name, "source")


class LayTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.root = Path(tmp.name)
        self.repo, self.tree = self.root / "repo", self.root / "out/linux"
        self.write(self.repo, {"arch/x86/kvm/a.c": "int a;\n", "Documentation/a.rst": "A\n",
                               "arch/x86/kvm/Makefile.append": "kvm-y += a.o\n"})
        self.source = self.kernel("one")
        for patch in (mock.patch.object(headers, "REPO", self.repo),
                      contextlib.redirect_stdout(io.StringIO())):
            patch.__enter__()
            self.addCleanup(patch.__exit__, None, None, None)

    def write(self, folder, files):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)

    def kernel(self, name):
        source = self.root / name
        self.write(source, {"Makefile": "VERSION = 6\nPATCHLEVEL = 12\n",
                            "arch/x86/kvm/Makefile": "kvm-y += x86.o\n", "fs/no.c": "",
                            f"virt/kvm/{name}.c": f"int {name};\n"})
        return source

    def laid(self):
        return sorted(str(path.relative_to(self.tree)) for path in self.tree.rglob("*.c"))

    def test_kvm_alone_is_laid(self):
        headers.lay(self.source, self.tree)
        self.assertEqual(self.laid(), ["arch/x86/kvm/a.c", "virt/kvm/one.c"])
        self.assertFalse((self.tree / "Documentation").exists())
        self.assertEqual((self.tree / "arch/x86/kvm/Makefile").read_text(),
                         "kvm-y += x86.o\nkvm-y += a.o\n")
        self.assertEqual((self.tree / "arch/x86/kvm/Kbuild").read_text(), headers.KBUILD)

    def test_second_time_writes_nothing(self):
        headers.lay(self.source, self.tree)
        for path in self.tree.rglob("*"):
            os.utime(path, (1, 1))
        headers.lay(self.source, self.tree)
        self.assertEqual({path.stat().st_mtime for path in self.tree.rglob("*.c")}, {1})
        self.assertEqual((self.tree / "arch/x86/kvm/Kbuild").stat().st_mtime, 1)

    def test_another_kernel_starts_afresh(self):
        headers.lay(self.source, self.tree)
        headers.lay(self.kernel("two"), self.tree)
        self.assertEqual(self.laid(), ["arch/x86/kvm/a.c", "virt/kvm/two.c"])

    def test_interrupted_copy_is_made_again(self):
        with mock.patch.object(headers.shutil, "copytree", side_effect=OSError(28, "No space")):
            with self.assertRaises(OSError):
                headers.lay(self.source, self.tree)
        self.assertFalse(self.tree.exists())
        headers.lay(self.source, self.tree)
        self.assertIn("virt/kvm/one.c", self.laid())

    def test_hook_that_does_not_fit_is_one_line(self):
        self.write(self.repo, {"virt/kvm/gone.c.append": "int x;\n"})
        with self.assertRaisesRegex(JobError, r"\A[^\n]*gone.c[^\n]*another version\Z"):
            headers.lay(self.source, self.tree)

    def test_failed_build_replaces_no_module(self):
        out = self.root / "out"
        self.write(out, {"kvm/patched/kvm.ko": "old"})
        with mock.patch.object(debian, "kvm_source", lambda home: self.source), \
                mock.patch.object(headers, "step", side_effect=JobError("no gcc")):
            with self.assertRaisesRegex(JobError, "no gcc"):
                headers.build(self.root, "cloud", "6.12.117+deb12-cloud-amd64", out)
        self.assertEqual((out / "kvm/patched/kvm.ko").read_text(), "old")


if __name__ == "__main__":
    unittest.main()
