# SPDX-License-Identifier: GPL-2.0-only
"""Which tests run where, with what, and what bad input is told."""
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pvmmio import REPO
from pvmmio.build import debug_kernel
from pvmmio.console import JobError
from pvmmio.jobs.debug import debug
from pvmmio.jobs.machines import SMP, SMP_TESTS
from pvmmio.lab.known import MACHINES
from pvmmio.tally import Tally

ALL = sorted(path.stem for path in
             (REPO / "tools/testing/selftests/kvm/x86_64").glob("*_test.c"))


class FittingTest(unittest.TestCase):
    def test_amd_runs_all_once(self):
        parts = debug.fitting("debug", "amd", ALL)
        self.assertEqual(sorted(sum((tests for tests, _ in parts.values()), [])), ALL)
        self.assertEqual(parts[""], ([debug.TIMED], []))
        for kind in (" 2 CPUs", " 2 CPUs too"):
            self.assertEqual(parts[kind][1], SMP)

    def test_intel_runs_what_fits(self):
        (tests, options), = debug.fitting("debug", "intel", ALL).values()
        self.assertEqual(tests, sorted(MACHINES["intel"].DEBUG_TESTS))
        self.assertIn("noxsave", options)

    def test_kcsan_runs_what_has_several_vcpus(self):
        (tests, options), = debug.fitting("kcsan", "amd", ALL).values()
        self.assertEqual((tests, options), (sorted(SMP_TESTS), SMP))


class BootsTest(unittest.TestCase):
    def test_each_part_is_a_boot(self):
        with mock.patch.object(debug, "run_boot") as run_boot:
            debug.run_machine(Tally(), Path("build/debug"), "amd", ALL)
        booted = [call.args[3:] for call in run_boot.call_args_list]
        self.assertEqual(sorted(kind for kind, _, _ in booted), ["", " 2 CPUs", " 2 CPUs too"])
        self.assertEqual(sorted(sum((tests for _, tests, _ in booted), [])), ALL)


class InputTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.built = Path(tmp.name) / "kcsan"
        (self.built / "tests").mkdir(parents=True)
        for name in ALL:
            (self.built / "tests" / name).touch()

    def test_unknown_test(self):
        with self.assertRaisesRegex(JobError, "no test foo in .*; there is .*pv_mmio_test"):
            debug.choose(self.built, ["foo"])

    def test_nothing_left_to_run(self):
        with self.assertRaisesRegex(JobError, "TESTS: none of pv_mmio_test is for the amd"):
            debug.run_machine(Tally(), self.built, "amd", ["pv_mmio_test"])


class ObjectsTest(unittest.TestCase):
    def test_kcsan_is_in_our_objects_and_nowhere_else(self):
        options = debug_kernel.kvm_options("kcsan", REPO)
        self.assertIn("KCSAN_SANITIZE=n", options)
        for name in ("pv_mmio.o", "ioeventfd_index.o", "svm_pv_mmio.o", "vmx.o"):
            self.assertIn(f"KCSAN_SANITIZE_{name}=y", options)
        self.assertNotIn("KCSAN_SANITIZE_x86.o=y", options)

    def test_sanitizers_are_in_kvm_and_what_works_on_its_data(self):
        options = debug_kernel.kernel_options("debug")
        for name in ("KASAN", "UBSAN"):
            self.assertIn(f"{name}_SANITIZE=n", options)
            self.assertIn(f"{name}_SANITIZE_eventfd.o=y", options)
            self.assertNotIn(f"{name}_SANITIZE=n", debug_kernel.kvm_options("debug", REPO))

    def test_only_the_debug_kernel_has_fake_assists(self):
        self.assertEqual(debug_kernel.kvm_options("debug", REPO), [debug_kernel.FAKE_ASSISTS])
        for flavour in ("cloud", "generic", "rt"):
            self.assertEqual(debug_kernel.kvm_options(flavour, REPO), [debug_kernel.WERROR])
        self.assertNotIn(debug_kernel.FAKE_ASSISTS, debug_kernel.kvm_options("kcsan", REPO))


if __name__ == "__main__":
    unittest.main()
