# SPDX-License-Identifier: GPL-2.0-only
"""The table and the file of figures, from what the benchmark prints."""
import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from pvmmio.console import JobError
from pvmmio.jobs.bench import bench, origin, table
from pvmmio.jobs.bench.progress import Progress

FIGURE = {"ioeventfds": 1, "layout": "spread", "min": 90, "median": 100, "samples": 8,
          "unit": "instructions"}
SCALE = {"operation": "register", "case": "pio", "ioeventfds": 1, "layout": "spread",
         "ringing_vcpus": 0, "total": 40, "per_operation": 40, "unit": "ticks"}
AMD = SimpleNamespace(name="amd")


class BenchTest(unittest.TestCase):
    def results(self, *lines):
        results = bench.Results("6.12.1")
        with contextlib.redirect_stderr(io.StringIO()) as self.said:
            for line in lines:
                results.line(AMD, line)
        self.scale = results.scale
        return results.rows

    def figures(self, **members):
        """A table of what stock and patched both print, for one case and more ioeventfds."""
        line = json.dumps({"case": "outw", **FIGURE, **members})
        one = json.dumps({"case": "outw", **FIGURE})
        return table.render(self.results("kvm stock", one, line, "kvm patched", one, line))

    def both(self):
        return self.results("kvm stock", json.dumps({"case": "outw", **FIGURE}), "kvm patched",
                            json.dumps({"case": "movw_fast", **FIGURE, "median": 60}))

    def test_rows_say_where_they_are_from(self):
        rows = self.both()
        self.assertEqual(rows[1], {"lab": "amd", "kernel": "6.12.1", "kvm": "patched",
                                   "case": "movw_fast", **FIGURE, "median": 60,
                                   "tree": origin.tree()})

    def test_skipped_case_is_told_but_no_figure(self):
        self.assertEqual(self.results("kvm stock", '{"case": "outw", "skipped": "no PIO"}'), [])
        self.assertIn("outw: skipped: no PIO", self.said.getvalue())

    def test_ratio_is_to_stock_outw(self):
        lines = table.render(self.both()).splitlines()
        fast = next(line for line in lines if line.startswith("movw_fast"))
        self.assertRegex(fast, r"1817 +- +- +60 \(90\) +0\.60$")

    def test_no_ratio_without_stock_outw(self):
        fast = table.render(self.both()[1:]).splitlines()
        self.assertRegex("\n".join(fast), r"60 \(90\) +-$|60 \(90\) +-\n")

    def test_unit_is_named(self):
        self.assertIn("samples, in instructions", table.render(self.both()))

    def test_ratios_are_of_instructions(self):
        self.assertIn("of instructions, not of cycles", table.render(self.both()))
        cycles = [{**row, "unit": "cycles"} for row in self.both()]
        self.assertNotIn("not of cycles", table.render(cycles))

    def test_file_is_a_list_of_objects(self):
        with tempfile.TemporaryDirectory() as tmp, contextlib.redirect_stderr(io.StringIO()):
            bench.write_results(Path(tmp) / "results/bench.json", self.both())
            self.assertEqual(json.loads((Path(tmp) / "results/bench.json").read_text()),
                             self.both())

    def test_growth_has_a_column_for_each_count(self):
        text = self.figures(ioeventfds=4096, median=105)
        self.assertRegex(text, r"KVM +1 +4096\n"
                               r"outw +spread +stock +100 +105\n"
                               r"outw +spread +patched +100 +105\n")

    def test_single_ioeventfd_stands_for_both_layouts(self):
        text = self.figures(ioeventfds=4096, median=105, layout="same")
        self.assertRegex(text, r"outw +same +stock +100 +105\noutw +same +patched +100 +105\n")
        self.assertIn("movw_wildcard, same: not measured", text)

    def test_no_growth_without_growing(self):
        self.assertNotIn("among others", table.render(self.both()))

    def test_listener_has_a_table_of_its_own(self):
        lines = [json.dumps({"case": "outw" + suffix, **FIGURE, "min": low})
                 for suffix, low in (("", 90), ("_listener", 20), ("_wake", 30))]
        seed, listener = table.render(self.results("kvm stock", *lines)).split("asleep")
        self.assertIn("100 (90)", seed)
        self.assertNotIn("100 (20)", seed)
        self.assertRegex(listener, r"outw +port +100 \(20\) +100 \(30\) +- +-")

    def rounds(self, *variants):
        """A table of movw_fast with each of VARIANTS, stock and patched, after the usual row."""
        lines = [json.dumps({"case": "movw_fast", **FIGURE, **some})
                 for some in ({"median": 70}, *variants)]
        return table.render(self.results("kvm stock", *lines, "kvm patched", *lines))

    def test_address_spaces_have_a_table_of_their_own(self):
        seed, spaces = self.rounds({"address_spaces": 16, "median": 80},
                                   {"address_spaces": 16, "pcid": True, "median": 90},
                                   {"places": 8, "median": 60}).split("address spaces that")
        self.assertIn("70 (90)", seed)
        for median in ("80", "90", "60"):
            self.assertNotIn(f" {median} (90)", seed)
        spaces, places = spaces.split("places of code that")
        self.assertRegex(spaces, r"KVM +1 +16\n")
        self.assertRegex(spaces, r"movw_fast +patched +70 +80\n")
        self.assertRegex(spaces, r"movw_fast, PCID +patched +- +90\n")
        self.assertRegex(places, r"KVM +1 +8\nmovw_fast +stock +70 +60\n"
                                 r"movw_fast +patched +70 +60$")

    def test_address_spaces_are_told_while_it_runs(self):
        self.rounds({"address_spaces": 16, "pcid": True}, {"places": 8})
        self.assertIn("movw_fast, 1 spread: 70", self.said.getvalue())
        self.assertIn("movw_fast, 1 spread, 16 address spaces with PCIDs:", self.said.getvalue())
        self.assertIn("movw_fast, 1 spread, 8 places:", self.said.getvalue())

    def test_no_tables_of_what_was_not_measured(self):
        text = table.render(self.both())
        for words in ("other stores", "no doorbell", "address spaces", "places of code"):
            self.assertNotIn(words, text)

    def test_growth_is_of_one_address_space(self):
        text = self.figures(ioeventfds=16, median=105, address_spaces=2)
        self.assertNotIn("among others", text)

    def test_other_exits_are_compared_with_stock(self):
        lines = [json.dumps({"case": case, **FIGURE}) for case in ("outw", "out_pic", "movw_off")]
        more = json.dumps({"case": "out_pic", **FIGURE, "median": 110})
        text = table.render(self.results("kvm stock", *lines, "kvm patched", lines[0], more))
        seed, others = text.split("other stores that ring")
        self.assertNotIn("out_pic", seed)
        self.assertRegex(others, r"movw_off +feature turned off, DATAMATCH +100 \(90\) +- +-\n")
        self.assertRegex(others, r"out_pic +out, to KVM's PIC +100 \(90\) +110 \(90\) +1\.100$")

    def test_values_are_beside_what_only_signals(self):
        lines = [json.dumps({"case": case, **FIGURE, "median": median})
                 for case, median in (("movw", 100), ("movw_post", 121), ("movw_post_only", 63))]
        text = table.render(self.results("kvm patched", *lines))
        self.assertRegex(text, r"movw_post +to the slot, signalled +- +121 \(90\) +\+21\n")
        self.assertRegex(text, r"movw_post_only +to the slot +- +63 \(90\) +-37\n")

    def test_no_values_without_a_way_to_hand_them_over(self):
        text = table.render(self.results("kvm stock", *(
            json.dumps({"case": case, **FIGURE}) for case in ("outw", "out_coalesced"))))
        self.assertNotIn("where the value goes", text)

    def test_device_has_ring_and_trip(self):
        lines = [json.dumps({"case": case, **FIGURE, "median": median}) for case, median in
                 (("device_relayed_ring", 70), ("device_relayed_trip", 90))]
        text = table.render(self.results("kvm stock", *lines))
        self.assertRegex(text, r"device_relayed +message by the VMM +70 \(90\) +90 \(90\) +- +-\n")

    def test_first_vcpu_is_no_registration(self):
        row = {**SCALE, "operation": "create", "case": "first_vcpu", "ioeventfds": 16,
               "total": 640, "lab": "amd", "kvm": "stock"}
        text = self.scale_text([row])
        self.assertRegex(text, r"first vCPU, created after")
        self.assertRegex(text, r"first_vcpu +spread +stock +640")

    def test_no_line_is_longer_than_100_columns(self):
        lines = [json.dumps({"case": case, **FIGURE, "median": 99999, "min": 99999, **some})
                 for case in (*table.CASES, *table.OTHER_STORES, *table.NO_DOORBELLS)
                 for some in ({}, {"address_spaces": 1024, "pcid": True}, {"address_spaces": 2},
                              {"address_spaces": 64}, {"address_spaces": 128}, {"places": 1024},
                              {"ioeventfds": 256}, {"ioeventfds": 4096, "layout": "same"})]
        lines += [json.dumps({"case": case + suffix, **FIGURE, "median": 99999, "min": 99999})
                  for case in ("movw_wildcard", "hc_mmio_write", "l2_movw", "l2_movw_fast")
                  for suffix in ("_listener", "_wake")]
        lines += [json.dumps({"case": case, **FIGURE, "median": 99999, "min": 99999})
                  for case in (*(case for case in table.POSTS if "_post" in case),
                               *(case + suffix for case in table.DEVICES
                                 for suffix in ("_ring", "_trip")))]
        lines += [json.dumps({**SCALE, "operation": "create", "case": "first_vcpu",
                              "ioeventfds": count, "total": 9999999})
                  for count in (0, 1, 16, 256, 4096)]
        lines += [json.dumps({**SCALE, "case": case, "ioeventfds": count, "zones": zones,
                              "per_operation": 9999999})
                  for case, zones in (("mmio_wildcard", 0), ("zone", 990))
                  for count in (1, 16, 256, 2000, 4096)]
        rows = self.results("kvm stock", *lines, "kvm patched", *lines)
        rows = [{**row, "kernel": "6.12.117+deb12-cloud-amd64", "lab": "intel"} for row in rows]
        text = table.render(rows, self.scale)
        self.assertGreater(len(text.splitlines()), 100)
        self.assertLessEqual(max(map(len, text.splitlines())), 100)
        self.assertLessEqual(max(map(len, self.said.getvalue().splitlines())), 100)

    def test_one_label_never_stands_for_two_figures(self):
        more = [{"zones": 100}, {"zones": 990}, {"ringing_vcpus": 2}, {"operation": "remove"},
                {"layout": "same"}, {"ioeventfds": 16}]
        doorbells = [{"address_spaces": 2}, {"address_spaces": 2, "pcid": True}, {"places": 16},
                     {"layout": "same"}, {"ioeventfds": 16}]
        self.results("kvm stock", *(json.dumps({**SCALE, **some}) for some in ({}, *more)),
                     *(json.dumps({"case": "outw", **FIGURE, **some}) for some in ({}, *doorbells)))
        labels = [line.rsplit(":", 1)[0] for line in self.said.getvalue().splitlines()]
        self.assertEqual(len(labels), len(more) + len(doorbells) + 2)
        self.assertEqual(len(set(labels)), len(labels))

    def test_progress_is_told(self):
        self.results("kvm stock", "part many 2 of 7")
        self.assertRegex(self.said.getvalue(),
                         r"amd: stock: part 2 of 7, many; 0 s so far, about \d min to go")

    def rows_of_host(self, folder, script):
        """bench.json after a run of SCRIPT instead of the benchmark, and what was said."""
        (folder / "script").write_text(script)
        with mock.patch.object(bench, "SCRIPT", folder / "script"), \
                mock.patch.object(bench, "host_kvm", lambda: self.kvm), \
                contextlib.redirect_stderr(io.StringIO()), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            try:
                bench.bench([str(folder), str(folder), "host"])
                failed = ""
            except JobError as error:
                failed = str(error)
        return json.loads((folder / "bench.json").read_text()), said.getvalue(), failed

    def test_host_keeps_the_other_kvm_and_what_a_failure_left(self):
        line = json.dumps({"case": "outw", **FIGURE, "unit": "cycles"})
        with tempfile.TemporaryDirectory() as tmp:
            self.kvm = "stock"
            rows, _, failed = self.rows_of_host(Path(tmp), f"echo '{line}'")
            self.assertEqual(([row["kvm"] for row in rows], failed), (["stock"], ""))
            self.kvm = "patched"
            rows, said, failed = self.rows_of_host(
                Path(tmp), f"echo '{line}'; echo no memory >&2; exit 3")
            self.assertEqual([row["kvm"] for row in rows], ["stock", "patched"])
            self.assertRegex(said, r"outw +port +1737 +100 \(90\) +1.00 +100 \(90\) +1.00")
            self.assertRegex(failed, "failed: no memory; the figures above are what it came to")

    def scale_text(self, rows):
        return "\n".join("\n".join(lines) for lines in table.scale_tables(rows))

    def test_registration_is_no_doorbell(self):
        more = {**SCALE, "ioeventfds": 16, "per_operation": 50}
        self.assertEqual(self.results("kvm stock", json.dumps(SCALE), json.dumps(more)), [])
        self.assertEqual(self.scale[0]["lab"], "amd")
        self.assertRegex(self.scale_text(self.scale), r"pio +spread +stock +40 +50\n")

    def test_what_comes_at_once_has_a_table_of_its_own(self):
        rows = [dict(SCALE, lab="amd", kvm="patched", ioeventfds=16, **more)
                for more in ({"total": 640}, {"total": 77, "at_once": True})]
        one_by_one, at_once = "\n".join(line for some in table.scale_tables(rows)
                                        for line in some).split("in one call")
        self.assertRegex(one_by_one, r"pio +spread +patched +40")
        self.assertRegex(at_once, r"pio +spread +patched +77")

    def test_zones_have_a_line_for_each_number(self):
        zones = [{**SCALE, "case": "zone", "ioeventfds": count, "zones": 990,
                  "per_operation": 50 + count} for count in (0, 256)]
        text = self.scale_text([dict(row, lab="amd", kvm="stock") for row in (SCALE, *zones)])
        self.assertRegex(text, r"990 zones +spread +stock +50 +306")
        self.assertRegex(text, r"pio +spread +stock +40")

    def test_unknown_lab(self):
        with self.assertRaisesRegex(JobError, "LAB=foo"):
            bench.bench([".", ".", "foo"])


class ProgressTest(unittest.TestCase):
    def test_what_is_left_follows_from_what_is_done(self):
        clock = iter([0, 20, 50])
        progress = Progress({"cases": 10, "many": 40}, lambda: next(clock))
        self.assertEqual(progress.begin("cases"), "0 s so far, about 2 min to go")
        # The first part took twice its 10 seconds.
        self.assertEqual(progress.begin("many"), "20 s so far, about 3 min to go")
        # 50 of 100 are expected by now, 50 it took.
        self.assertEqual(progress.begin("cases"), "50 s so far, about 50 s to go")

    def test_nothing_is_guessed_of_a_machine_that_nobody_knows(self):
        clock = iter([0, 65])
        progress = Progress({}, lambda: next(clock))
        progress.begin("cases")
        self.assertEqual(progress.begin("many"), "65 s so far")


if __name__ == "__main__":
    unittest.main()
