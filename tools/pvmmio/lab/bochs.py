# SPDX-License-Identifier: GPL-2.0
"""The Intel machine: Bochs, which emulates VMX, EPT and nested VMX."""

import contextlib
import os
import shutil
import subprocess

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
# Options of lab.py that this machine can't take, and what it says then.
UNSUPPORTED = {
    "cpu_flags": "--cpu-flags is for --lab amd; Bochs knows whole models only: --cpu-model",
    "real_clock": "--real-clock is for --lab amd: Bochs's clock is its instructions",
    "disk": "--disk is for run --lab amd: on Bochs, systemd takes too long",
}
FLAVOUR_OPTIONS = {}

# How much slower than ours its clock runs, by the number of its CPUs: it is made of
# instructions, and two CPUs take turns.
CLOCK_FACTORS = {1: 100, 2: 200}
# Tests on two CPUs beside all others would take too long.
TAKES_SMP_TESTS = False
# Its CPUs have page tables of four levels only.
FIVE_LEVELS = None
# Its CPUID contradicts itself on the size of the XSAVE area: stock KVM then writes
# beyond a guest's, which KASAN reports.
DEBUG_OPTIONS = ["--append", "noxsave"]
# Some 20 minutes, a boot included.
DEBUG_TESTS = ("hc_mmio_write_test", "pv_mmio_length0_test",
               "pv_mmio_nested_test", "pv_mmio_test")
# How many of our seconds each part of the benchmark takes on 2 cores, about.
BENCH_SECONDS = {"cases": 20, "many": 110, "listener": 30, "spaces": 25, "pcids": 25, "places": 10,
                 "scale": 150}
# How many of our seconds an end-to-end run takes at most.
E2E_SECONDS = 1800
# Boots of a nested run: which part, "" for all, with which options.
NESTED_BOOTS = (("", ["--timeout", "3600"]),)

# What the emulated CPU itself makes the kernel complain about while it boots: CPUID
# contradicts itself on the number of cores, and on the size of the XSAVE area.
KNOWN_SPLATS = (r"WARNING: .*\bparse_legacy\b", r"WARNING: .*\bfpu__init_system_xstate\b")

# The local APIC's timer runs ahead of the TSC here. A kernel that sets it for each event
# finds itself too early, again and again at ever shorter distance: give it a plain tick.
ISOLINUX_CONFIG = """\
default lab
prompt 0
label lab
 kernel vmlinuz
 initrd initramfs
 append {kernel_arguments} highres=off nohz=off
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
          ISOLINUX_CONFIG.format(kernel_arguments=kernel_arguments))


def make_boot_image(tree, work):
    result = subprocess.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-o", "boot.iso.partial", "-b", "isolinux.bin",
         "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree],
        cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["xorriso gave no reason"])[-1]
        raise LabError(f"can't make the boot image in {work}: {last}; is the disk full?")
    # A boot image cut short by a full disk would hang the machine, not fail.
    os.rename(os.path.join(work, "boot.iso.partial"), os.path.join(work, "boot.iso"))


def open_debugger(work, command):
    """The debugger's prompt comes by SIGINT, and takes commands from a FIFO."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(os.path.join(work, "monitor"))
    return ["sh", "-c", 'echo $$ >monitor.pid; exec "$@" <>monitor', "sh", *command]


def prepare(options, work, kernel_arguments, console):
    """Returns the emulator's command line; it runs in WORK, so names are relative."""
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
    mode = "term" if console.startswith("/dev/") else "file"
    write(os.path.join(work, "bochsrc"), CONFIG.format(
        model=options.cpu_model or MODEL, cpus=options.cpus, memory=options.memory,
        bios=BIOS, vga_bios=VGA_BIOS, console=f"mode={mode}, dev={console}"))
    # Debian's Bochs starts in its debugger: tell that to continue.
    write(os.path.join(work, "bochs-debugger"), "c\n")
    command = ["bochs-bin", "-q", "-f", "bochsrc", "-rc", "bochs-debugger"]
    return open_debugger(work, command) if options.monitor else command
