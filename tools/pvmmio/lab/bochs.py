# SPDX-License-Identifier: GPL-2.0
"""The Intel machine: Bochs, which emulates VMX, EPT and nested VMX."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pvmmio.lab.errors import LabError

ISOLINUX = "/usr/lib/ISOLINUX/isolinux.bin"
LDLINUX = "/usr/lib/syslinux/modules/bios/ldlinux.c32"
BIOS = "/usr/share/bochs/BIOS-bochs-latest"
VGA_BIOS = "/usr/share/bochs/VGABIOS-lgpl-latest"
TERM_DISPLAY = "/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so"

PROGRAMS = {"bochs-bin": "bochs", "xorriso": "xorriso"}
FILES = {
    ISOLINUX: "isolinux", LDLINUX: "syslinux-common", BIOS: "bochsbios", VGA_BIOS: "vgabios",
    TERM_DISPLAY: "bochs-term",
}

# The display is a terminal of our own: the other one that needs no X server listens
# for VNC clients, on all interfaces and without a password. Without a sound card the
# default sound driver overflows a buffer of its own. A fatal panic is how
# Bochs ends when the guest powers off or resets.
CONFIG = """\
cpu: model={model}, count={cpus}, ips=50000000, reset_on_triple_fault=0
memory: guest={memory}, host={memory}
romimage: file={bios}
vgaromimage: file={vga_bios}
display_library: term
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
ata0-master: type=cdrom, path=boot.iso, status=inserted
boot: cdrom
clock: sync=none, time0=utc
com1: enabled=1, {console}
com2: enabled=1, mode=file, dev=output.log
com3: enabled=1, mode=file, dev=verdict
log: bochs.log
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
"""
MODEL = "corei7_skylake_x"
TITLE = "Intel"
VENDOR = "GenuineIntel"
VENDOR_MODULE = "kvm-intel"
# Bochs 3.0 has posted interrupts, and refuses every entry of a guest where KVM uses them:
# it finds the descriptor's address malformed. 2.7 has none.
VENDOR_PARAMETERS = "enable_apicv=0"
# Options of lab.py that this machine can't take, and what lab.py says then.
UNSUPPORTED = {
    "cpu_flags": "--cpu-flags is for --lab amd; Bochs knows whole models only: --cpu-model",
    "real_clock": "--real-clock is for --lab amd: Bochs's clock is its instructions",
    "disk": "--disk is for run --lab amd: on Bochs, systemd takes too long",
}
FLAVOUR_OPTIONS: dict[str, list[str]] = {}

# How much slower than ours its clock runs, by the number of its CPUs: it is made of
# instructions, and two CPUs take turns.
CLOCK_FACTORS = {1: 100, 2: 200}
# Tests on two CPUs beside all others would take too long.
TAKES_SMP_TESTS = False
# Tests that it leaves to the quick machine, unless asked for all: each takes minutes here,
# and what it tests is common code, or a script that knows a vendor by its module's name.
LEFT_TO_QUICK: tuple[str, ...] = ("modules-in-lab", "pv_mmio_index_test",
                                  "pv_mmio_ioeventfds_test", "stats-in-lab")
# Its CPUs have page tables of four levels only.
FIVE_LEVELS: list[str] = []
# Its CPUID contradicts itself on the size of the XSAVE area: stock KVM then writes
# beyond a guest's, which KASAN reports.
DEBUG_OPTIONS = ["--append", "noxsave"]
# These take some 20 minutes, with the boot.
DEBUG_TESTS: tuple[str, ...] | None = ("hc_mmio_write_test", "pv_mmio_length0_test",
               "pv_mmio_nested_test", "pv_mmio_test")
# About how many of our seconds each part of the benchmark takes on 2 cores.
BENCH_SECONDS = {"cases": 20, "many": 110, "listener": 30, "spaces": 25, "pcids": 25, "places": 10,
                 "device": 15, "scale": 150}
# How many of our seconds an end-to-end run takes at most.  NO_BIOS says why none is booted
# there; it is empty where one is.
E2E_SECONDS = 1800
NO_BIOS = "that takes this machine minutes"
# Jobs that this machine can't take, and why.
NOT_FOR = {"test-debian": "it takes too long to start systemd",
           "test-kcsan": "two CPUs take too long"}
# How many seconds, by its own clock, each of the kernel's tests may take, and which of
# them aren't started, and why.
KERNEL_TEST_SECONDS = 1
UNFIT_KERNEL_TESTS = {
    "hyperv_ipi": "stops the machine on stock modules, too",
    "memslot_perf_test": "came to no end in an hour, on stock modules",
    "set_memory_region_test": "came to no end in 20 minutes, on stock modules",
    "vmx_preemption_timer_test": "stops the machine on stock modules, too: its L2 spins with"
                                 " interrupts off",
}
# How often a job starts a machine that runs guests, until one comes to its end.
HYPERVISOR_TRIES = 1
# A nested run boots once for each of these: (which part, "" for all; with which options).
NESTED_BOOTS: tuple[tuple[str, list[str]], ...] = (("", ["--timeout", "3600"]),)

# What the emulated CPU itself makes the kernel complain about while it boots: CPUID
# contradicts itself on the number of cores, and on the size of the XSAVE area.
KNOWN_SPLATS: tuple[str, ...] = (
    r"WARNING: .*\bparse_legacy\b", r"WARNING: .*\bfpu__init_system_xstate\b")

# The local APIC's timer runs ahead of the TSC here. A kernel that sets it for each event
# finds itself too early, again and again at ever shorter distance: give it a plain tick.
PLAIN_TICK = "highres=off nohz=off"
ISOLINUX_CONFIG = """\
default lab
prompt 0
label lab
 kernel vmlinuz
 initrd initramfs
 append {kernel_arguments}
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def fill_tree(tree, kernel, work, kernel_arguments):
    os.mkdir(tree)
    shutil.copy(kernel, os.path.join(tree, "vmlinuz"))
    os.rename(os.path.join(work, "initramfs"), os.path.join(tree, "initramfs"))
    for source in (ISOLINUX, LDLINUX):
        shutil.copy(source, tree)
    write(os.path.join(tree, "isolinux.cfg"),
          ISOLINUX_CONFIG.format(kernel_arguments=f"{kernel_arguments} {PLAIN_TICK}"))


