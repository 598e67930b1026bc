# SPDX-License-Identifier: GPL-2.0-only
"""Which modules are taken from Debian's image."""
import lzma
import tempfile
import unittest
from pathlib import Path

from pvmmio.build import more_modules
from pvmmio.console import JobError


def module(*needs):
    return b"\0depends=" + ",".join(needs).encode() + b"\0"


class UnpackTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.raw, self.where = Path(tmp.name) / "raw", Path(tmp.name) / "where"
        folder = self.raw / "lib/modules/6.12/kernel"
        folder.mkdir(parents=True)
        (folder / "top_one.ko.xz").write_bytes(lzma.compress(module("middle", "built_in")))
        (folder / "middle.ko").write_bytes(module("low-one"))
        (folder / "low_one.ko").write_bytes(module("middle"))
        (folder / "other.ko").write_bytes(module())

    def test_what_is_needed_comes_along(self):
        more_modules.unpack(self.raw, ["middle", "top-one"], self.where)
        self.assertEqual({path.name for path in self.where.iterdir()},
                         {"top_one.ko", "middle.ko", "low_one.ko"})
        self.assertEqual((self.where / "top_one.ko").read_bytes(), module("middle", "built_in"))

    def test_no_such_module(self):
        with self.assertRaisesRegex(JobError, "no module no-such"):
            more_modules.unpack(self.raw, ["no_such"], self.where)


if __name__ == "__main__":
    unittest.main()
