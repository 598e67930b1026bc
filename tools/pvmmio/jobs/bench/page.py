# SPDX-License-Identifier: GPL-2.0-only
"""Write the page that says what doorbells cost, from the benchmark's and the profile's figures.

usage: page.py RESULTS FOLDER

RESULTS has bench.json, scale.json and profile.json.  Writes pv-mmio-cost.rst to FOLDER,
if the figures are those of both emulated machines.
"""
import json
import sys
from pathlib import Path

from pvmmio.console import JobError, main, say
from pvmmio.jobs.bench import profile, table
from pvmmio.lab.known import MACHINES

LABS = set(MACHINES)
NAME = "pv-mmio-cost.rst"
HEAD = """\
.. SPDX-License-Identifier: GPL-2.0
.. Written by "make bench": change tools/pvmmio/jobs/bench/page.py instead.

=====================
What a doorbell costs
=====================

Every figure is the TSC difference around one access, in the guest. On the emulated machines the
TSC counts the instructions that the machine executes, guest's and host's; stock and patched
modules were measured in one boot of Debian's kernel.
"""
STEPS = """\
Where the instructions go
=========================

From the exit to the next entry, with our modules: what KVM executes of its own at any exit, and
what each step of a doorbell adds to that. Each check is here with its price; none can be turned off.
What hardware charges more for than an emulator is counted by kind.
"""


def load(folder, name):
    path = folder / name
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise JobError(f"{path} is missing; run 'make bench'") from None
    except ValueError:
        raise JobError(f"{path}: these are no figures; run 'make bench' again") from None


def literal(text):
    """TEXT as a literal block, its first line as the introduction."""
    title, _, rest = text.strip().partition("\n")
    lines = "\n".join("    " + line if line else "" for line in rest.strip().splitlines())
    return f"\n{title.strip()}::\n\n{lines}\n"


def sections(rows, scale, steps):
    yield HEAD
    for machine in table.group_by(rows, "lab").values():
        seed, plain, listener = table.split(machine)
        grown = {row["case"] for row in plain if row not in seed}
        yield literal("\n".join(table.seed_table(seed)))
        yield literal("\n".join(table.growth_table([row for row in plain
                                                    if row["case"] in grown])))
        yield literal("\n".join(table.listener_table(listener)))
        for lines in table.more_tables(machine):
            yield literal("\n".join(lines))
    for some in table.group_by(scale, "lab", "operation", "ringing_vcpus").values():
        yield literal("\n".join(table.scale_tables(some)))
    yield "\n" + STEPS
    for some in table.group_by(steps, "lab").values():
        yield literal(profile.render(some))


def write(argv):
    results, folder = Path(argv[0]), Path(argv[1])
    rows = load(results, "bench.json")
    if {row["lab"] for row in rows} != LABS:
        say("page: left as it is, it is written when both emulated machines are measured")
        return 0
    text = "".join(sections(rows, load(results, "scale.json"), load(results, "profile.json")))
    partial = folder / (NAME + ".partial")
    partial.write_text(text)
    partial.rename(folder / NAME)
    say(f"page: {folder / NAME}")
    return 0


if __name__ == "__main__":
    main(write, sys.argv[1:], (2,), __doc__)
