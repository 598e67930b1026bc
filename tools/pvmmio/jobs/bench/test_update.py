# SPDX-License-Identifier: GPL-2.0-only
"""Figures come into the documentation if they are whole and of these sources, or not at all."""
import contextlib
import io
import json
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pvmmio import REPO
from pvmmio.console import JobError
from pvmmio.jobs.bench import origin, page, update

RELEASE = "6.12.1-test"
SAME = {"kernel": RELEASE, "tree": origin.tree()}


def row(lab, kvm, case, **more):
    return {"lab": lab, "kvm": kvm, "case": case, "ioeventfds": 1, "min": 7, "median": 10,
            "samples": 512, "unit": "instructions", "layout": "spread", **SAME, **more}


BENCH = [row(lab, kvm, case, **more) for lab in ("intel", "amd") for kvm in ("stock", "patched")
         for case, more in (("outw", {}), ("outw", {"ioeventfds": 16}),
                            ("movw_listener", {"median": 15}), ("movw_wake", {}),
                            ("out_pic", {}), ("movw", {"median": 1111}),
                            ("outw", {"address_spaces": 64, "median": 99}),
                            ("outw", {"places": 32, "median": 88}))]
SCALE = [{"lab": lab, "kvm": kvm, "operation": "register", "case": "mmio", "layout": "spread",
          "ioeventfds": 16, "ringing_vcpus": 0, "total": 160, "per_operation": 10,
          "unit": "TSC ticks", **SAME} for lab in ("intel", "amd") for kvm in ("stock", "patched")]
PROFILE = [{"lab": "amd", "case": "outw", "total": 4, "steps": {"SRCU": 3, "turned on": 1},
            "costly": {"locked": 2}, **SAME}]
README = f"# Title\n\n{update.BEGIN}old\n{update.END}\nThe end\n"


class UpdateTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.pages = self.folder / update.PAGES
        self.pages.mkdir(parents=True)
        (self.folder / "README.md").write_text(README)
        (self.folder / "release").write_text(RELEASE + "\n")
        self.put()

    # pylint: disable-next=dangerous-default-value
    def put(self, bench=BENCH, scale=SCALE, profile=PROFILE):
        for name, rows in (("bench", bench), ("scale", scale), ("profile", profile)):
            (self.folder / f"{name}.json").write_text(
                rows if isinstance(rows, str) else json.dumps(rows))

    def update(self):
        with contextlib.redirect_stderr(io.StringIO()):
            return update.update([str(self.folder)] * 3)

    def assert_refused(self, words, **figures):
        self.put(**figures)
        with self.assertRaisesRegex(JobError, rf"\A[^\n]*{words}[^\n]*make bench[^\n]*\Z"):
            self.update()
        self.assertEqual((self.folder / "README.md").read_text(), README)
        self.assertEqual(list(self.pages.iterdir()), [])

    def test_page_has_each_table(self):
        self.assertEqual(self.update(), 0)
        text = (self.pages / page.NAME).read_text()
        for line in (r"intel: Linux 6.12.*", r"    outw +port +1737 +10 \(7\)",
                     r"amd: to register one ioeventfd.*", r"    SRCU +3",
                     r"amd: exits that are no doorbell.*::", r"    outw +patched +10 +99",
                     r"intel: one doorbell by number of places.*", r"    outw +stock +10 +88"):
            self.assertRegex(text, f"(?m)^{line}$" if line.endswith("88") else f"(?m)^{line}")
        self.assertEqual(list(self.folder.rglob("*.partial")), [])
        self.assertLessEqual(max(map(len, text.splitlines())), 104)

    def test_pictures_are_drawn(self):
        self.update()
        self.assertEqual(sorted(path.suffix for path in self.pages.iterdir()),
                         [".rst", ".svg", ".svg"])

    def test_readme_has_the_rows_and_all_else_as_before(self):
        self.update()
        text = (self.folder / "README.md").read_text()
        self.assertIn("| `movw` | store, DATAMATCH | 4341 | 1111 | 1111 | 1111 | 1111 |\n", text)
        self.assertIn("| `hc_mmio_write` | hypercall that rings | 1566 | n/a |", text)
        self.assertIn("`movw` takes 15 on stock and 15 on patched Intel, 15 on stock and", text)
        left = re.sub(r"\|.*\|\n|\nWith a thread.*\n", "", text)
        self.assertEqual(left, README.replace("old\n", ""))

    def test_readme_without_marks(self):
        (self.folder / "README.md").write_text("# Title\n")
        with self.assertRaisesRegex(JobError, "the marks around its figures"):
            self.update()

    def test_missing_and_broken_figures(self):
        for name in ("bench", "scale", "profile"):
            for bad in ("", "[", "[1]", "{}", '{"lab": "amd"}'):
                self.assert_refused(f"{name}.json: these are no figures", **{name: bad})
            self.put()
            (self.folder / f"{name}.json").unlink()
            with self.assertRaisesRegex(JobError, f"{name}.json is missing; run 'make bench'"):
                self.update()

    def test_part_of_the_figures(self):
        for lab in ("intel", "amd"):
            self.assert_refused(f"no figure of one ioeventfd for {lab}",
                                bench=[row for row in BENCH if row["lab"] != lab])
            self.assert_refused(f"scale.json has no figure for {lab}, patched", scale=[
                row for row in SCALE if (row["lab"], row["kvm"]) != (lab, "patched")])
        for what, has in update.PARTS.items():
            self.assert_refused(f"no figure of {what} for amd, stock", bench=[
                row for row in BENCH
                if row["lab"] == "intel" or row["kvm"] == "patched" or not has(row)])

    def test_other_sources_and_other_kernels(self):
        for name, rows in (("bench", BENCH), ("scale", SCALE), ("profile", PROFILE)):
            other = {**rows[-1], "tree": "0123456789ab"}
            self.assert_refused(f"{name}.json: measured with other sources",
                                **{name: [*rows[:-1], other]})
            other = {**rows[-1], "kernel": "6.12.0"}
            self.assert_refused(f"measured on Linux 6.12.0, but {RELEASE} is built",
                                **{name: [*rows[:-1], other]})

    def test_figures_from_before_sources_had_a_name(self):
        self.assert_refused("other sources", bench=[
            {name: value for name, value in row.items() if name != "tree"} for row in BENCH])

    def test_nothing_built(self):
        (self.folder / "release").unlink()
        with self.assertRaisesRegex(JobError, "no kernel is built there; run 'make bench'"):
            self.update()


