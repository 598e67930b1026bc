# SPDX-License-Identifier: GPL-2.0-only
"""Bring the figures of a run of "make bench" into the documentation.

usage: update.py BUILT RESULTS REPO

RESULTS has bench.json, scale.json and profile.json.  Writes the page of costs and the
pictures below REPO, and the rows of README's table.  Nothing is written unless the
figures are whole, and of the kernel in BUILT and of the sources as they are.
"""
import json
import sys
from pathlib import Path

from pvmmio.console import JobError, main, say
from pvmmio.jobs.bench import origin, page, picture, table
from pvmmio.lab.known import MACHINES

PAGES = "Documentation/virt/kvm/x86"
# README has a row for each of these: how the guest rings, and which case that is.
ROWS = ("movw", "movw_wildcard", "outw", "hc_mmio_write")
BEGIN = "<!-- figures: written by make update-docs -->\n"
END = "<!-- end of figures -->\n"
HEAD = (
    "| case | how the guest rings | 2013, cycles | Intel stock | Intel patched | AMD stock |"
    " AMD patched |\n|---|---|---:|---:|---:|---:|---:|\n")
# The page has a table of each of these: a name, and which rows of bench.json it takes.
PARTS = {
    "one ioeventfd": lambda row: row["case"] in ROWS and row["ioeventfds"] == 1,
    "many ioeventfds": lambda row: row["ioeventfds"] > 1,
    "a listener": lambda row: row["case"].endswith("_wake"),
    "address spaces": lambda row: table.of(row, "address_spaces") > 1,
    "places of code": lambda row: table.of(row, "places") > 1,
}


def load(path):
    try:
        rows = json.loads(path.read_text())
        # This raises an error if the file has no list of objects.
        if not [row["lab"] for row in rows]:
            raise ValueError("no rows")
        return rows
    except FileNotFoundError:
        raise JobError(f"{path} is missing; run 'make bench'") from None
    except (ValueError, KeyError, TypeError):
        raise JobError(f"{path}: these are no figures; run 'make bench' again") from None


def check_origin(path, rows, release):
    """Refuse ROWS that are of other sources, or of another kernel than is built."""
    for row in rows:
        if row.get("tree") != origin.tree():
            raise JobError(f"{path}: measured with other sources than these; run 'make bench'"
                           " again")
        if row["kernel"] != release:
            raise JobError(f"{path}: measured on Linux {row['kernel']}, but {release} is built;"
                           " run 'make bench' again")


def missing(rows, scale, steps):
    """Return what a whole run has, and these figures haven't."""
    for lab in MACHINES:
        for kvm in table.SETS:
            for what, has in PARTS.items():
                if not any(row["lab"] == lab and row["kvm"] == kvm and has(row) for row in rows):
                    return f"bench.json has no figure of {what} for {lab}, {kvm}"
            if not any(row["lab"] == lab and row["kvm"] == kvm for row in scale):
                return f"scale.json has no figure for {lab}, {kvm}"
    return "" if steps else "profile.json has no figure"


def readme_rows(rows):
    found = {(row["lab"], row["kvm"], row["case"]): row["median"] for row in rows
             if row["ioeventfds"] == 1 and table.is_ordinary(row)}
    for case in ROWS:
        how, in_2013 = table.CASES[case]
        cells = [str(found.get((lab, kvm, case), "n/a")) for lab in MACHINES for kvm in table.SETS]
        yield f"| `{case}` | {how} | {' | '.join([str(in_2013 or ''), *cells])} |\n"


def listener_line(rows):
    """Return a sentence that says what waking a thread adds."""
    found = {(row["lab"], row["kvm"]): row["median"] for row in rows
             if row["case"] == "movw_listener" and table.is_ordinary(row)}
    cells = [f"{found.get((lab, 'stock'), 'n/a')} on stock and {found.get((lab, 'patched'), 'n/a')}"
             f" on patched {machine.TITLE}" for lab, machine in MACHINES.items()]
    return f"\nWith a thread asleep on the eventfd `movw` takes {', '.join(cells)}.\n"


def readme(text, rows):
    """Return README's TEXT with the figures of ROWS."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise JobError("README.md: the marks around its figures are gone")
    return "".join([before, BEGIN, HEAD, *readme_rows(rows), listener_line(rows), END, after])


def replace(path, text):
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.rename(path)
    say(f"written: {path}")


def update(argv):
    built, results, repo = map(Path, argv)
    try:
        release = (built / "release").read_text().strip()
    except FileNotFoundError:
        raise JobError(f"{built}: no kernel is built there; run 'make bench'") from None
    rows, scale, steps = (load(results / f"{name}.json") for name in ("bench", "scale", "profile"))
    for name, some in (("bench", rows), ("scale", scale), ("profile", steps)):
        check_origin(results / f"{name}.json", some, release)
    lacks = missing(rows, scale, steps)
    if lacks:
        raise JobError(f"{results}: {lacks}; run 'make bench' for both machines")
    text = readme((repo / "README.md").read_text(), rows)
    picture.draw_all(rows, repo / PAGES)
    replace(repo / PAGES / page.NAME, page.text(rows, scale, steps))
    replace(repo / "README.md", text)
    return 0


if __name__ == "__main__":
    main(update, sys.argv[1:], (3,), __doc__)
