# SPDX-License-Identifier: GPL-2.0-only
"""This picks what compiler, linker and the kernel's own checkers say of our files."""
import functools
import re
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import overlay

CODE = ("arch", "include", "virt")
COMPLAINT = re.compile(r"\b(warning|error):", re.IGNORECASE)
# A checkout may have a name like that of our code.
FOLDERS = re.compile(r"[^\s\[]*/")


@functools.cache
def ours() -> re.Pattern[str]:
    """Return a pattern of names of our code: of its files, as functions have these in theirs.

    A W=1 build of the kernel's own files isn't ours to judge, but a hook in one of
    them is: its complaint names what it calls.
    """
    names = {Path(name).stem for series in overlay.SERIES
             for name in overlay.own_files(REPO, series, CODE) if name.endswith((".c", ".h"))}
    return re.compile("|".join(sorted(names)), re.IGNORECASE)


def complaints(text: str) -> list[str]:
    """Return the lines of TEXT that warn of our code or call it wrong, without folders."""
    lines = (FOLDERS.sub("", line).strip() for line in text.splitlines())
    return [line for line in lines if ours().search(line) and COMPLAINT.search(line)]
