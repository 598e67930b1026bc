# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel is fetched, and what bad input is told."""
import contextlib
import io
import os
import re
import shutil
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from pvmmio.build import debian, kernel
from pvmmio.console import JobError

PACKAGES = {
    "linux-source-6.12": ["6.12.117-1~deb12u1", "6.12.9-1~deb12u1"],
    "linux-image-6.12.117+deb12-cloud-amd64-unsigned": ["6.12.117-1~deb12u1"],
    "linux-image-6.12.117+deb12-amd64-unsigned": ["6.12.117-1~deb12u1"],
    "linux-image-6.12.117+deb12-rt-amd64-unsigned": ["6.12.117-1~deb12u1"],
    "linux-image-6.12.9+deb12-cloud-amd64-unsigned": ["6.12.9-1~deb12u1"],
    "linux-image-6.12.90+deb13-amd64-unsigned": ["6.12.90-1"],
    "linux-image-6.12.90+deb13.1-amd64-unsigned": ["6.12.90-2"],
    "linux-source-7.3": ["7.3.4-1~bpo13+1"],
    "linux-image-7.3.4+deb13-amd64": ["7.3.4-1~bpo13+1"],
    "linux-binary-7.3.4+deb13-amd64": ["7.3.4-1~bpo13+1"],
    "linux-binary-unsigned-7.3.4+deb13-amd64": ["7.3.4-1~bpo13+1"],
    "linux-binary-unsigned-7.3.4+deb13-rt-amd64": ["7.3.4-1~bpo13+1"],
}


def apt_cache(command, name):
    if command == "pkgnames":
        return [package for package in PACKAGES if package.startswith(name)]
    return [f" {name} | {version} | somewhere" for version in PACKAGES.get(name, [])]


class DebianTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.cache = Path(tmp.name)
        self.apt = mock.Mock()
        self.said = io.StringIO()
        for patch in (mock.patch.dict(os.environ, XDG_CACHE_HOME=tmp.name),
                      mock.patch.object(debian, "apt_cache", apt_cache),
                      mock.patch.object(debian, "apt", self.apt),
                      contextlib.redirect_stderr(self.said)):
            patch.__enter__()
            self.addCleanup(patch.__exit__, None, None, None)

    def test_version_that_nobody_has(self):
        with self.assertRaisesRegex(JobError, r"KERNEL_VERSION=6\.12\.1.*6\.12\.117, 6\.12\.9"):
            debian.resolve("6.12", "6.12.1", "cloud")

    def test_release_that_debian_no_longer_has(self):
        with self.assertRaisesRegex(JobError, r"\AKVER=6\.12\.1\+deb12-amd64: Debian offers no"):
            debian.fetch_for_modules("6.12", "6.12.1", "generic", "KVER=6.12.1+deb12-amd64")

    def test_series_that_nobody_has(self):
        with self.assertRaisesRegex(JobError, "KERNEL=9.9"):
            debian.resolve("9.9", "", "cloud")

    def test_flavour_that_nobody_has(self):
        with self.assertRaisesRegex(JobError, "FLAVOUR=foo.*cloud, generic, rt"):
            debian.fetch("6.12", "", "foo")

    def test_flavour_that_this_version_lacks(self):
        with self.assertRaisesRegex(JobError, "FLAVOUR=rt"):
            debian.release("6.12", "6.12.9-1~deb12u1", "rt")

    def test_no_network_is_one_error(self):
        self.apt.side_effect = JobError("apt-get update failed: no route; check network")
        with self.assertRaisesRegex(JobError, "no route"):
            debian.fetch("6.12", "", "cloud")

    def test_failed_download_leaves_nothing_that_passes_for_whole(self):
        with mock.patch.object(debian, "step", side_effect=JobError("no space")):
            with self.assertRaisesRegex(JobError, "no space"):
                debian.fetch("6.12", "", "cloud")
        home = debian.home_of("6.12.117-1~deb12u1")
        self.assertEqual([path.name for path in home.iterdir()], [])

    def test_what_a_killed_run_left_is_removed_and_nothing_else(self):
        home = debian.home_of("6.12.117-1~deb12u1")
        for name in ("unfinished-abc/raw", "source", "cloud"):
            (home / name).mkdir(parents=True)
        debian.fetch("6.12", "", "cloud")
        self.assertEqual(sorted(path.name for path in home.iterdir()), ["cloud", "source"])
        self.assertIn("which a run that was stopped had left", self.said.getvalue())

    def test_cache_that_cannot_be(self):
        for path, words in (("cache", "has to be an absolute path"), ("./c", "absolute path"),
                            ("/tmp/a b", "has a blank or a colon"), ("/tmp/a:b", "or a colon")):
            with mock.patch.dict(os.environ, XDG_CACHE_HOME=path), self.assertRaisesRegex(
                    JobError, rf"\AXDG_CACHE_HOME={re.escape(path)}: [^\n]*{words}[^\n]*\Z"):
                debian.fetch("6.12", "", "cloud")

    def test_folder_that_cannot_be_built_in(self):
        with mock.patch.object(debian, "fetch") as fetch, self.assertRaisesRegex(
                JobError, "this folder: the path /tmp/a b/build has a blank"):
            kernel.build(["/tmp/a b/build", "6.12", "", "cloud"])
        fetch.assert_not_called()

    def test_same_version_in_another_cache_keeps_the_tree(self):
        tree = self.cache / "build/linux"
        with mock.patch.object(kernel.overlay, "lay"):
            for cache, version, stays in (("one", "6.12.9-1", True), ("two", "6.12.9-1", True),
                                          ("two", "6.12.10-1", False)):
                tree.mkdir(parents=True, exist_ok=True)
                self.said.truncate(0)
                kernel.lay_overlay(self.cache / cache / version, tree)
                self.assertEqual((tree.exists(), self.said.getvalue() == ""), (stays, stays))
        self.assertIn("is of 6.12.9-1: making it anew of 6.12.10-1", self.said.getvalue())
        self.assertEqual((tree.parent / "source").read_text(),
                         str(self.cache / "two/6.12.10-1/source"))

    def test_without_root_lists_are_as_they_are(self):
        with mock.patch.object(debian, "can_be_root", lambda: False):
            self.assertEqual(debian.resolve("6.12", "", "cloud"), "6.12.117-1~deb12u1")
            self.apt.assert_not_called()
            self.assertIn("takes root or sudo", self.said.getvalue())

    def test_waiting_for_another_job_is_told(self):
        path = self.cache / "lock"
        with debian.cache_lock(path):
            waiting = threading.Thread(target=lambda: debian.cache_lock(path).__enter__())
            waiting.start()
            waiting.join(timeout=1)
            self.assertTrue(waiting.is_alive())
            self.assertIn(f"waiting for another job that fills {self.cache}", self.said.getvalue())
        waiting.join(timeout=10)
        self.assertFalse(waiting.is_alive())

    def test_newest_is_taken_after_reading_the_lists_anew(self):
        self.assertEqual(debian.resolve("6.12", "", "cloud"), "6.12.117-1~deb12u1")
        self.apt.assert_called_once_with("update", what="read Debian's package lists")

    def test_what_is_in_the_cache_needs_no_network(self):
        (debian.home_of("6.12.9-1~deb12u1") / "cloud").mkdir(parents=True)
        self.assertEqual(debian.resolve("6.12", "6.12.9", "cloud"), "6.12.9-1~deb12u1")
        self.apt.assert_not_called()

    def test_each_flavour_has_its_own_image(self):
        for flavour, name in (("cloud", "-cloud-amd64"), ("generic", "-amd64"),
                              ("rt", "-rt-amd64")):
            self.assertEqual(debian.release("6.12", "6.12.117-1~deb12u1", flavour),
                             "6.12.117+deb12" + name)

    def test_two_releases_of_one_version(self):
        for version, name in (("6.12.90-1", "deb13"), ("6.12.90-2", "deb13.1")):
            self.assertEqual(debian.release("6.12", version, "generic"), f"6.12.90+{name}-amd64")

    def test_kernel_in_several_packages(self):
        name = "7.3.4+deb13-amd64"
        self.assertEqual(debian.release("7.3", "7.3.4-1~bpo13+1", "generic"), name)
        self.assertEqual(debian.packages_of("generic", name), [
            f"linux-modules-{name}", f"linux-headers-{name}", f"linux-binary-unsigned-{name}",
            f"linux-base-{name}"])
        with self.assertRaisesRegex(JobError, "FLAVOUR=cloud: Debian offers no such image"):
            debian.release("7.3", "7.3.4-1~bpo13+1", "cloud")

    def test_kernel_in_one_package(self):
        name = "6.12.117+deb12-amd64"
        self.assertEqual(debian.packages_of("generic", name), [
            f"linux-image-{name}-unsigned", f"linux-headers-{name}"])


class ImageTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.raw, self.where = Path(tmp.name) / "raw", Path(tmp.name) / "where"
        self.where.mkdir()

    def image(self, top, *names):
        folder = self.raw / top / "6.12/kernel"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).touch()

    def taken(self):
        debian.take_stock(self.raw, self.where)
        return sorted(path.name for path in self.where.iterdir())

    def test_both_releases_of_debian(self):
        for top in ("lib/modules", "usr/lib/modules"):
            with self.subTest(top=top):
                self.image(top, "kvm.ko", "kvm-intel.ko", "kvm-amd.ko", "ccp.ko", "xfs.ko")
                self.assertEqual(self.taken(), ["ccp.ko", "kvm-amd.ko", "kvm-intel.ko", "kvm.ko"])
                shutil.rmtree(self.raw)

    def test_where_the_kernel_is(self):
        for name in ("boot/vmlinuz-1", "usr/lib/modules/1/vmlinuz.unsigned",
                     "usr/lib/modules/1/vmlinuz"):
            with self.subTest(name=name):
                (self.raw / name).parent.mkdir(parents=True)
                (self.raw / name).touch()
                self.assertEqual(debian.kernel_file(self.raw, "1", "vmlinuz"), self.raw / name)
                shutil.rmtree(self.raw)
        with self.assertRaisesRegex(JobError, "packages of 1 have no vmlinuz"):
            debian.kernel_file(self.raw, "1", "vmlinuz")

    def test_no_modules_at_all(self):
        self.image("modules", "kvm.ko")
        with self.assertRaisesRegex(JobError, "has no modules below"):
            self.taken()

    def test_no_kvm(self):
        self.image("usr/lib/modules", "kvm.ko", "kvm-intel.ko")
        with self.assertRaisesRegex(JobError, "no module kvm-amd;"):
            self.taken()


if __name__ == "__main__":
    unittest.main()
