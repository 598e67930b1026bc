# SPDX-License-Identifier: GPL-2.0-only
"""This makes the tables: that of 2013 beside today's figures, then what else was measured.

That is growth, listeners, other stores, exits that are no doorbell, many address spaces,
many places of code, and registration.  A table is a list of lines, none of which is
longer than WIDTH; a title comes first, between empty lines.
"""
import itertools
import textwrap

WIDTH = 100

# For each case, this says how the guest rings, and how many cycles that took in 2013.
CASES = {
    "outw": ("port", 1737),
    "movw": ("store, DATAMATCH", 4341),
    "movw_wildcard": ("store, length 0", None),
    "hc_mmio_write": ("hypercall that rings", 1566),
    "movw_fast": ("fixed instruction", 1817),
    "movw_userspace": ("store, VMM's device", None),
    "movw_fast_userspace": ("fixed instruction, VMM's", None),
    "exit_floor": ("exit re-entered at once", None),
    "vmcall": ("unknown hypercall", None),
    "cpuid": ("cpuid", None),
    "l2_movw": ("store, DATAMATCH, L2", None),
    "l2_movw_fast": ("fixed instruction, L2", None),
}
# These stores ring as well, in another way than drivers do.
OTHER_STORES = {
    "movl_imm": "immediate, 4 bytes",
    "movw_sib": "base, index, 32-bit displacement",
    "movw_user": "from CPL 3",
    "movw_prefixed": "with a segment prefix",
    "xchgw": "xchg; the VMM answers its load",
    "movw_rewritten": "code changed before each store",
    "movw_off": "feature turned off, DATAMATCH",
    "movw_wildcard_off": "feature turned off, length 0",
}
# Doorbells that hand over the value: where to, and the same that hands over none.
POSTS = {
    "movw_post": ("to the slot, signalled", "movw"),
    "movw_post_only": ("to the slot", "movw"),
    "movw_post_awake": ("to the slot, awake", "movw"),
    "movw_post_asleep": ("to the slot, asleep", "movw"),
    "movw_post_by_vmm": ("by the VMM, signalled", "movw"),
    "movw_coalesced": ("to the coalescing ring", "movw"),
    "outw_post": ("to the slot, signalled", "outw"),
    "outw_post_only": ("to the slot", "outw"),
    "outw_post_awake": ("to the slot, awake", "outw"),
    "outw_post_asleep": ("to the slot, asleep", "outw"),
    "outw_post_by_vmm": ("by the VMM, signalled", "outw"),
    "out_coalesced": ("to the coalescing ring", "outw"),
    "hc_mmio_write_post": ("to the slot, signalled", "hc_mmio_write"),
    "hc_mmio_write_post_only": ("to the slot", "hc_mmio_write"),
    "hc_mmio_write_post_awake": ("to the slot, awake", "hc_mmio_write"),
    "hc_mmio_write_post_asleep": ("to the slot, asleep", "hc_mmio_write"),
    "l2_movw_post": ("to the slot, signalled", "l2_movw"),
    "l2_movw_post_only": ("to the slot", "l2_movw"),
}
# A device in a process of its own: how it learns of a doorbell.
DEVICES = {
    "device_polls": "polls the slot",
    "device_sleeps": "by WAKE, as it sleeps",
    "device_shadow": "eventfd, shared memory",
    "device_relayed": "message by the VMM",
}
NO_DOORBELLS = {
    "out_pic": "out, to KVM's PIC",
    "out_coalesced": "out, coalesced",
    "out_userspace": "out, VMM's device",
    "load_userspace": "load, VMM's device",
    "movw_coalesced": "store, coalesced",
    "movl_lapic": "store, to KVM's local APIC",
}
# An ordinary row has these, and a row that lacks one means this; most tables have only such.
ONE_OF_EACH = {"address_spaces": 1, "places": 1, "pcid": False, "listener_on": "same"}
SETS = ("stock", "patched")
REFERENCE = ("stock", "outw")
# ioeventfd_scale_bench registers ioeventfds in these ways.
SCALE_CASES = ("pio", "mmio", "mmio_wildcard")
LAYOUTS = ("spread", "same")
# Ratios of figures by an emulator's TSC are printed with this warning.
RATIO = "; of instructions, not of cycles"
NOT_POSSIBLE = "one address takes one ioeventfd of length 0"


