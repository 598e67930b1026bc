# SPDX-License-Identifier: GPL-2.0-only
"""The examples of the reference pages compile as they are printed there."""
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from pvmmio import REPO
from pvmmio.docs import examples

PAGES = REPO / "Documentation/virt/kvm/x86"
UAPI = REPO / "include/uapi"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
COMPILERS = (("gcc", "-std=c99", "-xc"), ("gcc", "-std=gnu11", "-xc"), ("g++", "-xc++"))
ERRNO = re.compile(r"^-(KVM_E\w+) +\(-(\d+)\)", re.MULTILINE)


def printed(page):
    """The C of PAGE, as a reader would copy it."""
    return "\n".join(text for _, text in examples.printed((PAGES / page).read_text()))


class ExamplesTest(unittest.TestCase):
    def compile(self, command, text):
        """As the pages say: with the headers of this tree in front of the system's."""
        with tempfile.TemporaryDirectory() as tmp:
            done = subprocess.run([*command, *WARNINGS, "-I", UAPI, "-c", "-o",
                                   Path(tmp) / "out.o", "-"], input=text, text=True,
                                  capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_c(self):
        for page in ("pv-mmio-vmm.rst", "pv-mmio-guest.rst"):
            text = printed(page)
            self.assertIn("#include", text)
            for compiler in COMPILERS:
                with self.subTest(page=page, compiler=compiler):
                    self.compile(compiler, text)

    def test_whole_program(self):
        for compiler in COMPILERS[:2]:
            # MAP_ANONYMOUS is in no standard of C's.
            self.compile([*compiler, "-D_GNU_SOURCE"], printed("pv-mmio-example.rst"))

    def test_values_of_errors(self):
        told = ERRNO.findall((PAGES / "pv-mmio-api.rst").read_text())
        self.assertEqual(len(told), 4)
        self.compile(COMPILERS[1], "#include <errno.h>\n#include <linux/kvm_para.h>\n" + "".join(
            f'_Static_assert({name} == {value}, "");\n' for name, value in told))


if __name__ == "__main__":
    unittest.main()
