# SPDX-License-Identifier: GPL-2.0-only
"""The tables: the seed's of 2013 beside today's figures, then growth, listener, registration."""

# How the guest rings, and what the seed measured in 2013, in cycles.
CASES = {
    "outw": ("port I/O", 1737),
    "movw": ("memory I/O, DATAMATCH", 4341),
    "movw_wildcard": ("memory I/O, length 0", None),
    "hc_mmio_write": ("hypercall that rings", 1566),
    "movw_fast": ("PV store", 1817),
    "movw_userspace": ("memory I/O, VMM's device", None),
    "movw_fast_userspace": ("PV store, VMM's device", None),
    "exit_floor": ("exit re-entered at once", None),
    "vmcall": ("unknown hypercall", None),
    "cpuid": ("cpuid", None),
    "l2_movw": ("memory I/O, DATAMATCH, from L2", None),
    "l2_movw_fast": ("PV store from L2", None),
}
SETS = ("stock", "patched")
REFERENCE = ("stock", "outw")
# How ioeventfds are registered, for ioeventfd_scale_bench.
SCALE_CASES = ("pio", "mmio", "mmio_wildcard")
LAYOUTS = ("spread", "same")
NOT_POSSIBLE = "one address takes one ioeventfd of length 0"


def group_by(rows, *members):
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[member] for member in members), []).append(row)
    return groups


def cell(row):
    return f"{row['median']} ({row['min']})" if row else "-"


def ratio(row, reference):
    return f"{row['median'] / reference['median']:.2f}" if row and reference else "-"


def seed_lines(group):
    reference = group.get(REFERENCE)
    for case, (how, seed) in CASES.items():
        stock, patched = group.get(("stock", case)), group.get(("patched", case))
        if stock or patched:
            yield (case, how, str(seed or "-"), cell(stock), ratio(stock, reference),
                   cell(patched), ratio(patched, reference))


def align(table):
    """Columns as wide as their widest cell; numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        yield "  ".join(text.ljust(width) if index < 2 else text.rjust(width)
                        for index, (text, width) in enumerate(zip(row, widths))).rstrip()


def seed_table(rows):
    """One ioeventfd, nobody listening, beside the seed's figures."""
    some, out = rows[0], []
    out.append(f"\n{some['lab']}: Linux {some['kernel']}, {some['ioeventfds']} ioeventfd(s),"
               f" median (min) of {some['samples']} samples, in {some['unit']}; 2013 in cycles\n")
    head = ("case", "how the guest rings", "2013", f"stock {some['unit']}", "/outw",
            f"patched {some['unit']}", "/outw")
    group = {(row["kvm"], row["case"]): row for row in rows}
    return out + list(align([head, *seed_lines(group)]))


def counts_of(rows):
    return sorted({row["ioeventfds"] for row in rows})


def growth_lines(rows, names, counts, value):
    """A line for each name and layout, with one column for each set and count."""
    found = {(row["case"], row["layout"], row["kvm"], row["ioeventfds"]): row for row in rows}
    for name in names:
        for layout in LAYOUTS:
            # A single one lies nowhere else than it would among others.
            got = [found.get((name, layout, kvm, count)) or
                   (count == 1 and found.get((name, "spread", kvm, 1)))
                   for kvm in SETS for count in counts]
            if any(row and row["layout"] == layout for row in got):
                yield (name, layout, *(str(row[value]) if row else "-" for row in got))


def grow(title, rows, names, value):
    counts = counts_of(rows)
    head = ("case", "layout", *(f"{kvm} {count}" for kvm in SETS for count in counts))
    return [f"\n{title}\n", *align([head, *growth_lines(rows, names, counts, value)])]


def growth_table(rows):
    some = min(rows, key=lambda row: row["samples"])
    out = grow(f"{some['lab']}: one doorbell among others, each at its own address (spread) or all"
               f" at one (same), median of {some['samples']} samples or more,"
               f" in {some['unit']}, by number of ioeventfds", rows, CASES, "median")
    return out + [f"movw_wildcard, same: not measured: {NOT_POSSIBLE}"]


def listener_lines(group):
    for case in CASES:
        got = [group.get((kvm, case + suffix)) for kvm in SETS for suffix in ("_listener", "_wake")]
        if any(got):
            yield (case, CASES[case][0], *map(cell, got))


def listener_table(rows):
    some = rows[0]
    head = ("case", "how the guest rings", "stock ring", "stock wake", "patched ring",
            "patched wake")
    group = {(row["kvm"], row["case"]): row for row in rows}
    return [f"\n{some['lab']}: with a thread asleep in epoll on the eventfd, median (min) of"
            f" {some['samples']} samples, in {some['unit']}\n",
            *align([head, *listener_lines(group)]),
            "ring: what the guest pays; on one CPU that thread's run is mostly part of it",
            "wake: from the guest's TSC ahead of the access to the thread with the count read"]


def zone_table(title, rows):
    """A line for each number of zones."""
    rows = [{**row, "case": f"{row['zones']} zones"} for row in rows]
    return grow(title, rows, list(dict.fromkeys(row["case"] for row in rows)), "per_operation")


def scale_tables(rows):
    """Registration and removal, for each machine."""
    out = []
    for (lab, operation, ringing), some in group_by(rows, "lab", "operation",
                                                    "ringing_vcpus").items():
        meanwhile = f"while {ringing} vCPUs ring" if ringing else "while no vCPU runs"
        how = f"{meanwhile}, mean in {some[0]['unit']}, waits included, by number of ioeventfds"
        zones = [row for row in some if row.get("zones", 0)]
        plain = [row for row in some if row not in zones]
        if plain:
            out += grow(f"{lab}: to {operation} one ioeventfd of many, {how}", plain, SCALE_CASES,
                        "per_operation")
        if zones:
            out += zone_table(f"{lab}: to {operation} one of many zones of coalesced MMIO, beside"
                              f" ioeventfds (spread) or over all of them (same), {how}", zones)
    return out + ["-: not measured; ports go the same way as memory"] if out else out


def split(rows):
    """Those of the seed's table, of the growth, and with a listener."""
    listener = [row for row in rows if row["case"].endswith(("_listener", "_wake"))]
    plain = [row for row in rows if row not in listener]
    few = min((row["ioeventfds"] for row in plain), default=1)
    return [row for row in plain if row["ioeventfds"] == few], plain, listener


def render(rows, scale=()):
    out = []
    for machine in group_by(rows, "lab").values():
        seed, plain, listener = split(machine)
        grown = {row["case"] for row in plain if row not in seed}
        out += seed_table(seed)
        out.append("/outw: ratio to stock outw on the same machine, of medians")
        if grown:  # Its first column is the seed's table's.
            out += growth_table([row for row in plain if row["case"] in grown])
        if listener:
            out += listener_table(listener)
    return "\n".join(out + scale_tables(scale))
