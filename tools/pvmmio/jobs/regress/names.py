# SPDX-License-Identifier: GPL-2.0-only
"""Refuse names of tests that the kernel doesn't have, before anything is built.

usage: names.py SERIES VERSION FLAVOUR TESTS
"""
import sys

from pvmmio.build import debian, debug_kernel, kernel, overlay
from pvmmio.console import JobError, main


def known(source):
    """The kernel's own KVM selftests, by the names of their sources."""
    folder = source / kernel.SELFTESTS
    own = folder / overlay.arch(overlay.series_of(source))
    return {path.stem for where in (folder, own) for path in where.glob("*.c")}


def check(wanted, names):
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise JobError(f"TESTS={' '.join(unknown)}: the kernel has no such test; there is short,"
                       f" all, {', '.join(sorted(names))}")


def names_of(argv):
    series, version, flavour, tests = argv
    if tests not in ("", "short", "all"):
        own = flavour in debug_kernel.FLAVOURS
        home = debian.fetch(series, version, "cloud" if own else flavour)
        check(tests.split(), known(home / "source"))
    return 0


if __name__ == "__main__":
    main(names_of, sys.argv[1:], (4,), __doc__)
