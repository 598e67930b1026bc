# SPDX-License-Identifier: GPL-2.0
"""The AMD machine: QEMU's TCG, which emulates SVM and nested paging."""

import os
import re
import socket
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pvmmio.lab.errors import LabError

PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86"}
FILES: dict[str, str] = {}
MODEL = "EPYC-v3"
TITLE = "AMD"
VENDOR = "AuthenticAMD"
VENDOR_MODULE = "kvm-amd"
VENDOR_PARAMETERS = ""
KNOWN_SPLATS: tuple[str, ...] = ()
# Options of lab.py that this machine can't take, and what lab.py says then.
UNSUPPORTED: dict[str, str] = {}

# How much slower than ours its clock runs, by the number of its CPUs: that of one is
# made of instructions.
CLOCK_FACTORS = {1: 5, 2: 1}
# It is fast enough for tests on two CPUs beside all others.
TAKES_SMP_TESTS = True
# Tests that it leaves to the quick machine, unless asked for all.
LEFT_TO_QUICK: tuple[str, ...] = ()
# How it gets page tables of five levels.
FIVE_LEVELS = ["--cpu-flags=+la57"]
# Which options a kernel of ours that looks for bugs needs, and which tests are quick
# enough under it: None means all.
DEBUG_OPTIONS: list[str] = []
DEBUG_TESTS: tuple[str, ...] | None = None
# About how many of our seconds each part of the benchmark takes on 2 cores.
BENCH_SECONDS = {"cases": 7, "many": 40, "listener": 4, "spaces": 10, "places": 3, "device": 2,
                 "scale": 60}
# How many of our seconds an end-to-end run takes at most.  NO_BIOS says why none is booted
# there; it is empty where one is.
E2E_SECONDS = 150
NO_BIOS = ""
# Jobs that this machine can't take, and why.
NOT_FOR: dict[str, str] = {}
# How many seconds, by its own clock, each of the kernel's tests may take, and which of
# them aren't started, and why.
KERNEL_TEST_SECONDS = 10
UNFIT_KERNEL_TESTS: dict[str, str] = {}
# How often a job starts a machine that runs guests, until one comes to its end.  If the clock
# counts instructions, an interrupt now and then reaches a guest twice, and Linux there waits
# for its own lock.  This happens on stock KVM as well, see TESTING.md.
HYPERVISOR_TRIES = 8
# A nested run boots once for each of these: (which part, with which options).  If the clock
# counts instructions, L1's kernel comes to a halt now and then, see TESTING.md.
NESTED_BOOTS: tuple[tuple[str, list[str]], ...] = (
    ("tests", ["--real-clock", "--timeout", "300"]),
    ("figures", ["--timeout", "150"]))

# QEMU's CPUs have no invariant TSC, and rt's KVM wants one.  Linux takes a VMware
# machine's for one; it looks for that where the CPU tells of no hypervisor.
NO_HYPERVISOR = "-hypervisor"
FLAVOUR_OPTIONS = {"rt": [f"--cpu-flags={NO_HYPERVISOR}"]}
LOOKS_LIKE_VMWARE = ["-smbios", "type=1,serial=VMware-lab"]


def serial(path):
    return path if path.startswith("/dev/") else f"file:{path}"


def machine(cpus: int, memory: int, cpu_flags: Sequence[str] = (), model: str = MODEL,
            real_clock: bool = False) -> list[str]:
    """Return the part of a command line that says what machine this is, but not what it boots."""
    # Several CPUs take turns: with a thread for each, QEMU crashes now and then where
    # they run guests.  One makes the TSC count instructions; two would then stand
    # still for good as soon as both run guests.
    counts = cpus == 1 and not real_clock
    counting = ["-icount", "shift=0,sleep=off"] if counts else []
    cpu = ",".join([model, "+svm", "+npt", *cpu_flags])
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=single", *counting, "-M", "q35", "-cpu", cpu,
        "-smp", str(cpus), "-m", str(memory), "-nodefaults", "-no-user-config", "-display", "none",
        *(LOOKS_LIKE_VMWARE if NO_HYPERVISOR in cpu.split(",") else []),
    ]


# All machines take it.  pylint: disable-next=unused-argument
def prepare(options: Namespace, work: str, kernel_arguments: str, console: str) -> list[str]:
    """Return the emulator's command line; it runs in WORK, so names are relative."""
    disk = ["-drive", f"file={options.disk},if=virtio,format=raw,snapshot=on"]
    monitor = ["-monitor", "unix:monitor,server,nowait", "-D", "monitor.log"]
    return [
        *machine(options.cpus, options.memory, options.cpu_flags, options.cpu_model or MODEL,
                 options.real_clock),
        "-no-reboot", "-kernel", options.kernel, "-initrd", "initramfs",
        "-append", kernel_arguments,
        "-serial", serial(console), "-serial", "file:output.log", "-serial", "file:verdict",
        *(disk if options.disk else []), *(monitor if options.monitor else []),
    ]


class Tracer:
    """QEMU's monitor, on a socket in the folder WORK."""

    PROMPT = b"(qemu) "
    SECONDS = 1
    ATTEMPTS = 200
    ENOUGH = 100
    EXECUTED = re.compile(r"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")

    def __init__(self, work: Path):
        self.log = work / "monitor.log"
        self.socket = socket.socket(socket.AF_UNIX)
        # A socket's name has to be short, so reach the folder by a descriptor.
        folder = os.open(work, os.O_PATH)
        self.socket.connect(f"/proc/self/fd/{folder}/monitor")
        os.close(folder)
        self.wait()

    def wait(self):
        said = b""
        while not said.endswith(self.PROMPT):
            heard = self.socket.recv(4096)
            if not heard:
                raise LabError("QEMU's monitor went away: the machine has ended")
            said += heard
        return said.decode(errors="replace")

    def do(self, *commands):
        """Give the COMMANDS to the monitor; return what it says to the last one."""
        for command in commands:
            self.socket.sendall(command.encode() + b"\n")
            said = self.wait()
        return said

    def disassemble(self, addresses: Sequence[int]) -> Sequence[str]:
        """Return a line for each address.  It shows the instruction as it is now, because
        kernels rewrite their own at boot."""
        for _ in range(self.ATTEMPTS):
            self.do("stop")
            lines = {addresses[0]: self.instruction(addresses[0])}
            # While the CPU runs the guest, the monitor sees nothing of the kernel.
            if lines[addresses[0]]:
                lines |= {address: self.instruction(address) for address in set(addresses)}
            self.do("cont")
            if all(lines.values()):
                return [lines[address] for address in addresses]
        raise LabError("QEMU's monitor doesn't disassemble the host's code")

    def instruction(self, address):
        said = self.do(f"x /1i {address:#x}").splitlines()
        return next((line for line in said if re.match(r"0x[0-9a-f]+: +[0-9a-f]{2} ", line)), "")

    def trace(self, attempt: int) -> Sequence[int]:
        start = self.log.stat().st_size
        self.do("stop", "singlestep on", "log exec,nochain", "cont")
        # A second may be too short if other jobs run at the same time.
        time.sleep(self.SECONDS * attempt)
        self.do("stop", "log none", "singlestep off", "cont")
        with open(self.log, encoding="ascii", errors="replace") as lines:
            lines.seek(start)
            return self.addresses(lines)

    def addresses(self, lines):
        return [int(match.group(1), 16) for match in map(self.EXECUTED.search, lines) if match]
