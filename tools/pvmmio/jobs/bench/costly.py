# SPDX-License-Identifier: GPL-2.0-only
"""Some instructions take hardware many cycles, while an emulator counts one for each."""
import re

KINDS = {
    "reads and writes of MSRs": r"(rd|wr)msr\w*",
    "VMRUN, VMLOAD, VMSAVE": r"vm(run|load|save)",
    "VMLAUNCH, VMRESUME": r"vm(launch|resume)",
    "VMREAD": r"vmread",
    "VMWRITE": r"vmwrite",
    "STGI, CLGI": r"(st|cl)gi",
    "XCR0 and PKRU": r"x[gs]etbv|(rd|wr)pkru",
    "STAC, CLAC": r"(st|cl)ac",
    "VERW": r"ver[rw]",
    "fences": r"[lms]fence",
    "locked": r"lock \w+|xchg[bwlq]? .*[(\[].*",
}
WORDS = {kind: re.compile(rf"\s({words})\b") for kind, words in KINDS.items()}


def kind(instruction):
    """Return the kind of a line of disassembly, or None if that instruction is cheap."""
    return next((name for name, words in WORDS.items() if words.search(instruction)), None)


def count(instructions):
    """Count how many of the lines are of each kind."""
    counts = dict.fromkeys(KINDS, 0)
    for name in filter(None, map(kind, instructions)):
        counts[name] += 1
    return counts
