# SPDX-License-Identifier: GPL-2.0-only
"""What the selftests share lies where all see it, and nothing else does."""
import re
import unittest
from pathlib import Path

from pvmmio import REPO
from pvmmio.jobs.test.sanitized import SELFTESTS

FOLDER = REPO / SELFTESTS
LIBRARY = sorted((FOLDER / "lib/x86_64").glob("*.c"))
HEADERS = sorted((FOLDER / "include/x86_64").glob("*.h"))
# Functions and variables that other files can see.
DEFINED = re.compile(r"^(?!static|extern|struct \w+ \{|#)[a-z][\w \*]*?\*?\b(\w+)(?:\(|\[| =|;)",
                     re.MULTILINE)
INCLUDED = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def sources(program):
    """The files that are PROGRAM's own."""
    folder = program.parent / re.sub("_(test|bench)$", "", program.stem)
    return [program, *sorted(folder.glob("*.[ch]"))]


class Uses:
    """Which files of the library and which headers a program uses, by way of others too."""

    def __init__(self):
        self.definers = {name: path for path in LIBRARY
                         for name in DEFINED.findall(path.read_text())}
        self.headers = {path.name: path for path in HEADERS}

    def direct(self, path):
        text = path.read_text()
        found = {self.headers[name] for name in INCLUDED.findall(text) if name in self.headers}
        if path.suffix == ".c":
            found |= {self.definers[name] for name in re.findall(r"\w+", text)
                      if name in self.definers}
        return found

    def of(self, program):
        found, left = set(), sources(program)
        while left:
            new = self.direct(left.pop()) - found
            found |= new
            left += new
        return found


class LibraryTest(unittest.TestCase):
    def test_each_file_has_several_users(self):
        uses = Uses()
        users = {path: set() for path in LIBRARY + HEADERS}
        for program in sorted((FOLDER / "x86_64").glob("*.c")):
            for path in uses.of(program):
                users[path].add(program.stem)
        for path, names in users.items():
            with self.subTest(path=Path(path.parent.parent.name) / path.name):
                self.assertGreater(len(names), 1, names)


if __name__ == "__main__":
    unittest.main()
