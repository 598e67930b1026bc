# SPDX-License-Identifier: GPL-2.0-only
"""Write the page of what doorbells cost on hardware, from files that sticks brought home.

usage: hardware.py FOLDER [FILE...]

Each FILE, a results.json of a stick's, is added to those in machines/; the page
pv-mmio-hardware.rst and its picture in FOLDER are of all of them.
"""
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

from pvmmio.console import JobError, main, say
from pvmmio.jobs.bench import picture, table
from pvmmio.jobs.stick.host import FORMAT

MACHINES = Path(__file__).with_name("machines")
NAME, PICTURE = "pv-mmio-hardware.rst", "pv-mmio-hardware.svg"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FACTS = ("CPU", "family, model, stepping", "microcode", "kernel", "hypervisor", "TSC",
         "turbo", "frequency driver")
CASES = {**{name: how for name, (how, _) in table.CASES.items()}, **table.OTHER_STORES,
         **table.NO_DOORBELLS}

HEAD = """\
.. SPDX-License-Identifier: GPL-2.0
.. Written by "make results": change tools/pvmmio/jobs/stick/hardware.py instead.

===============================
What a doorbell costs, hardware
===============================

"""
NONE = """\
Nobody has measured hardware yet.

"""
HOW = """\
To add a machine, boot it from the image that ``make stick`` builds. Nothing is installed and no
disk of the machine is touched; ten minutes later the stick has a folder for that boot in
``results``. From the file in there, ``make results FILES=results.json`` adds a column here.
"""
MEANING = """\
Cycles of the TSC around one access, in the guest: the lower of two rounds' medians, stock and
patched modules measured in turns on one CPU. The ratio is to the same machine's stock. 2013 is
the proposal on the mailing list, on a machine of its time.
"""
PLOT = """\
set terminal svg size 1000,520 noenhanced font "sans-serif,13" background "white"
set encoding utf8
set title "One doorbell with our KVM, by stock KVM on the same machine"
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set yrange [0:*]
set style data histogram
set style histogram clustered gap 1
set style fill solid border -1
set key outside below
"""


def load(path):
    """What a stick wrote, if it has measured both sets of modules."""
    try:
        result = json.loads(path.read_text())
        rows = ordinary(result["rows"])
    except OSError as error:
        raise JobError(f"FILES={path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise JobError(f"FILES={path}: that is no results.json of a stick's") from None
    if result.get("format") != FORMAT:
        raise JobError(f"FILES={path}: its format is {result.get('format')}, not {FORMAT}")
    if {row["kvm"] for row in rows} != {"stock", "patched"}:
        raise JobError(f"FILES={path}: it has no figures of both stock and patched KVM;"
                       f" {'; '.join(result.get('refused', ())) or 'see its results.txt'}")
    return result


def ordinary(rows):
    return [row for row in rows if "skipped" not in row and row["ioeventfds"] == 1
            and table.is_ordinary(row) and row["case"] in CASES]


def add(path):
    """Keep the file PATH among the machines, by a name that says which CPU it is."""
    cpu = load(path)["machine"].get("CPU", "unknown")
    name = re.sub(r"\W+", "-", cpu.replace("(R)", "").replace("(TM)", "")).strip("-").lower()
    mark = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    MACHINES.mkdir(exist_ok=True)
    shutil.copy(path, MACHINES / f"{name}-{mark}.json")
    say(f"added: {MACHINES / name}-{mark}.json")


def lower(result):
    """{(case, KVM): the lower of the rounds' medians}."""
    found = {}
    for row in ordinary(result["rows"]):
        key = row["case"], row["kvm"]
        found[key] = min(row["median"], found.get(key, row["median"]))
    return found


def cells(found, case):
    stock, patched = found.get((case, "stock")), found.get((case, "patched"))
    ratio = f"{patched / stock:.2f}" if stock and patched else "-"
    return str(stock or "-"), str(patched or "-"), ratio


def figures(results):
    """A line for each case, three columns for each machine."""
    found = [lower(result) for result in results]
    head = ["case", "what it is", "2013"]
    for letter, _ in zip(LETTERS, results):
        head += [f"{letter} stock", f"{letter} patched", "ratio"]
    lines = [head]
    for case, how in CASES.items():
        if any(case == key[0] for some in found for key in some):
            seed = str(table.CASES.get(case, ("", None))[1] or "-")
            lines.append([case, how, seed, *(cell for some in found for cell in cells(some, case))])
    return "\n".join("    " + line for line in table.align(lines))


def machine(letter, result):
    facts = result["machine"]
    told = "; ".join(f"{name} {facts[name]}" for name in FACTS if name in facts)
    if "mitigations=off" in facts.get("kernel command line", ""):
        told += "; without the CPU's mitigations"
    failed = [test["test"] for test in result.get("tests", ())
              if test["verdict"].startswith("FAILED")]
    mark = f" **Our KVM failed there: {', '.join(failed)}.**" if failed else ""
    return f"{letter}\n    {told}.{mark}\n"


def page(results):
    if not results:
        return HEAD + NONE + HOW
    machines = "\n".join(machine(*pair) for pair in zip(LETTERS, results))
    return (f"{HEAD}.. image:: {PICTURE}\n    :alt: One doorbell, by stock KVM's\n\n{MEANING}\n"
            f"::\n\n{figures(results)}\n\nThe machines:\n\n{machines}\n{HOW}")


def plot(results):
    """A bar for each machine and way: ours by stock's of the same way, of the port if none."""
    found = [lower(result) for result in results]
    script = PLOT + "$data << END\n"
    for case, way in picture.WAYS.items():
        values = []
        for some in found:
            stock = some.get((case, "stock")) or some.get(("outw", "stock"))
            patched = some.get((case, "patched"))
            values.append(f"{patched / stock:.3f}" if stock and patched
                          else picture.NOT_MEASURED)
        script += f"\"{way}\" {' '.join(values)}\n"
    bars = ", ".join(f"$data using {index + 2}:xtic(1) title \"{letter}\""
                     for index, (letter, _) in enumerate(zip(LETTERS, results)))
    return f"{script}END\nset multiplot\nplot {bars}\n"


def hardware(argv):
    folder = Path(argv[0])
    for name in argv[1:]:
        add(Path(name))
    results = [load(path) for path in sorted(MACHINES.glob("*.json"))]
    if len(results) > len(LETTERS):
        raise JobError(f"{MACHINES} has {len(results)} files; {len(LETTERS)} fit on the page")
    partial = folder / (NAME + ".partial")
    partial.write_text(page(results))
    partial.rename(folder / NAME)
    say(f"page: {folder / NAME}, of {len(results)} machines")
    if results:
        picture.draw(plot(results), folder / PICTURE)
    return 0


if __name__ == "__main__":
    main(hardware, sys.argv[1:])
