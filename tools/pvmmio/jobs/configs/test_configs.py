# SPDX-License-Identifier: GPL-2.0-only
"""What a configuration asks for, what counts as its failure, and what bad input is told."""
import contextlib
import io
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pvmmio.console import JobError
from pvmmio.jobs.configs import configs
from pvmmio.jobs.configs.matrix import Configuration, MATRIX, SHORT

# As compiler, linker and modpost say it.
OURS = (
    "/b/kvm/pv_mmio.c:271:19: error: 'kvm_xen_enabled' undeclared here",
    "/b/kvm/vmx/vmx_pv_mmio.c:9:5: warning: unused variable 'r' [-Wunused-variable]",
    "../../../virt/kvm/ioeventfd_index.h:5:1: warning: no previous prototype for 'f'",
    "/b/linux/arch/x86/kvm/x86.c:7:2: error: implicit declaration of 'kvm_pv_mmio_forget'",
    'ERROR: modpost: "kvm_pv_mmio_retire" [/b/kvm/kvm-intel.ko] undefined!',
    "kvm-amd.o: warning: objtool: svm_pv_mmio_fastpath+0x5: unreachable instruction",
)
OTHERS = (
    "/home/pv_mmio/linux/arch/x86/kvm/x86.c:7:2: warning: unused variable 'r'",
    "  CC [M]  /b/kvm/pv_mmio.o",
    "In file included from /b/kvm/pv_mmio.c:8:",
    "make[3]: *** [/b/linux/scripts/Makefile.build:234: /b/kvm/pv_mmio.o] Error 1",
)


class SettingsTest(unittest.TestCase):
    def test_what_the_kernel_did_not_take(self):
        config = "CONFIG_KVM=m\n# CONFIG_KVM_XEN is not set\nCONFIG_KVM_SMM=y\n"
        self.assertEqual(configs.refused(config, ("KVM=m", "KVM_XEN=n", "KVM_HYPERV=n")), [])
        self.assertEqual(configs.refused(config, ("KVM=y", "KVM_SMM=n", "KVM=n", "FOO=y")),
                         ["KVM=y", "KVM_SMM=n", "KVM=n", "FOO=y"])

    def test_each_configuration_differs(self):
        self.assertEqual(len(set(MATRIX.values())), len(MATRIX))

    def test_names(self):
        self.assertEqual(configs.chosen(""), list(SHORT))
        self.assertEqual(configs.chosen("short"), list(SHORT))
        self.assertEqual(configs.chosen("all"), list(MATRIX))
        self.assertEqual(configs.chosen("clang least"), ["clang", "least"])
        with self.assertRaisesRegex(JobError, "no configuration foo, all; there is short, all, "):
            configs.chosen("foo clang all")


class JudgeTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.folder = Path(tmp.name)
        self.log = self.folder / "log"

    def compiled(self, code):
        source = self.folder / "a.c"
        source.write_text(code)
        binary = source.with_suffix(".o")
        subprocess.run(["gcc", "-c", source, "-o", binary], check=True)
        return binary

    def judge(self, code, log="", settings=()):
        self.log.write_text(log)
        configs.judge(self.compiled(code), Configuration(settings), self.log)

    def test_good_build(self):
        self.judge("int kvm_pv_mmio_x;", "\n".join(OTHERS))

    def test_warning(self):
        for line in OURS:
            with self.subTest(line), self.assertRaisesRegex(JobError, "warning|error|ERROR"):
                self.judge("int kvm_pv_mmio_x;", line)

    def test_code_that_should_not_be_there(self):
        off = ("KVM_PV_MMIO=n",)
        self.judge("int kvm_x;", settings=off)
        with self.assertRaisesRegex(JobError, "our code is in a.o"):
            self.judge("int kvm_pv_mmio_x;", settings=off)

    def test_code_that_is_missing(self):
        with self.assertRaisesRegex(JobError, "our code is not in a.o"):
            self.judge("int kvm_x;")

    def test_what_nothing_defines(self):
        binary = self.compiled("int kvm_hc_mmio_write(void), printk(void);\n"
                               "int f(void) { return kvm_hc_mmio_write() + printk(); }")
        self.assertEqual(configs.own_symbols(binary, "-u"), ["kvm_hc_mmio_write"])


class JobTest(unittest.TestCase):
    def run_job(self, names, run_one):
        with tempfile.TemporaryDirectory() as tmp, \
                mock.patch.object(configs, "run_one", run_one), \
                mock.patch.object(configs, "lay_source"), \
                mock.patch.object(configs.debian, "fetch", return_value=Path(tmp)), \
                mock.patch.object(configs.packages, "install") as self.install, \
                contextlib.redirect_stdout(io.StringIO()) as self.said:
            return configs.configs([tmp, "6.12", "", names])

    def test_a_failure_does_not_end_the_others(self):
        def run_one(name, *_):
            if name == "intel":
                raise JobError("no such CPU")
        self.assertEqual(self.run_job("intel amd", run_one), 1)
        self.assertEqual(self.said.getvalue().splitlines(),
                         ["FAIL config intel (no such CPU)", "PASS config amd",
                          "1 passed, 1 failed, 0 skipped"])

    def test_packages_of_the_chosen_only(self):
        self.assertEqual(self.run_job("intel", lambda *_: None), 0)
        self.install.assert_called_once_with(set())
        self.run_job("clang", lambda *_: None)
        self.install.assert_called_once_with({"clang", "lld", "llvm"})


class SourceTest(unittest.TestCase):
    def test_links_leave_the_cache_alone(self):
        with tempfile.TemporaryDirectory() as tmp:
            source, tree = Path(tmp) / "source", Path(tmp) / "a/linux"
            source.mkdir()
            (source / "Kconfig").write_text("theirs")
            configs.link_source(source, tree)
            self.assertTrue((tree / "Kconfig").samefile(source / "Kconfig"))
            configs.write_if_changed(tree / "Kconfig", b"ours")
            self.assertEqual((source / "Kconfig").read_text(), "theirs")
            configs.link_source(source, tree)
            self.assertEqual((tree / "Kconfig").read_text(), "ours")


if __name__ == "__main__":
    unittest.main()
