# SPDX-License-Identifier: GPL-2.0
"""The AMD machine: QEMU's TCG, which emulates SVM and nested paging."""

PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86"}
FILES = {}
MODEL = "EPYC-v3"
KNOWN_SPLATS = ()


# QEMU's CPUs have no invariant TSC, and rt's KVM wants one.  Linux takes a VMware
# machine's for one; it looks for that where the CPU tells of no hypervisor.
NO_HYPERVISOR = "-hypervisor"
LOOKS_LIKE_VMWARE = ["-smbios", "type=1,serial=VMware-lab"]


def serial(path):
    return path if path.startswith("/dev/") else f"file:{path}"


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