def group_by(rows, *members):
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[member] for member in members), []).append(row)
    return groups


def heading(text):
    return ["", *textwrap.wrap(text, WIDTH), ""]


def cell(row):
    return f"{row['median']} ({row['min']})" if row else "-"


def ratio(row, reference, digits=2):
    return f"{row['median'] / reference['median']:.{digits}f}" if row and reference else "-"


def first_lines(group):
    reference = group.get(REFERENCE)
    for case, (how, in_2013) in CASES.items():
        stock, patched = group.get(("stock", case)), group.get(("patched", case))
        if stock or patched:
            yield (case, how, str(in_2013 or "-"), cell(stock), ratio(stock, reference),
                   cell(patched), ratio(patched, reference))


def align(table, words=2):
    """Return lines with columns as wide as their widest cell.

    The first columns, of WORDS, are aligned to the left, the others to the right.
    """
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        yield "  ".join(text.ljust(width) if index < words else text.rjust(width)
                        for index, (text, width) in enumerate(zip(row, widths))).rstrip()


def first_table(rows):
    """Return the table of one ioeventfd without a listener, beside the figures of 2013."""
    some = rows[0]
    title = (f"{some['lab']}: Linux {some['kernel']}, {some['ioeventfds']} ioeventfd(s), median"
             f" (min) of {some['samples']} samples, in {some['unit']}; 2013 in cycles")
    head = ("case", "how the guest rings", "2013", "stock", "/outw", "patched", "/outw")
    group = {(row["kvm"], row["case"]): row for row in rows}
    return [*heading(title), *align([head, *first_lines(group)])]


def counts_of(rows):
    return sorted({row["ioeventfds"] for row in rows})


def growth_lines(rows, names, counts, value):
    """Return a table: a line for each name, layout and set, a column for each count."""
    found = {(row["case"], row["layout"], row["kvm"], row["ioeventfds"]): row for row in rows}
    for name, layout, kvm in itertools.product(names, LAYOUTS, SETS):
        # A single ioeventfd is at the same address in either layout.
        got = [found.get((name, layout, kvm, count)) or
               (count == 1 and found.get((name, "spread", kvm, 1))) for count in counts]
        if any(row and row["layout"] == layout for row in got):
            yield (name, layout, kvm, *(str(row[value]) if row else "-" for row in got))


def grow(title, rows, names, value):
    counts = counts_of(rows)
    head = ("case", "layout", "KVM", *map(str, counts))
    return [*heading(title), *align([head, *growth_lines(rows, names, counts, value)], 3)]


def growth_table(rows):
    some = min(rows, key=lambda row: row["samples"])
    out = grow(f"{some['lab']}: one doorbell among others, each at its own address (spread) or all"
               f" at one (same), by number of ioeventfds: median of {some['samples']} samples or"
               f" more, in {some['unit']}", rows, CASES, "median")
    return out + [f"movw_wildcard, same: not measured: {NOT_POSSIBLE}"]


def listener_lines(group):
    for case, (what, *_) in CASES.items():
        got = [group.get((kvm, case + suffix)) for kvm in SETS for suffix in ("_listener", "_wake")]
        if any(got):
            yield (case, what, *map(cell, got))


