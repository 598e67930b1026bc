# SPDX-License-Identifier: GPL-2.0-only
"""The package finds itself in one way only, and the Makefile finds each job in it."""
import re
import unittest
from importlib.util import find_spec

from pvmmio import REPO

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


if __name__ == "__main__":
    unittest.main()
