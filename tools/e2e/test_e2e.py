# SPDX-License-Identifier: GPL-2.0-only
"""What makes an end-to-end run fail."""
import contextlib
import io
import unittest

import e2e
import ways

KEY = ("patched", "module", "memory", "read")
MAY = e2e.allowed("amd", "patched", "module", "memory")
GOOD = {"ops": 32, "doorbells": {ways.FAST: 31, ways.STORE: 1}, "decodes": {"hlt": 50, "npf": 3}}


class RowTest(unittest.TestCase):
    def test_good_row(self):
        self.assertEqual(e2e.complaint(GOOD, MAY), "")

    def test_bad_rows(self):
        for row, why in ((None, "no figures"), ({}, "no figures"),
                         ({"doorbells": {}}, "no figures"), ({"ops": 32}, "no figures"),
                         (dict(GOOD, doorbells={}), "only 0"),
                         (dict(GOOD, doorbells={ways.FAST: 31}), "only 31"),
                         (dict(GOOD, doorbells={ways.FAST: 32, ways.DECODED: 1}), "decoded"),
                         (dict(GOOD, decodes={"npf": 32}), "32 accesses"),
                         (dict(GOOD, decodes={"EPT_MISCONFIG": 33}), "33 accesses")):
            self.assertIn(why, e2e.complaint(row, MAY))

    def test_ports_stay_ports(self):
        self.assertEqual(e2e.allowed("amd", "patched", "module", "port"), {ways.PORT})

    def test_only_the_module_on_our_kvm_is_spared_the_decode(self):
        for kvm, phase in (("stock", "module"), ("patched", "stock"), ("patched", "unloaded")):
            self.assertEqual(e2e.allowed("amd", kvm, phase, "memory"), {ways.DECODED})
            self.assertEqual(e2e.allowed("intel", kvm, phase, "memory"), {ways.UNSEEN})


class SessionTest(unittest.TestCase):
    def read(self, *lines):
        tally = e2e.Tally()
        session = e2e.Session(tally, "amd")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for line in lines:
                session.line(line)
        return session, tally

    def test_checks_are_counted(self):
        _, tally = self.read("check PASS stock: comes up", "check FAIL stock: x (why)")
        self.assertEqual((tally.passed, tally.failed), (1, 1))

    def test_figures(self):
        session, _ = self.read("patched figures module memory read ops 32 min 5 median 7 exits 9"
                               " insn_emulation 0")
        row = session.rows[KEY]
        self.assertEqual((row["ops"], row["min"], row["median"], row["exits"]), (32, 5, 7, 9))

    def test_stray_lines_are_no_figures(self):
        session, tally = self.read("Terminated", "patched nonsense", "")
        self.assertEqual((session.rows, tally.passed + tally.failed), ({}, 0))


if __name__ == "__main__":
    unittest.main()
