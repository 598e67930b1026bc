# SPDX-License-Identifier: GPL-2.0-only
"""The image's menus and partitions, and what its scripts say, without a machine."""
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from pvmmio.console import JobError
from pvmmio.jobs.stick import contents, disk, image

GUEST = Path(__file__).with_name("guest")
FIGURE = ('{"lab": "stick", "kvm": "%s", "round": %d, "case": "%s", "ioeventfds": %d, "layout":'
          ' "spread", "address_spaces": 1, "pcid": false, "places": 1, "min": 1, "median": %d,'
          ' "samples": 9, "unit": "cycles"}\n')


def shell(script, *parts):
    """What SCRIPT prints in the stick's shell, with the PARTS of the guest's side."""
    sources = "".join(f". {GUEST}/{part}\n" for part in parts)
    return subprocess.run(["busybox", "sh", "-c", f"report=/dev/null\n{sources}{script}"],
                          capture_output=True, text=True, check=False).stdout


class FolderTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.folder = Path(tmp.name)


class MenuTest(unittest.TestCase):
    def test_both_firmwares_offer_the_same(self):
        bios, uefi = image.isolinux_config("console=x"), image.grub_config("console=x")
        for title, more in image.ENTRIES.items():
            self.assertIn(title, bios)
            self.assertIn(title, uefi)
            self.assertIn(f" append console=x {more}\n", bios)
            self.assertIn(f" linux /pv-mmio/vmlinuz console=x {more}\n", uefi)

    def test_settings_that_the_file_explains_are_understood(self):
        settings = (GUEST / "settings").read_text()
        for line in image.SETTINGS.splitlines()[1:]:
            self.assertIn(line.strip("# ").partition("=")[0] + "=", settings)


class PartitionTest(FolderTest):
    def test_where_it_is(self):
        entries = [struct.pack("<B3xB3xII", 0, kind, start, 8)
                   for kind, start in ((0x17, 64), (0xef, 100), (disk.FAT, 200), (0, 0))]
        path = self.folder / "disk"
        path.write_bytes(bytes(446) + b"".join(entries) + b"\x55\xaa")
        self.assertEqual(disk.fat_at(path), 200 * disk.SECTOR)
        path.write_bytes(bytes(512))
        with self.assertRaisesRegex(JobError, "no partition"):
            disk.fat_at(path)


class TableTest(FolderTest):
    def table(self, rows, failed=""):
        (self.folder / "cases").write_text(contents.cases())
        (self.folder / "rows").write_text(rows)
        return subprocess.run(["busybox", "awk", "-v", f"failed={failed}", "-f", GUEST / "table",
                               self.folder / "cases", self.folder / "rows"],
                              capture_output=True, text=True, check=True).stdout

    def line(self, rows, case):
        return next(line.split() for line in self.table(rows).splitlines()
                    if line.startswith(case + " "))

    def test_rounds_side_by_side(self):
        rows = "".join(FIGURE % row for row in (
            ("stock", 1, "outw", 1, 1000), ("patched", 1, "outw", 1, 600),
            ("stock", 2, "outw", 1, 900), ("patched", 2, "outw", 1, 450),
            ("stock", 1, "outw", 16, 7)))
        self.assertEqual(self.line(rows, "outw"), ["outw", "port", "1737", "1000", "600",
                                                   "900", "450", "0.500"])

    def test_what_stock_does_not_have(self):
        rows = FIGURE % ("patched", 1, "exit_floor", 1, 700)
        self.assertEqual(self.line(rows, "exit_floor")[-5:], ["-", "700", "-", "-", "-"])

    def test_failed_tests_mark_it(self):
        self.assertNotIn("MARKED", self.table(""))
        self.assertIn("MARKED: our KVM fails here: some_test", self.table("", " some_test"))


class ScriptsTest(unittest.TestCase):
    def settings(self, text):
        return shell(f"medium=/nowhere\nsay() {{ echo \"$*\"; }}\nset_one {text}\n"
                     "echo $tests.$parts.$samples.$ending", "settings")

    def test_settings(self):
        self.assertEqual(self.settings("tests a,b"), "a b.all..wait\n")
        self.assertEqual(self.settings("ending poweroff"), "all.all..poweroff\n")
        self.assertIn("ending=explode is no setting", self.settings("ending explode"))
        self.assertIn("samples=x is no setting", self.settings("samples x"))

    def test_driver_that_hangs(self):
        said = shell("sleep() { :; }\nshow() { echo \"$*\"; }\ninsmod() { while :; do :; done; }\n"
                     "load_driver bad; kill $!", "medium")
        self.assertEqual(said, "the driver bad comes to no end: going on without it\n")

    def test_time_is_up(self):
        script = "cut() { echo 600; }\ntime_is_up && echo up"
        self.assertEqual(shell(f"minutes=10\n{script}", "rounds"), "up\n")
        self.assertEqual(shell(f"minutes=11\n{script}", "rounds"), "")

    def refusal(self, vendor, flags, said):
        return shell(f"vendor={vendor} flags='{flags}'\ndmesg() {{ echo '{said}'; }}\n"
                     "why_no_kvm 'no such device'", "found", "refusals")

    def test_switched_off_in_the_firmware(self):
        self.assertIn("switch on: SVM Mode", self.refusal(
            "AuthenticAMD", "svm", "kvm_amd: SVM disabled (by BIOS) in MSR_VM_CR on CPU 0"))
        self.assertIn("switch on: Intel Virtualization Technology", self.refusal(
            "GenuineIntel", "vmx",
            "kvm_intel: VMX not enabled (by BIOS) in MSR_IA32_FEAT_CTL on CPU 0"))

    def test_other_reason(self):
        self.assertEqual(self.refusal("AuthenticAMD", "svm", "nothing"),
                         "KVM does not load: no such device\n")

    def test_fastest_cpu(self):
        with tempfile.TemporaryDirectory() as cpus:
            for number, speed in enumerate((3000, 5000, 5000, 3000)):
                folder = Path(cpus, f"cpu{number}/cpufreq")
                folder.mkdir(parents=True)
                (folder / "cpuinfo_max_freq").write_text(f"{speed}\n")
            script = "nproc() { echo %d; }\nfastest_cpu %s"
            self.assertEqual(shell(script % (4, cpus), "found"), "2\n")
            self.assertEqual(shell(script % (4, "/nowhere"), "found"), "3\n")

    def test_json_string(self):
        self.assertEqual(shell("json_string 'a \"b\" \\c\n'", "words"), '"a \\"b\\" \\\\c"')

    def test_unknown_vendor(self):
        said = shell("vendor=NewCPU flags=svm\nlockdown() { :; }\nmemory() { echo 9999999; }\n"
                     "refusal", "found", "refusals")
        self.assertEqual(said, "KVM is for Intel's and AMD's CPUs, this one says NewCPU\n")


if __name__ == "__main__":
    unittest.main()
