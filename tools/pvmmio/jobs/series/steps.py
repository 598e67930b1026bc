# SPDX-License-Identifier: GPL-2.0-only
"""The steps of the series: what each says, and which parts of the overlay it adds.

A step is a file in the folder "patches": the commit's message, then "Adds:" and
a line for each target in the kernel's tree, as a pattern.  "TARGET:RULE" is one
rule of a semantic patch, TARGET alone all that isn't added rule by rule.  Every
part of the overlay belongs to one step.
"""
import fnmatch
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pvmmio.build import cocci
from pvmmio.build.overlay import Targets
from pvmmio.console import JobError

FOLDER = Path(__file__).with_name("patches")
ADDS = "\nAdds:\n"
# Their lines for objects come with the sources of these, step by step; by the
# folder that is left out in their names, or the variable that stands for it.
OBJECTS = {"arch/x86/kvm/Makefile": ("", "arch/x86/kvm/"),
           "virt/kvm/Makefile.kvm": ("$(KVM)/", "virt/kvm/")}
# A target, and which rule of its semantic patch; all else of a target has None.
Unit = tuple[str, str | None]


class Step:
    """One commit: NAME, MESSAGE, and the patterns of what it adds."""

    def __init__(self, path: Path):
        lines = path.read_text().splitlines(keepends=True)
        text = "".join(line for line in lines if "SPDX-License-Identifier" not in line)
        message, _, adds = text.partition(ADDS)
        self.name, self.message, self.patterns = path.name, message.strip() + "\n", adds.split()


def read_steps(folder: Path) -> tuple[str, list[Step]]:
    """The cover letter's text, and the steps in their order."""
    cover, *steps = (Step(path) for path in sorted(folder.glob("[0-9][0-9]-*")))
    return cover.message, steps


def units(targets: Targets, series: str) -> set[Unit]:
    """All parts of the overlay."""
    found: set[Unit] = set()
    for target, parts in targets.items():
        for part in parts if target not in OBJECTS else ():
            if part.suffix == ".cocci":
                found.update((target, rule) for rule in cocci.rules(part, series))
            else:
                found.add((target, None))
    return found


def claimed(pattern: str, free: set[Unit], rules_named: set[tuple[str, ...]]) -> set[Unit]:
    """Which of the units FREE the PATTERN of a step means: none that RULES_NAMED has."""
    target, _, rule = pattern.partition(":")
    return {unit for unit in free if fnmatch.fnmatchcase(unit[0], target)
            and (unit[1] == rule if rule else unit not in rules_named)}


def assign(steps: Sequence[Step], targets: Targets, series: str) -> list[set[Unit]]:
    """What each of STEPS adds; each unit is one step's."""
    free = units(targets, series)
    named = {tuple(pattern.split(":")) for step in steps for pattern in step.patterns
             if ":" in pattern}
    result = []
    for step in steps:
        added: set[Unit] = set()
        for pattern in step.patterns:
            found = claimed(pattern, free, named)
            if not found:
                raise JobError(f"{step.name}: the overlay has no {pattern}, or it's an earlier"
                               " step's")
            free -= found
            added |= found
        result.append(added)
    if free:
        names = sorted(":".join(filter(None, unit)) for unit in free)
        raise JobError(f"no step adds {', '.join(names[:3])}; say it in one of {FOLDER}")
    return result


def wrapped(head, words):
    """A line of a Makefile, continued as often as it takes."""
    lines = [f"{head} {words[0]}"]
    for word in words[1:]:
        if len(f"{lines[-1]} {word} \\".expandtabs()) > 80:
            lines[-1] += " \\"
            lines.append("\t\t\t\t  ")
        lines[-1] += f" {word}"
    return "\n".join(lines) + "\n"


def only_existing(text: str, exists: Callable[[str], bool]) -> str:
    """The end of a Makefile, TEXT, without the objects whose source, NAME.c, doesn't exist."""
    result = ""
    for line in re.findall(r"(?:.*\\\n)*.*\n", text):
        objects = re.findall(r"\S+\.o\b", line)
        there = [name for name in objects if exists(name[:-2] + ".c")]
        if there == objects:
            result += line
        elif there:
            result += wrapped(line[:line.index("+=") + 2], there)
    return result if ".o" in result else ""