class CommittedTest(unittest.TestCase):
    """README as it is."""

    def test_figures_are_those_of_the_page(self):
        text = (REPO / "README.md").read_text()
        table = text.partition(update.BEGIN)[2].partition(update.END)[0]
        told = (REPO / update.PAGES / page.NAME).read_text()
        rows = re.findall(r"^\| `(\w+)` \|.*\| (\S+) \| (\S+) \| (\S+) \| (\S+) \|$", table,
                          re.MULTILINE)
        self.assertEqual([name for name, *_ in rows], list(update.ROWS))
        for name, *medians in rows:
            for lab, (stock, patched) in (("intel", medians[:2]), ("amd", medians[2:])):
                first = told.split(f"\n{lab}: Linux ")[1].split("\n\n")[1]
                line = next(line for line in first.splitlines() if line.split()[0] == name)
                for median in {stock, patched} - {"n/a"}:
                    self.assertRegex(line, rf" {median} \(")

    def test_readme_has_90_lines_at_most(self):
        self.assertLessEqual(len((REPO / "README.md").read_text().splitlines()), 90)


class OriginTest(unittest.TestCase):
    def test_each_change_makes_another_name(self):
        with tempfile.TemporaryDirectory() as tmp:
            for name in ("arch/a.c", "virt/b.c"):
                (Path(tmp) / name).parent.mkdir()
                (Path(tmp) / name).write_text("int x;\n")
            with mock.patch.object(origin, "REPO", Path(tmp)), \
                    mock.patch.object(origin, "SCRIPTS", []):
                names = [origin.tree()]
                (Path(tmp) / "arch/a.c").write_text("int y;\n")
                names.append(origin.tree())
                (Path(tmp) / "arch/a.c").rename(Path(tmp) / "arch/c.c")
                names.append(origin.tree())
                (Path(tmp) / "Documentation").mkdir()
                (Path(tmp) / "Documentation/page.rst").write_text("Text\n")
                self.assertEqual(origin.tree(), names[-1])
        self.assertEqual(len(set(names)), 3)


if __name__ == "__main__":
    unittest.main()
