# SPDX-License-Identifier: GPL-2.0-only
"""For which kernels modules are built, and that a folder of them is whole."""
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pvmmio.console import JobError
from pvmmio.jobs.modules import check, modules


class ReleaseTest(unittest.TestCase):
    def setUp(self):
        patch = mock.patch.object(modules, "this_debian", lambda: "12")
        patch.start()
        self.addCleanup(patch.stop)

    def assert_refused(self, release, words):
        with self.assertRaises(JobError) as refused:
            modules.split(release)
        self.assertRegex(str(refused.exception),
                         rf"\AKVER={re.escape(release)}: [^\n]*{words}[^\n]*\Z")

    def test_no_release(self):
        for bad in ("", "6", "6.12.117+deb12-arm64", "6.12.117-arm64",
                    "6.12.90+deb13.-arm64", "6.12.90+deb13.x-i386",
                    "6.12.117+deb12-amd64; true", "../6.12.117+deb12-amd64"):
            self.assert_refused(bad, "no release of a Debian kernel")

    def test_kernel_that_debian_12_comes_with(self):
        for release in ("6.1.0-49-amd64", "6.1.0-49-cloud-amd64"):
            self.assert_refused(release, "Debian's Linux 6.1, and our modules are for Linux 6.12;"
                                " apt install linux-image-6.12-amd64, reboot")

    def test_kernel_of_another_debian(self):
        self.assert_refused("6.12.48+deb13-amd64", "kernel of Debian 13.*on a Debian 13")
        with mock.patch.object(modules, "this_debian", lambda: ""):
            self.assertEqual(modules.split("6.12.48+deb13-amd64"), ("6.12", "6.12.48", "generic"))

    def test_kernel_that_is_not_debians(self):
        for release in ("6.12.30-generic", "6.12.30", "6.8.0-51-generic", "6.12.9-200.fc41.x86_64",
                        "6.12.0-rc1+"):
            self.assert_refused(release, "no kernel of Debian's.*make series TREE=")

    def test_release_of_another_kernel(self):
        for bad in ("6.1.140+deb12-amd64", "6.12.117+deb12-foo-amd64"):
            self.assert_refused(bad, "can be built for Linux 6.12")

    def test_flavours(self):
        for kind, flavour in (("cloud-", "cloud"), ("", "generic"), ("rt-", "rt")):
            self.assertEqual(modules.split(f"6.12.117+deb12-{kind}amd64"),
                             ("6.12", "6.12.117", flavour))

    def test_debian_13(self):
        for release, version in (("6.12.118+deb13-cloud-amd64", "6.12.118"),
                                 ("6.12.90+deb13.1-cloud-amd64", "6.12.90")):
            with mock.patch.object(modules, "this_debian", lambda: "13"):
                self.assertEqual(modules.split(release), ("6.12", version, "cloud"))


class CheckTest(unittest.TestCase):
    def compiled(self, folder, name, text):
        source, module = Path(folder) / f"{name}.c", Path(folder) / f"{name}.ko"
        source.write_text(text)
        subprocess.run(["gcc", "-c", source, "-o", module], check=True)
        return module

    def test_code_and_fields_are_compared(self):
        modinfo = 'static const char m[] __attribute__((section(".modinfo"), used)) = "%s";'
        function = "int f(void) { return %d; }"
        with tempfile.TemporaryDirectory() as tmp:
            one, same, code, depends, none = (
                self.compiled(tmp, name, text) for name, text in (
                    ("one", modinfo % "depends=kvm" + function % 1),
                    ("same", modinfo % "depends=kvm" + function % 1),
                    ("code", modinfo % "depends=kvm" + function % 2),
                    ("depends", modinfo % "depends=" + function % 1),
                    ("none", modinfo % "depends=")))
            self.assertEqual(check.differences(one, same), [])
            self.assertEqual(check.differences(one, code), [".text"])
            self.assertEqual(check.differences(one, depends), ["depends"])
            self.assertEqual(check.differences(none, none), ["no code"])


class CollectTest(unittest.TestCase):
    def test_missing_module_leaves_the_old_folder(self):
        with tempfile.TemporaryDirectory() as tmp:
            built, target = Path(tmp) / "cloud", Path(tmp) / "modules" / "6.12.1"
            (built / "kvm/patched").mkdir(parents=True)
            (built / "tools").mkdir()
            (built / "tools/pv-mmio").touch()
            for name in modules.NAMES:
                (built / "kvm/patched" / name).write_text(name)
            modules.collect(built, target, "6.12.1")
            self.assertEqual((target / "release").read_text(), "6.12.1\n")
            (built / "kvm/patched/kvm.ko").unlink()
            with self.assertRaises(OSError):
                modules.collect(built, target, "6.12.2")
            self.assertEqual((target / "release").read_text(), "6.12.1\n")
            self.assertEqual((target / "kvm.ko").read_text(), "kvm.ko")


if __name__ == "__main__":
    unittest.main()
