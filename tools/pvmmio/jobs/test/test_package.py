# SPDX-License-Identifier: GPL-2.0-only
"""The package finds itself in one way only, and the Makefile finds each job in it."""
import re
import unittest
from importlib.util import find_spec

from pvmmio import REPO
from pvmmio.lab import bochs
from pvmmio.lab.known import MACHINES

PACKAGE = REPO / "tools/pvmmio"


class PackageTest(unittest.TestCase):
    def test_nobody_edits_the_path(self):
        for path in sorted((REPO / "tools").rglob("*.py")):
            with self.subTest(path=path):
                # In two parts, lest this line be found.
                self.assertNotIn("sys" + ".path", path.read_text())

    def test_every_folder_with_python_is_a_package(self):
        for folder in {path.parent for path in PACKAGE.rglob("*.py")}:
            with self.subTest(folder=folder):
                self.assertTrue((folder / "__init__.py").is_file())

    def test_makefile_names_modules_that_there_are(self):
        names = set(re.findall(r"python3 -m (\S+)", (REPO / "Makefile").read_text()))
        self.assertTrue(names)
        for name in names:
            with self.subTest(name=name):
                self.assertIsNotNone(find_spec(name))

    def test_make_can_stop_each_job(self):
        # What make tells its child isn't told to what a shell started.
        for line in (REPO / "Makefile").read_text().splitlines():
            if re.match(r"\t.*python3 -m", line):
                self.assertTrue(line.startswith("\t@exec python3 -m"), line)


class MachinesTest(unittest.TestCase):
    """What is known about a machine stands in its file; these may tell CPUs apart."""

    # As Python and shell have a name where they compare it or look it up.
    TOLD_APART = re.compile(r"""["'](amd|intel)["']| !?==? ?(amd|intel)\b|vendor=(amd|intel)"""
                            "|AuthenticAMD|GenuineIntel")
    MAY = {
        # The machines themselves, and which names users have for them.
        "tools/pvmmio/lab/bochs.py", "tools/pvmmio/lab/known.py", "tools/pvmmio/lab/qemu.py",
        # The CPU's vendor: what scripts ask, and how its KVM differs from the other's.
        "tools/pvmmio/lab/guest/cpu", "tools/pv-mmio/probe-in-lab",
        "tools/pvmmio/jobs/debug/in-lab", "tools/pvmmio/jobs/configs/matrix.py",
        # The same on hosts, which have no lab.
        "tools/host/kvm-modules", "tools/pvmmio/jobs/stick/guest/found",
        "tools/pvmmio/jobs/stick/guest/refusals",
        # Which emulator boots the stick how: by BIOS, by UEFI, as a CD.
        "tools/pvmmio/jobs/stick/scenes.py",
    }

    # How an emulator is told what machine it is.
    SET_UP = re.compile(r"""bochs-bin|bochsrc|romimage:|["'\s]-?icount\b|\btcg\b|\+svm|\+npt|"""
                        + "|".join(machine.MODEL for machine in MACHINES.values())
                        + "|" + bochs.PLAIN_TICK.replace(" ", "|"))

    @staticmethod
    def with_words(words):
        """Yield the files with WORDS in them, but for tests, C and manual pages."""
        for path in sorted([REPO / "Makefile", *(REPO / "tools").rglob("*")]):
            name = str(path.relative_to(REPO))
            if not path.is_file() or "test_" in path.name or path.name == "boot_test.py" \
                    or "/selftests/" in name or path.suffix in (".c", ".h", ".1", ".8", ".pyc"):
                continue
            if words.search(path.read_text()):
                yield name

    def test_no_other_file_tells_machines_apart(self):
        self.assertEqual(set(self.with_words(self.TOLD_APART)), self.MAY)

    def test_no_other_file_sets_a_machine_up(self):
        self.assertEqual(set(self.with_words(self.SET_UP)),
                         {"tools/pvmmio/lab/bochs.py", "tools/pvmmio/lab/qemu.py"})


if __name__ == "__main__":
    unittest.main()
