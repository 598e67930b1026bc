# SPDX-License-Identifier: GPL-2.0-only
"""Which of a compiler's complaints are of our code."""
import unittest

from pvmmio import REPO
from pvmmio.build import compiler


class ComplaintsTest(unittest.TestCase):
    def test_each_file_of_ours_is_known(self):
        files = [path for folder in ("arch/x86/kvm", "virt/kvm")
                 for path in (REPO / folder).rglob("*.[ch]")]
        self.assertTrue(files)
        for path in files:
            line = f"{path.name}:7:2: warning: unused variable 'r'"
            with self.subTest(line):
                self.assertEqual(compiler.complaints(f"/b/linux/{line}\n"), [line])

    def test_files_of_the_kernels_are_not(self):
        for name in ("x86.c", "eventfd.c", "svm.c", "kvm_main.c", "Kconfig"):
            self.assertEqual(compiler.complaints(f"{name}:7:2: warning: unused variable 'r'"), [])


if __name__ == "__main__":
    unittest.main()
