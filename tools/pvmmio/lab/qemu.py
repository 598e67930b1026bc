# SPDX-License-Identifier: GPL-2.0
"""The AMD machine: QEMU's TCG, which emulates SVM and nested paging."""

PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86"}
FILES = {}
MODEL = "EPYC-v3"
TITLE = "AMD"
VENDOR = "AuthenticAMD"
VENDOR_MODULE = "kvm-amd"
VENDOR_PARAMETERS = ""
KNOWN_SPLATS = ()
# Options of lab.py that this machine can't take, and what it says then.
UNSUPPORTED = {}

# How much slower than ours its clock runs, by the number of its CPUs: that of one is
# made of instructions.
CLOCK_FACTORS = {1: 5, 2: 1}
# It is fast enough for tests on two CPUs beside all others.
TAKES_SMP_TESTS = True
# How it gets page tables of five levels.
FIVE_LEVELS = ["--cpu-flags=+la57"]
# What a kernel of ours that looks for bugs needs, and which tests are quick enough
# under it: None for all.
DEBUG_OPTIONS = []
DEBUG_TESTS = None
# How many of our seconds each part of the benchmark takes on 2 cores, about.
BENCH_SECONDS = {"cases": 7, "many": 40, "listener": 4, "spaces": 10, "places": 3, "scale": 60}
# How many of our seconds an end-to-end run takes at most.
E2E_SECONDS = 150
# Boots of a nested run: which part, with which options.  Where L1's kernel runs by a
# clock of instructions, this machine comes to a halt now and then: see TESTING.md.
NESTED_BOOTS = (("tests", ["--real-clock", "--timeout", "300"]),
                ("figures", ["--timeout", "150"]))

# QEMU's CPUs have no invariant TSC, and rt's KVM wants one.  Linux takes a VMware
# machine's for one; it looks for that where the CPU tells of no hypervisor.
NO_HYPERVISOR = "-hypervisor"
FLAVOUR_OPTIONS = {"rt": [f"--cpu-flags={NO_HYPERVISOR}"]}
LOOKS_LIKE_VMWARE = ["-smbios", "type=1,serial=VMware-lab"]


def serial(path):
    return path if path.startswith("/dev/") else f"file:{path}"


# As of all machines.  pylint: disable-next=unused-argument
def prepare(options, work, kernel_arguments, console):
    """Returns the emulator's command line; it runs in WORK, so names are relative."""
    cpu = ",".join([options.cpu_model or MODEL, "+svm", "+npt", *options.cpu_flags])
    # Several CPUs take turns: with a thread for each, QEMU crashes now and then where
    # they run guests.  One makes the TSC count instructions; two would then stand
    # still for good as soon as both run guests.
    counts = options.cpus == 1 and not options.real_clock
    counting = ["-icount", "shift=0,sleep=off"] if counts else []
    disk = ["-drive", f"file={options.disk},if=virtio,format=raw,snapshot=on"]
    monitor = ["-monitor", "unix:monitor,server,nowait", "-D", "monitor.log"]
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=single", *counting, "-M", "q35", "-cpu", cpu,
        "-smp", str(options.cpus), "-m", str(options.memory),
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", options.kernel, "-initrd", "initramfs", "-append", kernel_arguments,
        "-serial", serial(console), "-serial", "file:output.log", "-serial", "file:verdict",
        *(disk if options.disk else []), *(monitor if options.monitor else []),
        *(LOOKS_LIKE_VMWARE if NO_HYPERVISOR in cpu.split(",") else []),
    ]
