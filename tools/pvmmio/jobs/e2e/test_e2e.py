# SPDX-License-Identifier: GPL-2.0-only
"""What makes an end-to-end run fail."""
import contextlib
import io
import unittest

from pvmmio.jobs.e2e import e2e, ways

KEY = ("patched", "memory", "read")
MAY, COUNTER = e2e.expected("amd", *KEY[:2])
GOOD = {"bell": "memory", "load": "read", "ops": 32, "doorbells": {ways.FAST: 33},
        "decodes": {"hlt": 50, "npf": 3}, COUNTER: 32}


class RowTest(unittest.TestCase):
    def test_good_row(self):
        self.assertEqual(e2e.complaint(GOOD, MAY, COUNTER), "")

    def test_bad_rows(self):
        for row, why in ((None, "no figures"), ({}, "no figures"),
                         ({"doorbells": {}}, "no figures"), ({"ops": 32}, "no figures"),
                         (dict(GOOD, doorbells={}), "only 0"),
                         (dict(GOOD, doorbells={ways.FAST: 31}), "only 31"),
                         (dict(GOOD, doorbells={ways.FAST: 32, ways.DECODED: 1}), "decoded"),
                         (dict(GOOD, doorbells={ways.FAST: 32, ways.LEARNED: 1}), "learned"),
                         (dict(GOOD, doorbells={ways.STORE: 32}), "slow store"),
                         (dict(GOOD, **{COUNTER: 31}), f"{COUNTER} grew by 31"),
                         (dict(GOOD, decodes={"npf": 32}), "32 accesses"),
                         (dict(GOOD, decodes={"EPT_MISCONFIG": 33}), "33 accesses")):
            self.assertIn(why, e2e.complaint(row, MAY, COUNTER))

    def test_nvme_rings_twice_for_each_operation(self):
        row = dict(GOOD, bell="nvme", doorbells={ways.FAST: 64}, **{COUNTER: 64})
        self.assertEqual(e2e.complaint(row, MAY, COUNTER), "")
        for short in ({"doorbells": {ways.FAST: 63}}, {COUNTER: 63}):
            self.assertIn("63", e2e.complaint(dict(row, **short), MAY, COUNTER))

    def test_new_process_is_learned_in_time(self):
        for load, others, good in (("user", 15, True), ("user", 16, False), ("read", 0, False)):
            row = dict(GOOD, load=load, decodes={"npf": 31 + others},
                       doorbells={ways.FAST: 32, ways.LEARNED: 1, ways.DECODED: others})
            self.assertEqual(e2e.complaint(row, MAY, COUNTER) == "", good, (load, others))
        row = dict(GOOD, load="user", decodes={"npf": 33},
                   doorbells={ways.FAST: 32, ways.LEARNED: 1})
        self.assertIn("33 accesses", e2e.complaint(row, MAY, COUNTER))
        row = dict(GOOD, load="user", doorbells={ways.FAST: 31, ways.LEARNED: 2})
        self.assertIn("only 31", e2e.complaint(row, MAY, COUNTER))

    def test_stock_counts_nothing(self):
        for lab, bells in e2e.EXPECTED.items():
            for bell in bells:
                self.assertIsNone(e2e.expected(lab, "stock", bell)[1])

    def test_ports_stay_ports(self):
        self.assertEqual(e2e.expected("amd", "patched", "port"),
                         (ways.FAST_PORT, "pio_doorbell_fast"))
        self.assertEqual(e2e.expected("intel", "stock", "port")[0], ways.PORT)

    def test_only_our_kvm_is_spared_the_decode(self):
        self.assertEqual(e2e.expected("amd", "stock", "memory")[0], ways.DECODED)
        self.assertEqual(e2e.expected("amd", "patched", "memory"), (ways.FAST, "pv_mmio_fast"))

    def test_intels_machine_has_length_0_first(self):
        self.assertEqual(e2e.expected("intel", "stock", "memory")[0], ways.UNSEEN)
        self.assertEqual(e2e.expected("intel", "patched", "memory"),
                         (ways.FAST_UNSEEN, "mmio_doorbell_fast"))

    def test_nvme_has_no_length_0(self):
        for lab in e2e.EXPECTED:
            self.assertEqual(e2e.expected(lab, "stock", "nvme")[0], ways.DECODED)
            self.assertEqual(e2e.expected(lab, "patched", "nvme"), (ways.FAST, "pv_mmio_fast"))

    def test_bios_is_decoded_on_ours_too(self):
        self.assertEqual(e2e.expected("amd", "patched", "bios"), (ways.DECODED, None))
        self.assertEqual(e2e.expected("amd", "patched", "bios-nvme"), (ways.DECODED, None))
        row = {"bell": "bios", "load": "copy", "ops": 64, "decodes": {"npf": 200}}
        for count, why in ((64, ""), (63, "only 63")):
            self.assertIn(why, e2e.complaint(dict(row, doorbells={ways.DECODED: count}),
                                             ways.DECODED))
        self.assertIn("went", e2e.complaint(dict(row, doorbells={ways.DECODED: 64, ways.FAST: 3}),
                                            ways.DECODED))


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
        session, _ = self.read("patched figures memory read ops 32 min 5 median 7 exits 9"
                               " insn_emulation 0")
        row = session.rows[KEY]
        self.assertEqual((row["ops"], row["min"], row["median"], row["exits"]), (32, 5, 7, 9))

    def test_places_are_learned_once(self):
        doorbell = "doorbell 00000000febe3000-00000000febe3fff virtio-pci-notify-virtio-blk"
        learned = "patched learned febe3000"
        for lines, passed in (([], 0), ([learned], 1), (["patched learned febe2000"] * 9, 1),
                              ([learned] * e2e.MAX_PLACES, 1),
                              ([learned] * (e2e.MAX_PLACES + 1), 0),
                              ([learned, "stock learned febe3000"], 0)):
            session, tally = self.read(*(f"{kvm} {doorbell}" for kvm in e2e.KVMS), *lines)
            with contextlib.redirect_stdout(io.StringIO()):
                e2e.judge_learning(session)
            self.assertEqual(tally.passed, passed, lines)

    def test_each_run_is_judged(self):
        for lab, skipped in (("amd", ()), ("intel", ("bios", "bios-nvme"))):
            wanted = {(kvm, bell, load) for kvm in e2e.KVMS for bell, loads in e2e.LOADS.items()
                      for load in loads if bell not in skipped}
            self.assertEqual(set(e2e.runs(lab)), wanted)

    def test_skipped_check_says_why(self):
        session, tally = self.read("check SKIP stock: bios: x (why)")
        self.assertEqual((session.rows, tally.skipped), ({}, 1))

    def test_next_guest_has_doorbells_of_its_own(self):
        doorbell = "patched doorbell 00000000febe3000-00000000febe3fff virtio-pci-notify-virtio-blk"
        learned = "patched learned febe3000"
        session, _ = self.read(doorbell, learned, "patched guest", learned)
        self.assertEqual(session.learned["patched"], [True, False])

    def test_stray_lines_are_no_figures(self):
        session, tally = self.read("Terminated", "patched nonsense", "")
        self.assertEqual((session.rows, tally.passed + tally.failed), ({}, 0))


if __name__ == "__main__":
    unittest.main()
