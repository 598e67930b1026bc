# SPDX-License-Identifier: GPL-2.0-only
"""What the lab's machine needs to run a guest of its own, and the guest's initramfs."""
import subprocess
from collections.abc import Iterable
from pathlib import Path

from pvmmio.console import JobError, step
from pvmmio.lab import initramfs

HERE = Path(__file__).resolve().parent
BUSYBOX = "/bin/busybox"
QEMU = "/usr/bin/qemu-system-x86_64"
# The host's own files, at the same place on the lab's machine.
FIRMWARE = ("/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/linuxboot_dma.bin",
            "/usr/share/qemu/kvmvapic.bin")
UEFI = ("/usr/share/ovmf/OVMF.fd", "/usr/lib/ipxe/qemu/efi-virtio.rom")
UEFI_PACKAGES = ("ovmf", "ipxe-qemu")
LOAD = (HERE / "guest/load.c", HERE / "guest/user.c")
GUEST_MODULES = ("virtio_net", "virtio_blk", "virtio-rng")
HOST_MODULES = ("tun", "vhost_net")


def libraries(program: str) -> list[str]:
    """The files that PROGRAM is linked with, as ldd tells."""
    run = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    found = [word for line in run.stdout.splitlines() for word in line.split()
             if word.startswith("/")]
    if run.returncode or not found:
        raise JobError(f"can't tell what {program} needs: run 'make packages'")
    return found


def order(modules: dict[str, bytes], wanted: Iterable[str], directory: Path) -> list[str]:
    """The names WANTED and all that they need, in the order to load them.

    MODULES are the contents by name; DIRECTORY is where they are from, for errors.
    """
    names: list[str] = []
    for name in wanted:
        for needed in initramfs.load_order(modules, name, directory):
            if needed not in names:
                names.append(needed)
    return names


def modules_of(virtio: Path, wanted: Iterable[str]) -> list[tuple[str, bytes]]:
    """(file name, contents) of the modules WANTED of the folder VIRTIO, and of their order."""
    modules = initramfs.modules_in(virtio)
    names = order(modules, [name.replace("_", "-") for name in wanted], virtio)
    return [(f"{name}.ko", modules[name]) for name in names] + [
        ("order", "".join(f"{name}\n" for name in names).encode())]


def build_load(work):
    """The program that does the I/O, static: neither machine has libraries for it."""
    program = work / "load"
    step("building the loads", ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o",
                                str(program), *map(str, LOAD)], work / "load.log")
    return program


def build_boot(work):
    """What a BIOS boots: one sector for the address where it comes to lie."""
    program = work / "boot"
    step("building what the BIOS boots", [
        "gcc", "-m32", "-nostdlib", "-static", "-Wl,--build-id=none,-Ttext=0x7c00,--oformat=binary",
        "-o", str(program), str(HERE / "guest/boot.S")], work / "boot.log")
    return program


def build_uefi(work):
    """What UEFI firmware starts, by its calling convention, and without relocations."""
    program, code = work / "uefi", work / "uefi.o"
    step("building what UEFI starts", [
        "gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-mabi=ms", "-fpic",
        "-fno-ident", "-fvisibility=hidden", "-fno-stack-protector", "-mno-red-zone",
        "-fno-asynchronous-unwind-tables", "-c", "-o", str(code), str(HERE / "guest/uefi.c")],
        work / "uefi.log")
    step("linking it", ["ld", "-m", "i386pep", "--subsystem", "10", "-e", "efi_main",
                        "-o", str(program), str(code)], work / "uefi-link.log")
    return program


def build_initramfs(virtio, work):
    """The guest's: our first process, and Debian's modules."""
    path = work / "initramfs"
    with open(path, "wb") as out:
        archive = initramfs.Archive(out)
        for name in ("dev", "proc", "sys", "tmp"):
            archive.directory(name)
        archive.character_device("dev/console", 5, 1)
        archive.file("bin/busybox", Path(BUSYBOX).read_bytes(), 0o755)
        archive.symlink("bin/sh", "busybox")
        archive.file("init", (HERE / "guest/init").read_bytes(), 0o755)
        archive.file("lab/load", (work / "load").read_bytes(), 0o755)
        for name, contents in modules_of(virtio, GUEST_MODULES):
            archive.file(f"lab/modules/{name}", contents, 0o644)
        archive.finish()
    return path


def lab_files(built: Path, work: Path, uefi: bool = False) -> list[str]:
    """Options for lab.py that bring all files to the lab's machine, also those for UEFI."""
    work.mkdir(parents=True, exist_ok=True)
    virtio = built / "virtio"
    places = {path: Path(path) for path in [QEMU, *libraries(QEMU), *FIRMWARE]}
    places |= {"/e2e/load": build_load(work), "/e2e/boot": build_boot(work),
               "/e2e/initramfs": build_initramfs(virtio, work),
               "/e2e/vmlinuz": built / "vmlinuz", "/e2e/session": HERE / "session"}
    if uefi:
        places |= {"/e2e/uefi": build_uefi(work), **{path: Path(path) for path in UEFI}}
    for name, contents in modules_of(virtio, HOST_MODULES):
        (work / name).write_bytes(contents)
        places[f"/e2e/modules/{name}"] = work / name
    return [f"--file={source}:{place}" for place, source in places.items()]
