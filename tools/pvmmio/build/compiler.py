# SPDX-License-Identifier: GPL-2.0-only
"""What compiler, linker and the kernel's own checkers say of our files."""
import re

# A W=1 build of the kernel's own files isn't ours to judge, but a hook in one of
# them is: its complaint names what it calls.
OURS = re.compile("pv_mmio|hc_mmio_write|fast_mmio|ioeventfd_index", re.IGNORECASE)
COMPLAINT = re.compile(r"\b(warning|error):", re.IGNORECASE)
# A checkout may have a name like that of our code.
FOLDERS = re.compile(r"[^\s\[]*/")


def complaints(text):
    """The lines of TEXT that warn of our code or call it wrong, without folders."""
    lines = (FOLDERS.sub("", line).strip() for line in text.splitlines())
    return [line for line in lines if OURS.search(line) and COMPLAINT.search(line)]