def listener_table(rows):
    some = rows[0]
    head = ("case", "how the guest rings", "stock ring", "stock wake", "patched ring",
            "patched wake")
    group = {(row["kvm"], row["case"]): row for row in rows}
    return [*heading(f"{some['lab']}: with a thread asleep in epoll on the eventfd, median (min) of"
                     f" {some['samples']} samples, in {some['unit']}"),
            *align([head, *listener_lines(group)]),
            "ring: what the guest pays; on one CPU that thread's run is mostly part of it",
            "wake: from the guest's TSC before the access to the thread with the count read"]


def zone_table(title, rows):
    """Return a table with a line for each number of zones."""
    rows = [{**row, "case": f"{row['zones']} zones"} for row in rows]
    return grow(title, rows, list(dict.fromkeys(row["case"] for row in rows)), "per_operation")


def scale_tables(rows):
    """Return the tables of registration and removal, for each machine."""
    for (lab, operation, ringing), some in group_by(rows, "lab", "operation",
                                                    "ringing_vcpus").items():
        meanwhile = f"while {ringing} vCPUs ring" if ringing else "while no vCPU runs"
        unit = some[0]["unit"]
        how = f"{meanwhile}, by number of ioeventfds: mean in {unit}, waits included"
        if operation == "create":
            yield grow(f"{lab}: a VM's first vCPU, created after ioeventfds were registered one by"
                       f" one, by number of ioeventfds: sum in {unit}, waits included", some,
                       ("first_vcpu",), "total")
            continue
        zones = [row for row in some if row.get("zones", 0)]
        at_once = [row for row in some if row.get("at_once", False)]
        plain = [row for row in some if row not in zones and row not in at_once]
        if plain:
            yield grow(f"{lab}: to {operation} one ioeventfd of many, {how}", plain, SCALE_CASES,
                       "per_operation") + ["-: not measured; ports go the same way as memory"]
        if at_once:
            yield grow(f"{lab}: to {operation} all of them in one call, {meanwhile}, by number of"
                       f" ioeventfds: sum in {unit}, waits included", at_once, SCALE_CASES, "total")
        if zones:
            yield zone_table(f"{lab}: to {operation} one of many zones of coalesced MMIO, beside"
                             f" ioeventfds (spread) or over all of them (same), {how}", zones)


def compared_table(rows, cases, title):
    """Return a line for each of CASES, stock beside patched, with digits to see 1 percent."""
    group = {(row["kvm"], row["case"]): row for row in rows}
    some, lines = rows[0], []
    for case, how in cases.items():
        stock, patched = group.get(("stock", case)), group.get(("patched", case))
        if stock or patched:
            lines.append((case, how, cell(stock), cell(patched), ratio(patched, stock, 3)))
    head = ("case", "what it is", *SETS, "patched/stock")
    return [*heading(f"{some['lab']}: {title}, median (min) of {some['samples']} samples,"
                     f" in {some['unit']}"), *align([head, *lines])] if lines else []


def post_table(rows):
    """What it costs to hand over the value, beside the same doorbell without."""
    group = {(row["kvm"], row["case"]): row for row in rows}
    some, lines = rows[0], []
    for case, (what, plain) in POSTS.items():
        stock, patched = group.get(("stock", case)), group.get(("patched", case))
        without = group.get(("patched", plain))
        if stock or patched:
            more = f"{patched['median'] - without['median']:+d}" if patched and without else "-"
            lines.append((case, what, cell(stock), cell(patched), more))
    if not any(case in POSTS and "_post" in case for _, case in group):
        return []
    head = ("case", "where the value goes", *SETS, "more than without")
    return [*heading(f"{some['lab']}: doorbells whose value is wanted, median (min) of"
                     f" {some['samples']} samples, in {some['unit']}"), *align([head, *lines]),
            "slot: by KVM_IOEVENTFD_FLAG_POST; awake, asleep: so says the word for WAKE",
            "more than without: patched, than the same doorbell that only signals",
            "length 0: POST refuses it, as there is no width to store"]


