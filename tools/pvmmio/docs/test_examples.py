# SPDX-License-Identifier: GPL-2.0-only
"""The examples of the reference pages compile as they are printed there."""
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from pvmmio import REPO

PAGES = REPO / "Documentation/virt/kvm/x86"
UAPI = REPO / "include/uapi"
INCLUDED = re.compile(r"^\.\. literalinclude:: (\S+)\n((?:   :.*\n)*)", re.MULTILINE)
WARNINGS = ("-Wall", "-Wextra", "-Werror")
COMPILERS = (("gcc", "-std=c99", "-xc"), ("gcc", "-std=gnu11", "-xc"), ("g++", "-xc++"))
ERRNO = re.compile(r"^-(KVM_E\w+) +\(-(\d+)\)", re.MULTILINE)


def printed(page):
    """What PAGE includes, as (language, text)."""
    for path, options in INCLUDED.findall((PAGES / page).read_text()):
        option = dict(re.findall(r":(\S+): (.*)\n", options))
        text = (PAGES / path).read_text()
        text = text.split(option["start-after"])[1].split(option["end-before"])[0]
        yield option["language"], text


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
            text = "\n".join(text for language, text in printed(page) if language == "c")
            self.assertIn("#include", text)
            for compiler in COMPILERS:
                with self.subTest(page=page, compiler=compiler):
                    self.compile(compiler, text)

    def test_values_of_errors(self):
        told = ERRNO.findall((PAGES / "pv-mmio-api.rst").read_text())
        self.assertEqual(len(told), 4)
        self.compile(COMPILERS[1], "#include <errno.h>\n#include <linux/kvm_para.h>\n" + "".join(
            f'_Static_assert({name} == {value}, "");\n' for name, value in told))


if __name__ == "__main__":
    unittest.main()