def make_boot_image(tree, work):
    result = subprocess.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-o", "boot.iso.partial", "-b", "isolinux.bin",
         "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree],
        cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["xorriso gave no reason"])[-1]
        raise LabError(f"can't make the boot image in {work}: {last}; is the disk full?")
    # A full disk may cut the boot image short: that would hang the machine, and not fail.
    os.rename(os.path.join(work, "boot.iso.partial"), os.path.join(work, "boot.iso"))


def open_debugger(work, command):
    """Have the debugger take commands from a FIFO; SIGINT brings its prompt."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(os.path.join(work, "monitor"))
    return ["sh", "-c", 'echo $$ >monitor.pid; exec "$@" <>monitor', "sh", *command]


def machine(work: str, cpus: int, memory: int, console: str, model: str = MODEL,
            more: str = "") -> list[str]:
    """Write what machine this is to WORK, where it boots from boot.iso, with MORE lines.

    Return the command line; CONSOLE is a file or a terminal.
    """
    mode = "term" if console.startswith("/dev/") else "file"
    write(os.path.join(work, "bochsrc"), CONFIG.format(
        model=model, cpus=cpus, memory=memory, bios=BIOS, vga_bios=VGA_BIOS,
        console=f"mode={mode}, dev={console}") + more)
    # Debian's Bochs starts in its debugger: tell that to continue.
    write(os.path.join(work, "bochs-debugger"), "c\n")
    return ["bochs-bin", "-q", "-f", "bochsrc", "-rc", "bochs-debugger"]


def prepare(options: Namespace, work: str, kernel_arguments: str, console: str) -> list[str]:
    """Return the emulator's command line; it runs in WORK, so names are relative."""
    # Bochs loads no kernel by itself: it boots from a CD.
    tree = os.path.join(work, "iso")
    shutil.rmtree(tree, ignore_errors=True)
    try:
        fill_tree(tree, options.kernel, work, kernel_arguments)
        make_boot_image(tree, work)
    except OSError as error:
        raise LabError(f"can't make the boot image in {work}: {error.strerror}") from error
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    command = machine(work, options.cpus, options.memory, console, options.cpu_model or MODEL)
    return open_debugger(work, command) if options.monitor else command


class Tracer:
    """Bochs's debugger, which reads a FIFO in the folder WORK after SIGINT."""

    EXECUTED = re.compile(r"^\(0\)\.\[\d+\] \[\S+\] [0-9a-f]{4}:([0-9a-f]{16}) \(.*?\): (.*?) +; ")
    # These are fewer than on QEMU: Bochs prints some 100 bytes for each to its terminal.
    INSTRUCTIONS = 50000
    ENOUGH = 30
    # The debugger says this when the machine stands still.
    STANDS = "Next at t="
    SECONDS = 120

    def __init__(self, work: Path):
        self.log = work / "emulator.log"
        self.fifo = work / "monitor"
        self.pid = int((work / "monitor.pid").read_text())
        self.known: dict[int, str] = {}

    def said(self, start):
        with open(self.log, encoding="ascii", errors="replace") as lines:
            lines.seek(start)
            return lines.read()

    def do(self, *commands):
        """Type the COMMANDS; return where in the log the answer starts."""
        start = self.log.stat().st_size
        fifo = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fifo, "".join(f"{command}\n" for command in commands).encode())
        os.close(fifo)
        return start

    def wait(self, start):
        for _ in range(self.SECONDS * 2):
            time.sleep(0.5)
            text = self.said(start)
            if self.STANDS in text:
                return text
        raise LabError(f"Bochs's debugger didn't come back in {self.SECONDS} s")

    # All machines take it.  pylint: disable-next=unused-argument
    def trace(self, attempt: int) -> Sequence[int]:
        start = self.log.stat().st_size
        os.kill(self.pid, signal.SIGINT)
        self.wait(start)
        text = self.wait(self.do("trace on", f"s {self.INSTRUCTIONS}", "trace off"))
        self.do("c")
        return self.addresses(text.splitlines())

    def addresses(self, lines):
        found = [match.groups() for match in map(self.EXECUTED.search, lines) if match]
        self.known |= {int(address, 16): f" {text}" for address, text in found}
        return [int(address, 16) for address, _ in found]

    def disassemble(self, addresses: Sequence[int]) -> Sequence[str]:
        """Return a line for each address, with the instruction as it was executed."""
        return [self.known[address] for address in addresses]
