# SPDX-License-Identifier: GPL-2.0-only
"""The image's menus and partitions, and what its scripts say, without a machine."""
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pvmmio.console import JobError
from pvmmio.jobs.stick import boots, contents, disk, image, loader, scenes

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


class ScenesTest(unittest.TestCase):
    def test_names(self):
        self.assertEqual(boots.chosen(""), scenes.SHORT)
        self.assertEqual(set(boots.chosen("all")), set(scenes.SCENES))
        self.assertEqual(boots.chosen("uefi bios"), ("uefi", "bios"))
        with self.assertRaisesRegex(JobError, "no scene smm; there is short, all, .*bios"):
            boots.chosen("bios smm")

    def test_names_of_a_machine_are_found(self):
        boot = scenes.Boot(None, {})
        for text, found in (("a 00:1f:aa:07:99:0c b", True), ("serial4711", True),
                            ("10:20", False)):
            boot.results = {"001": ({}, text)}
            self.assertEqual(bool(scenes.names_of_the_machine(boot)), found, text)
        boot.results = {}
        self.assertEqual(scenes.names_of_the_machine(boot), "nothing was kept")

    def test_boots_that_differ(self):
        boot = scenes.Boot(None, {})

        def kept(*least):
            rows = [{"case": "outw", "kvm": "stock", "round": number, "min": value}
                    for number, value in enumerate(least, 1)]
            return {"rows": rows}, ""
        for second, differ in ((kept(1000, 1200), False), (kept(1200, 1009), False),
                               (kept(1020, 1200), True), (kept(), True)):
            boot.results = {"001": kept(1200, 1000), "002": second}
            self.assertEqual(bool(scenes.boots_differ(boot)), differ)


