# SPDX-License-Identifier: GPL-2.0-only
"""This writes the page that says what doorbells cost, from benchmark and profile."""
from pvmmio.jobs.bench import profile, table

NAME = "pv-mmio-cost.rst"
HEAD = """\
.. SPDX-License-Identifier: GPL-2.0
.. Written by "make update-docs": change tools/pvmmio/jobs/bench/page.py instead.

=====================
What a doorbell costs
=====================

Every figure is the TSC difference around one access, in the guest. On the emulated machines the
TSC counts the instructions that the machine executes, the guest's and the host's; stock and
patched modules were measured in one boot of Debian's kernel. So a ratio here is one of
instructions. It isn't a ratio of cycles: hardware takes hundreds of cycles for the exit and the
entry, on either side of the ratio, and a few dozen for some instructions that count as one here.
Each profile ends with the number of those. All VMs had KVM's own interrupt controllers
(KVM_CREATE_IRQCHIP), as with nearly all VMMs; nothing was measured without these.

Waking a thread that sleeps on the eventfd costs far more than the doorbell: it is the scheduler's
work, which is the same on stock and patched KVM. The tables "with a thread asleep" include it. A
device that polls, or that says when it sleeps, avoids it: see :doc:`pv-mmio-vmm`.
"""
STEPS = """\
Where the instructions go
=========================

From the exit to the next entry, with our modules: what KVM itself executes at any exit, and what
each step of a doorbell adds to that. Each check has its price here; none can be turned off.
Instructions that take hardware longer than an emulator are counted by kind.
"""


def literal(lines):
    """Return the table LINES as a literal block; the table's title introduces it."""
    title, _, rest = "\n".join(lines).strip().partition("\n\n")
    body = "\n".join("    " + line if line else "" for line in rest.strip().splitlines())
    return f"\n{title}::\n\n{body}\n"


def text(rows, scale, steps):
    machines = list(table.group_by(rows, "lab").values())
    tables = [lines for machine in machines for lines in table.tables_of(machine)]
    tables += table.scale_tables(scale)
    profiles = [profile.render(some).splitlines()
                for some in table.group_by(steps, "lab").values()]
    return "".join([HEAD, *map(literal, tables), "\n" + STEPS, *map(literal, profiles)])
