# SPDX-License-Identifier: GPL-2.0-only
"""This lists the machines; all that is known about one is in its own file."""
from argparse import Namespace
from collections.abc import Sequence
from typing import Protocol

from pvmmio.lab import bochs, qemu


class Tracer(Protocol):
    """A tracer reads from the emulator's log which instructions the machine executes."""

    # How many exits of one length have to be among them before one is believed.
    ENOUGH: int

    def trace(self, attempt: int) -> Sequence[int]:
        """Return the addresses of what guest and host execute for a while."""

    def disassemble(self, addresses: Sequence[int]) -> Sequence[str]:
        """Return a line of disassembly for each of them."""


class Machine(Protocol):
    """Each machine's file has these.  It explains those that aren't plain."""

    # Programs and files that it needs, each with Debian's package for it.
    PROGRAMS: dict[str, str]
    FILES: dict[str, str]
    MODEL: str
    TITLE: str
    VENDOR: str
    VENDOR_MODULE: str
    VENDOR_PARAMETERS: str
    KNOWN_SPLATS: tuple[str, ...]
    UNSUPPORTED: dict[str, str]
    CLOCK_FACTORS: dict[int, int]
    TAKES_SMP_TESTS: bool
    LEFT_TO_QUICK: tuple[str, ...]
    FIVE_LEVELS: list[str]
    DEBUG_OPTIONS: list[str]
    DEBUG_TESTS: tuple[str, ...] | None
    BENCH_SECONDS: dict[str, int]
    E2E_SECONDS: int
    NO_BIOS: str
    NOT_FOR: dict[str, str]
    KERNEL_TEST_SECONDS: int
    UNFIT_KERNEL_TESTS: dict[str, str]
    HYPERVISOR_TRIES: int
    NESTED_BOOTS: tuple[tuple[str, list[str]], ...]
    FLAVOUR_OPTIONS: dict[str, list[str]]

    def prepare(self, options: Namespace, work: str, kernel_arguments: str,
                console: str) -> list[str]:
        """Return the emulator's command line; it runs in WORK, so names are relative."""

    @property
    def Tracer(self) -> type[Tracer]:
        """Return the class, whose only argument is the folder where the machine runs."""


MACHINES: dict[str, Machine] = {"intel": bochs, "amd": qemu}
# Jobs that need only one machine take this one, which is the quickest.
QUICK = "amd"
