# SPDX-License-Identifier: GPL-2.0-only
"""What makes an end-to-end run fail."""
import contextlib
import io
import unittest

from pvmmio.jobs.e2e import e2e, ways
from pvmmio.lab.known import MACHINES

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
        for lab in MACHINES:
            for kvm, bell, _ in e2e.runs(lab):
                self.assertEqual(e2e.expected(lab, kvm, bell)[1] is None, kvm == "stock")

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
        for lab in MACHINES:
            self.assertEqual(e2e.expected(lab, "stock", "nvme")[0], ways.DECODED)
            self.assertEqual(e2e.expected(lab, "patched", "nvme"), (ways.FAST, "pv_mmio_fast"))

    def test_uefi_reads_but_no_doorbell_is_decoded(self):
        for bell, ops, reads in (("uefi", 64, 2), ("ipxe", 32, 4)):
            may, counter = e2e.expected("amd", "patched", bell)
            row = {"bell": bell, "load": "x", "ops": ops, counter: ops, "doorbells": {may: ops},
                   "decodes": {"npf": ops * (reads + 1) - 1}}
            self.assertEqual(e2e.complaint(row, may, counter), "")
            self.assertIn("accesses", e2e.complaint(dict(row, decodes={
                "npf": ops * (reads + 1)}), may, counter))
            self.assertIn("went", e2e.complaint(dict(row, doorbells={may: ops, ways.DECODED: 1}),
                                                may, counter))

    def test_bios_reads_once_for_each_operation(self):
        self.assertEqual(e2e.expected("amd", "patched", "bios"), (ways.FAST, "pv_mmio_fast"))
        self.assertEqual(e2e.expected("amd", "patched", "bios-nvme"),
                         (ways.STORE, "pv_mmio_slow"))
        row = {"bell": "bios", "load": "copy", "ops": 64, "pv_mmio_fast": 64,
               "doorbells": {ways.FAST: 64}}
        self.assertIn("128 accesses", e2e.complaint(dict(row, decodes={"npf": 128}), ways.FAST,
                                                    "pv_mmio_fast"))
        self.assertFalse(e2e.complaint(dict(row, decodes={"npf": 127}), ways.FAST,
                                       "pv_mmio_fast"))
        self.assertIn("went", e2e.complaint(dict(row, decodes={"npf": 64},
                                                 doorbells={ways.FAST: 64, ways.DECODED: 3}),
                                            ways.FAST, "pv_mmio_fast"))


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
                      for load in loads if bell not in (*skipped, *e2e.UEFI)}
            self.assertEqual(set(e2e.runs(lab)), wanted)

    def test_uefi_is_judged_if_asked_for(self):
        more = set(e2e.runs("amd", uefi=True)) - set(e2e.runs("amd"))
        self.assertEqual(more, {(kvm, bell, load) for kvm in e2e.KVMS
                                for bell, load in (("uefi", "copy"), ("ipxe", "udp"))})
        self.assertEqual(e2e.runs("intel", uefi=True), e2e.runs("intel"))

    def test_machine_that_boots_no_bios_says_why(self):
        for lab, skipped in (("amd", 0), ("intel", 1)):
            tally = e2e.Tally()
            with contextlib.redirect_stdout(io.StringIO()) as said:
                e2e.judge(e2e.Session(tally, lab))
            self.assertEqual(tally.skipped, skipped)
            self.assertEqual("a BIOS boots and gets all data right (that takes this machine"
                             in said.getvalue(), bool(skipped))

    def test_other_tests_are_refused(self):
        with self.assertRaisesRegex(e2e.JobError, "TESTS=some: there is short, all"):
            e2e.run([".", ".", "amd", "some"])

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