def device_table(rows):
    """What the guest pays for a ring, and from there to the interrupt that says it's done."""
    group = {(row["kvm"], row["case"]): row for row in rows if row["case"].startswith("device_")}
    lines = []
    for case, what in DEVICES.items():
        got = [group.get((kvm, case + suffix)) for kvm in SETS for suffix in ("_ring", "_trip")]
        if any(got):
            lines.append((case, what, *map(cell, got)))
    if not lines:
        return []
    some = next(iter(group.values()))
    head = ("case", "how it learns of it", "stock ring", "stock trip", "patched ring",
            "patched trip")
    return [*heading(f"{some['lab']}: a device in a process of its own, median (min) of"
                     f" {some['samples']} samples, in {some['unit']}"), *align([head, *lines]),
            "ring: what the guest pays; on one CPU a device that wakes up runs meanwhile",
            "trip: from before the ring until the guest has taken the interrupt for it"]


def of(row, member):
    return row.get(member, ONE_OF_EACH[member])


def is_ordinary(row, but=()):
    """Say whether ROW is ordinary in all members except those in BUT."""
    return all(of(row, member) == value for member, value in ONE_OF_EACH.items()
               if member not in but)


def round_lines(rows, member, numbers):
    found = {(row["case"], of(row, "pcid"), row["kvm"], of(row, member)): row for row in rows}
    for case, pcid, kvm in itertools.product(CASES, (False, True), SETS):
        got = [found.get((case, pcid, kvm, number)) for number in numbers]
        if any(got):
            yield (case + (", PCID" if pcid else ""), kvm,
                   *(str(row["median"]) if row else "-" for row in got))


def round_table(rows, what, member, *more):
    """Return a table of what a doorbell costs by the number of WHAT that ring in turn.

    The member MEMBER of a row has that number; the members MORE may vary.
    """
    rows = [row for row in rows if row["ioeventfds"] == 1 and is_ordinary(row, (member, *more))]
    measured = {row["case"] for row in rows if of(row, member) > 1}
    rows = [row for row in rows if row["case"] in measured]
    if not rows:
        return []
    numbers = sorted({of(row, member) for row in rows})
    return [*heading(f"{rows[0]['lab']}: one doorbell by number of {what} that ring in turn,"
                     f" median, in {rows[0]['unit']}"),
            *align([("case", "KVM", *map(str, numbers)),
                    *round_lines(rows, member, numbers)])]


def more_tables(rows):
    """Return the tables of what wasn't measured in 2013; ROWS are all of one machine."""
    single, _, _ = split(rows)
    tables = (compared_table(single, OTHER_STORES, "other stores that ring"),
              post_table(single), device_table(rows),
              compared_table(single, NO_DOORBELLS, "exits that are no doorbell"),
              round_table(rows, "address spaces", "address_spaces", "pcid"),
              round_table(rows, "places of code", "places"))
    return [lines for lines in tables if lines]


def split(rows):
    """Return the tables of one ioeventfd, of the growth, and with a listener."""
    rows = [row for row in rows if is_ordinary(row)]
    listener = [row for row in rows if row["case"].endswith(("_listener", "_wake"))]
    plain = [row for row in rows if row not in listener]
    few = min((row["ioeventfds"] for row in plain), default=1)
    return [row for row in plain if row["ioeventfds"] == few], plain, listener


def tables_of(rows):
    """Return all tables of one machine's figures, without those of registration."""
    single, plain, listener = split(rows)
    grown = {row["case"] for row in plain if row not in single}
    yield first_table(single) + ["/outw: ratio to stock outw on the same machine, of medians"
                                 + (RATIO if single[0]["unit"] == "instructions" else "")]
    if grown:  # Its first column is that of the first table.
        yield growth_table([row for row in plain if row["case"] in grown])
    if listener:
        yield listener_table(listener)
    yield from more_tables(rows)


def render(rows, scale=()):
    tables = [lines for machine in group_by(rows, "lab").values() for lines in tables_of(machine)]
    return "\n".join("\n".join(lines) for lines in [*tables, *scale_tables(scale)])
