# SPDX-License-Identifier: GPL-2.0-only
"""Draw what a doorbell costs, and how that grows, from the benchmark's figures.

usage: picture.py BENCH.JSON FOLDER

Writes pv-mmio-doorbells.svg and pv-mmio-growth.svg to FOLDER, if the figures are
those of both emulated machines: others have units that don't compare.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

from pvmmio.console import JobError, main, say
from pvmmio.jobs.bench import table
from pvmmio.lab.known import MACHINES

LABS = {name: machine.TITLE for name, machine in MACHINES.items()}
# How a legend calls them.
WAYS = {
    "outw": "port", "movw": "store, DATAMATCH", "movw_wildcard": "store, length 0",
    "hc_mmio_write": "hypercall", "movw_fast": "fixed instruction",
}
COLOURS = {"stock": "#b0b0b0", "patched": "#1f6fb4"}
LINES = ("#1f6fb4", "#d95f02", "#7570b3", "#1b9e77", "#a6761d")
TAG = "<!-- SPDX-License-Identifier: GPL-2.0-only -->"
BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)
NOT_MEASURED = "NaN"

HEAD = """
set terminal svg size {width},{height} noenhanced font "sans-serif,13" background "white"
set encoding utf8
set multiplot layout 1,{panels} title "{title}\\nLinux {kernel}, median of {samples} samples or more"
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set yrange [0:*]
set ylabel "{unit}"
set key outside below
"""


def median_of(rows, **wanted):
    for row in rows:
        if all(row[name] == value for name, value in wanted.items()):
            return row["median"]
    return NOT_MEASURED


def head(rows, title):
    some = rows[0]
    return HEAD.format(width=1000, height=520, panels=len(LABS), unit=some["unit"],
                       samples=min(row["samples"] for row in rows),
                       kernel=some["kernel"], title=title)


def bars(rows):
    """One ioeventfd: a pair of bars for each way, stock and patched."""
    script = head(rows, "One doorbell, as the guest waits for it")
    script += ("set style data histogram\nset style histogram clustered gap 1\n"
               "set style fill solid border -1\nset xtics rotate by -25\n")
    for lab, name in LABS.items():
        script += f"set title \"{name}\"\n$data << END\n"
        for case, way in WAYS.items():
            values = [median_of(rows, lab=lab, case=case, kvm=kvm, ioeventfds=1)
                      for kvm in COLOURS]
            script += f"\"{way}\" {values[0]} {values[1]}\n"
        plots = ", ".join(f"$data using {index + 2}:xtic(1) title \"{kvm}\""
                          f" lc rgb \"{colour}\""
                          for index, (kvm, colour) in enumerate(COLOURS.items()))
        script += f"END\nplot {plots}\n"
    return script


def growth(rows):
    """A line for each way that was measured among many ioeventfds."""
    rows = [row for row in rows if row["layout"] == "spread"]
    counts = sorted({row["ioeventfds"] for row in rows})
    columns = [(case, kvm) for case in WAYS for kvm in COLOURS
               if any(row["case"] == case and row["kvm"] == kvm and row["ioeventfds"] > 1
                      for row in rows)]
    script = head(rows, "One doorbell among others, each at its own address;"
                        " dotted is stock, solid is patched")
    script += ("set key maxrows 2\nset logscale xy\nset yrange [500:*]\nset xlabel \"ioeventfds\"\n"
               f"set xtics ({', '.join(map(str, counts))})\n")
    for lab, name in LABS.items():
        script += f"set title \"{name}\"\n$data << END\n"
        for count in counts:
            values = [median_of(rows, lab=lab, case=case, kvm=kvm, ioeventfds=count)
                      for case, kvm in columns]
            script += " ".join(map(str, [count, *values])) + "\n"
        # Both lines of a way have its colour, and one entry: the legend is to stay small.
        plots = ", ".join(f"$data using 1:{index + 2} with linespoints pt 7 ps 0.5 lw 2"
                          f" lc rgb \"{LINES[list(WAYS).index(case)]}\" " +
                          (f"dt 1 title \"{WAYS[case]}\"" if kvm == "patched"
                           else "dt 3 notitle")
                          for index, (case, kvm) in enumerate(columns))
        script += f"END\nplot {plots}\n"
    return script


def draw(script, path):
    try:
        run = subprocess.run(["gnuplot"], input=script + "unset multiplot\n", text=True,
                             capture_output=True, check=False)
    except FileNotFoundError:
        raise JobError("gnuplot is missing; run 'make packages'") from None
    first, newline, rest = run.stdout.partition("\n")
    if run.returncode or not first.startswith("<?xml") or not rest.rstrip().endswith("</svg>"):
        why = run.stderr.strip().splitlines() or ["it drew nothing"]
        raise JobError(f"gnuplot failed: {why[-1].strip()}")
    partial = path.with_suffix(".partial")
    # For checkpatch, as the pictures are part of the series.
    partial.write_text(first + newline + TAG + "\n" + BLANKS.sub("", rest))
    partial.rename(path)
    say(f"picture: {path}")


def comparable(rows):
    """The ordinary figures without listeners, if both machines have measured both sets."""
    rows = [row for row in rows if row["case"] in WAYS and table.is_ordinary(row)]
    measured = {(row["lab"], row["kvm"]) for row in rows}
    same = {(row["kernel"], row["unit"]) for row in rows}
    complete = measured == {(lab, kvm) for lab in LABS for kvm in COLOURS}
    return rows if complete and len(same) == 1 else []


def picture(argv):
    source, folder = Path(argv[0]), Path(argv[1])
    try:
        rows = comparable(json.loads(source.read_text()))
    except (ValueError, KeyError, TypeError):
        raise JobError(f"{source}: these are no figures; run 'make bench' again") from None
    if not rows:
        say("pictures: left as they are, they are drawn when both emulated machines are"
            " measured ('make bench')")
        return 0
    draw(bars(rows), folder / "pv-mmio-doorbells.svg")
    draw(growth(rows), folder / "pv-mmio-growth.svg")
    return 0


if __name__ == "__main__":
    main(picture, sys.argv[1:], (2,), __doc__)