class LoaderTest(unittest.TestCase):
    def test_not_on_offer(self):
        with mock.patch.object(loader.debian, "offered", return_value=[]):
            with self.assertRaisesRegex(JobError, "Debian offers no shim-signed"):
                loader.newest("shim-signed")


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
    def table(self, rows, failed="", name="table"):
        (self.folder / "cases").write_text(contents.cases())
        (self.folder / "rows").write_text(rows)
        return subprocess.run(["busybox", "awk", "-v", f"failed={failed}", "-f",
                               GUEST / "figures", "-f", GUEST / name, self.folder / "cases",
                               self.folder / "rows"],
                              capture_output=True, text=True, check=True).stdout

    def line(self, rows, case, name="table"):
        return next(line.split() for line in self.table(rows, name=name).splitlines()
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

    def test_spread_and_counters_of_the_lower_round(self):
        counts = '"p99": %d, "core_cycles": %d, "instructions": 77, "samples"'
        rows = "".join((FIGURE % ("stock", number, "outw", 1, median)).replace(
            '"samples"', counts % (median + 9, median * 2))
            for number, median in ((1, 12), (2, 11)))
        rows += FIGURE % ("patched", 1, "outw", 1, 5)
        self.assertEqual(self.line(rows, "outw", "spread"),
                         ["outw", "1", "11", "20", "22", "77", "1", "5", "-", "-", "-"])

    def test_what_else_was_measured(self):
        listener = FIGURE % ("stock", 1, "outw_listener", 1, 800)
        rows = listener + listener.replace('"case"', '"listener_on": "other", "case"')
        rows += FIGURE % ("stock", 2, "outw", 16, 400) + FIGURE % ("patched", 1, "outw", 16, 100)
        rows += FIGURE % ("stock", 2, "outw", 1, 7)
        rows += (FIGURE % ("stock", 1, "movw", 1, 9)).replace("false", "true")
        self.assertEqual([line.split("  ")[0] for line in
                          self.table(rows, name="more").splitlines()[1:]],
                         ["outw_listener", "outw_listener, on other CPU",
                          "outw, 16 ioeventfds, spread", "movw, 1 address spaces with PCIDs"])
        self.assertEqual(self.line(rows, "outw,", "more")[-6:],
                         ["stock", "400", "ours", "100", "ours/it", "0.250"])

    def test_failed_tests_mark_it(self):
        self.assertNotIn("MARKED", self.table(""))
        self.assertIn("MARKED: our KVM fails here: some_test", self.table("", "some_test"))


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
        script = "cut() { echo 600; }\ntime_is_up"
        self.assertEqual(shell(f"minutes=10\n{script} 100 && echo up", "words"), "up\n")
        self.assertEqual(shell(f"minutes=11\n{script} 100 && echo up", "words"), "")
        self.assertEqual(shell(f"minutes=20\n{script} 50 && echo up", "words"), "up\n")

    def test_half_of_the_time_is_for_figures(self):
        script = ("minutes=10\nnote_verdict() { echo \"$*\"; }\n"
                  "cut() { echo 300; }\nrun_one_test slow_test")
        self.assertEqual(shell(script, "words", "tests"),
                         "slow_test not run: half of 10 minutes are over\n")

    def test_reports_of_the_kernel(self):
        script = ("note_verdict() { echo \"$*\"; }\nlines='[    0.1] WARNING: of boot'\n"
                  "dmesg() { echo \"$lines\"; }\nfind_reports\nlook_at_kernel\n"
                  "lines=\"$lines\n[    0.2] fine\n[    0.3] BUG: of KVM\"\nlook_at_kernel\n"
                  "look_at_kernel")
        self.assertEqual(shell(script, "words", "tests"),
                         "kernel FAILED: it reports BUG: of KVM;\n")

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
            script = "nproc() { echo 4; }\ncpus=%s\nfastest_cpu"
            self.assertEqual(shell(script % cpus, "found"), "2\n")
            self.assertEqual(shell(script % "/nowhere", "found"), "3\n")

    def turbo(self, *files):
        """What is said of a machine that has FILES, and what they have then."""
        with tempfile.TemporaryDirectory() as cpus:
            for name in files:
                Path(cpus, name).parent.mkdir(parents=True, exist_ok=True)
                Path(cpus, name).write_text("x\n")
            said = shell(f"facts=/dev/null\ncpus={cpus}\nnproc() {{ echo 1; }}\ndmesg() {{ :; }}"
                         "\nsay() { echo \"$*\"; }\nsteady_clock", "words", "found")
            return said, [Path(cpus, name).read_text().strip() for name in files]

    def test_steady_clock(self):
        governor = "cpu0/cpufreq/scaling_governor"
        said, values = self.turbo("intel_pstate/no_turbo", governor)
        self.assertIn("turbo: off\n", said)
        self.assertEqual(values, ["1", "performance"])
        self.assertEqual(self.turbo("cpufreq/boost")[1], ["0"])
        self.assertIn("turbo: not known: left as it is\n", self.turbo()[0])

    def test_listeners_beside_the_cpu_that_is_measured(self):
        with tempfile.TemporaryDirectory() as cpus:
            topology = Path(cpus, "cpu2/topology")
            topology.mkdir(parents=True)
            for siblings, sibling, other in (("2,6", "6", "0"), ("0-3", "0", "4"), ("2", "", "0")):
                (topology / "thread_siblings_list").write_text(siblings + "\n")
                said = shell(f"cpus={cpus}\ncpu=2\nnproc() {{ echo 8; }}\n"
                             "echo $(listener_cpu listener_sibling)\n"
                             "echo $(listener_cpu listener_other)", "words", "rounds")
                self.assertEqual(said, f"{sibling}\n{other}\n", siblings)

    def test_pmu(self):
        with tempfile.TemporaryDirectory() as devices:
            script = f"facts=/dev/null\nsay() {{ echo \"$*\"; }}\nfind_pmu {devices}"
            self.assertIn("PMU: none", shell(script, "words", "found"))
            Path(devices, "cpu_core").mkdir()
            self.assertEqual(shell(script, "words", "found"), "PMU: yes\n")

    def test_json_string(self):
        self.assertEqual(shell("json_string 'a \"b\" \\c\n'", "words"), '"a \\"b\\" \\\\c"')

    def test_unknown_vendor(self):
        said = shell("vendor=NewCPU flags=svm\nlockdown() { :; }\nmemory() { echo 9999999; }\n"
                     "refusal", "found", "refusals")
        self.assertEqual(said, "KVM is for Intel's and AMD's CPUs, this one says NewCPU\n")


if __name__ == "__main__":
    unittest.main()
