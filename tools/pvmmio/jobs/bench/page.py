# SPDX-License-Identifier: GPL-2.0-only
"""The page that says what doorbells cost, from the benchmark's and the profile's figures."""
from pvmmio.jobs.bench import profile, table

NAME = "pv-mmio-cost.rst"
HEAD = """\
.. SPDX-License-Identifier: GPL-2.0
.. Written by "make update-docs": change tools/pvmmio/jobs/bench/page.py instead.

=====================
What a doorbell costs
=====================

Every figure is the TSC difference around one access, in the guest. On the emulated machines the
TSC counts the instructions that the machine executes, guest's and host's; stock and patched
modules were measured in one boot of Debian's kernel. So a ratio here is one of instructions. It
isn't a ratio of cycles: hardware charges hundreds of cycles for the exit and the entry, on either
side of the ratio, and a few dozens for some instructions that count as one here. How many of
those there are stands below each profile. All VMs had KVM's own interrupt controllers
(KVM_CREATE_IRQCHIP), as nearly all VMMs have them; without these nothing was measured.

A thread that sleeps on the eventfd costs far more than the doorbell: to wake it is the
scheduler's work, which is the same on stock and patched KVM. The tables "with a thread asleep"
have that, and a device that polls, or that says when it sleeps, is spared it: see
:doc:`pv-mmio-vmm`.
"""
STEPS = """\
Where the instructions go
=========================

From the exit to the next entry, with our modules: what KVM executes of its own at any exit, and
what each step of a doorbell adds to that. Each check is here with its price; none can be turned off.
What hardware charges more for than an emulator is counted by kind.
"""


def literal(lines):
    """The table LINES as a literal block, its title as the introduction."""
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
