# SPDX-License-Identifier: GPL-2.0-only
"""This draws what a doorbell costs, and how that grows, from the benchmark's figures.

Both panels of a picture have one scale, and say that their machine is emulated: its
figures are instructions, and those of others have units that don't compare.
"""
import re
import subprocess

from pvmmio.console import JobError, say
from pvmmio.jobs.bench import table
from pvmmio.lab.known import MACHINES

LABS = {name: machine.TITLE for name, machine in MACHINES.items()}
# A legend has these names for them.
WAYS = {
    "outw": "port", "movw": "store, DATAMATCH", "movw_wildcard": "store, length 0",
    "hc_mmio_write": "hypercall", "movw_fast": "fixed instruction",
}
COLOURS = {"stock": "#b0b0b0", "patched": "#1f6fb4"}
LINES = ("#1f6fb4", "#d95f02", "#7570b3", "#1b9e77", "#a6761d")
TAG = "<!-- SPDX-License-Identifier: GPL-2.0-only -->"
BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)
NOT_MEASURED = "NaN"

# Lines that are closer than this would hide each other, so one stands for all of them.
CLOSE = 0.02

HEAD = """
set terminal svg size {width},{height} noenhanced font "sans-serif,13" background "white"
set encoding utf8
set multiplot layout 1,{panels} title "{title}\\nLinux {kernel}, emulated machines, \
median of {samples} samples or more"
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set ylabel "{unit}"
set key outside below
"""


def median_of(rows, **wanted):
    for row in rows:
        if all(row[name] == value for name, value in wanted.items()):
            return row["median"]
    return NOT_MEASURED


def head(rows, title, height):
    some = rows[0]
    return HEAD.format(width=1200, height=height, panels=len(LABS), unit=some["unit"],
                       samples=min(row["samples"] for row in rows),
                       kernel=some["kernel"], title=title)


def value_label(place, side, value):
    """Return the label above a bar, its figure or "n/a"; SIDE is -1 for the left bar of a pair."""
    known = value != NOT_MEASURED
    # If the other bar of the pair is higher, there is room on this bar's outer side only.
    where, align = (place - 1 / 6, "center") if side < 0 else (place + 0.03, "left")
    return (f"set label \"{value if known else 'n/a'}\" at first {where:.4f},"
            f"{value if known else 0} {align} offset 0,0.5 font \",10\" front\n")


def bars(rows):
    """Draw a pair of bars, stock and patched, for each way to ring one ioeventfd."""
    rows = [row for row in rows if row["ioeventfds"] == 1]
    script = head(rows, "One doorbell, as the guest waits for it", 520)
    script += (f"set yrange [0:{1.1 * max(row['median'] for row in rows):.0f}]\n"
               "set style data histogram\nset style histogram clustered gap 1\n"
               "set style fill solid border -1\nset xtics rotate by -25\n"
               "set lmargin 10\nset rmargin 8\nset bmargin 8\n")
    for lab, name in LABS.items():
        script += f"unset label\nset title \"{name}, emulated\"\n"
        lines = ""
        for place, (case, way) in enumerate(WAYS.items()):
            values = [median_of(rows, lab=lab, case=case, kvm=kvm) for kvm in COLOURS]
            lines += f"\"{way}\" {values[0]} {values[1]}\n"
            script += value_label(place, -1, values[0]) + value_label(place, 1, values[1])
        plots = ", ".join(f"$data using {index + 2}:xtic(1) title \"{kvm}\""
                          f" lc rgb \"{colour}\""
                          for index, (kvm, colour) in enumerate(COLOURS.items()))
        script += f"$data << END\n{lines}END\nplot {plots}\n"
    return script + "unset label\n"


def are_close(some, others):
    """Say whether two lines, lists of values, can't be told apart in the picture."""
    return all(one == other or (NOT_MEASURED not in (one, other)
                                and abs(one - other) <= CLOSE * max(one, other))
               for one, other in zip(some, others))


def growth_lines(rows, counts):
    """Return (ways, KVM, values by number of ioeventfds) of each line that can be told apart."""
    lines = []
    for kvm in COLOURS:
        for case in WAYS:
            values = [median_of(rows, case=case, kvm=kvm, ioeventfds=count) for count in counts]
            if set(values[1:]) <= {NOT_MEASURED}:
                continue
            line = next((line for line in lines
                         if line[1] == kvm and are_close(line[2], values)), None)
            if line:
                line[0].append(case)
            else:
                lines.append(([case], kvm, values))
    return lines


def growth(rows):
    """Draw a line for each way that was measured among many ioeventfds."""
    rows = [row for row in rows if row["layout"] == "spread"]
    counts = sorted({row["ioeventfds"] for row in rows})
    medians = [row["median"] for row in rows]
    script = head(rows, "One doorbell among others, each at its own address", 640)
    # Each panel has its own legend below it, where all lines find room.
    script += ("set bmargin 12\nset lmargin 10\nset rmargin 4\nset key at graph -0.1, graph -0.16"
               " top left Left reverse maxcols 1 font \",11\"\nset logscale xy\n"
               f"set yrange [{min(medians) / 1.2:.0f}:{max(medians) * 1.2:.0f}]\n"
               f"set xlabel \"ioeventfds\"\nset xtics ({', '.join(map(str, counts))})\n")
    for lab, name in LABS.items():
        lines = growth_lines([row for row in rows if row["lab"] == lab], counts)
        script += f"set title \"{name}, emulated\"\n$data << END\n"
        for index, count in enumerate(counts):
            script += " ".join([str(count), *(str(values[index]) for *_, values in lines)]) + "\n"
        plots = ", ".join(f"$data using 1:{index + 2} with linespoints pt 7 ps 0.5 lw 2"
                          f" lc rgb \"{LINES[list(WAYS).index(cases[0])]}\""
                          f" dt {1 if kvm == 'patched' else 3}"
                          f" title \"{kvm}: {'; '.join(WAYS[case] for case in cases)}\""
                          for index, (cases, kvm, _) in enumerate(lines))
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
    # checkpatch wants this, and the pictures are part of the series.
    partial.write_text(first + newline + TAG + "\n" + BLANKS.sub("", rest))
    partial.rename(path)
    say(f"picture: {path}")


def draw_all(rows, folder):
    """Draw both pictures into FOLDER, of the ordinary figures without listeners."""
    rows = [row for row in rows if row["case"] in WAYS and table.is_ordinary(row)]
    draw(bars(rows), folder / "pv-mmio-doorbells.svg")
    draw(growth(rows), folder / "pv-mmio-growth.svg")
