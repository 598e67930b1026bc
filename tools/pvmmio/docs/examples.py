# SPDX-License-Identifier: GPL-2.0-only
"""Bring the examples into the reference pages, so that these are readable as text.

usage: examples.py

What a page prints after a line ".. example: NAME" is NAME's part of a source that a test
compiles and runs.  Change the source, then run this.
"""
import re
import textwrap

from pvmmio import REPO
from pvmmio.console import JobError, main, say

PAGES = REPO / "Documentation/virt/kvm/x86"
# Those of the selftest pv_mmio_examples_test, between marks; and a whole program.
PARTS = REPO / "tools/testing/selftests/kvm/x86_64/pv_mmio_examples/examples.h"
WHOLE = {"small VMM": REPO / "tools/pvmmio/docs/small_vmm.c"}
MARK = re.compile(r"/\* example: (.*) \*/\n")
PRINTED = re.compile(r"^\.\. example: (.*)\n\n\.\. code-block:: c\n\n((?:   .*\n|\n)*)",
                     re.MULTILINE)


def sources():
    """{name: text} of all examples."""
    _, *parts = MARK.split(PARTS.read_text())
    found = dict(zip(parts[::2], parts[1::2]))
    del found["end"]
    found.update((name, path.read_text()) for name, path in WHOLE.items())
    return {name: text.strip("\n") + "\n" for name, text in found.items()}


def printed(text):
    """(name, text) of each example that the page TEXT prints."""
    return [(name, textwrap.dedent(code).strip("\n") + "\n")
            for name, code in PRINTED.findall(text)]


def as_printed(name, known):
    # A tab would be as wide as it is from the page's margin.
    if name not in known:
        raise JobError(f"example {name}: no source has it")
    return known[name].expandtabs(8)


def updated(text, known):
    """The page TEXT with the examples as their sources are."""
    return PRINTED.sub(lambda found: f".. example: {found[1]}\n\n.. code-block:: c\n\n"
                       + textwrap.indent(as_printed(found[1], known), "   ") + "\n", text)


def examples(_argv):
    known = sources()
    for page in sorted(PAGES.glob("*.rst")):
        text = updated(page.read_text(), known)
        if text != page.read_text():
            page.write_text(text)
            say(f"written: {page}")
    return 0


if __name__ == "__main__":
    main(examples, [], (0,), __doc__)
