# SPDX-License-Identifier: GPL-2.0
"""Packs the lab's guest side, KVM modules and the user's files into an initramfs."""

import gzip
import lzma
import os
import re
import shlex
import stat
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from pvmmio.lab.errors import LabError
from pvmmio.lab.known import MACHINES

GUEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest")
DIRECTORIES = ("bin", "dev", "proc", "sys", "tmp", "root", "etc")
LAB_DIRECTORIES = ("lab", "lab/bin", "lab/kvm")
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    ".ko": bytes, ".ko.xz": lzma.decompress, ".ko.gz": gzip.decompress}


class Archive:
    """This writes a cpio archive in the form "newc", which the kernel unpacks."""

    def __init__(self, out: BinaryIO | gzip.GzipFile):
        self.out = out
        self.inode = 0
        self.known: set[str] = set()

    def _entry(self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        for part in (header + encoded, data):
            self.out.write(part + b"\0" * (-len(part) % 4))

    def directory(self, name: str) -> None:
        # The kernel makes no parent folders, and silently drops what lies below a missing one.
        if name and name not in self.known:
            self.directory(os.path.dirname(name))
            self.known.add(name)
            self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, data: bytes, mode: int) -> None:
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def symlink(self, name: str, target: str) -> None:
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name: str, major: int, minor: int) -> None:
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def finish(self) -> None:
        self._entry("TRAILER!!!", 0)


def read(path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as source:
            return source.read()
    except OSError as error:
        raise LabError(f"can't read {path}: {error.strerror}") from error


def modules_in(directory: str | os.PathLike[str]) -> dict[str, bytes]:
    """Return {module name: contents}; names have "-", as the files have."""
    try:
        entries = sorted(os.listdir(directory))
    except OSError as error:
        raise LabError(f"--kvm: can't read {directory}: {error.strerror}") from error
    found = {}
    for entry in entries:
        name, dot, suffix = entry.partition(".")
        unpack = UNPACK.get(dot + suffix)
        if unpack:
            found[name.replace("_", "-")] = unpack(read(os.path.join(directory, entry)))
    return found


def dependencies(module: bytes) -> list[str]:
    """Return the modules that MODULE needs, by its section .modinfo."""
    match = re.search(rb"\0depends=([^\0]*)\0", module)
    names = match.group(1).decode().split(",") if match else []
    return [name.replace("_", "-") for name in names if name]


def load_order(modules: Mapping[str, bytes], name: str, directory: str | os.PathLike[str],
               needed_by: str | None = None) -> list[str]:
    """List what NAME depends on, each after what it needs itself, and then NAME."""
    if name not in modules:
        reason = f"{needed_by}.ko needs it" if needed_by else "there is no KVM without it"
        raise LabError(f"--kvm: {directory} holds no {name}.ko, and {reason}: copy it there")
    order = []
    for needed in dependencies(modules[name]):
        for module in load_order(modules, needed, directory, name):
            if module not in order:
                order.append(module)
    return order + [name]


def add_kvm_set(archive, lab, set_name, directory):
    modules = modules_in(directory)
    order = load_order(modules, MACHINES[lab].VENDOR_MODULE, directory)
    for name in order:
        archive.file(f"lab/kvm/{set_name}/{name}.ko", modules[name], 0o644)
    archive.file(f"lab/kvm/{set_name}/order", "\n".join(order + [""]).encode(), 0o644)


def add_system(archive, options):
    """Add the small system that the lab boots if it is given none."""
    for name in DIRECTORIES:
        archive.directory(name)
    # The kernel opens the console before /init can mount anything on /dev.
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", read(options.busybox), 0o755)
    archive.symlink("bin/sh", "busybox")
    archive.file("init", read(os.path.join(GUEST, "init")), 0o755)


def add_lab(archive, options):
    for name in LAB_DIRECTORIES:
        archive.directory(name)
    for name in ("checks", "cpu", "session", "tests", "with-kvm"):
        archive.file(f"lab/{name}", read(os.path.join(GUEST, name)), 0o755)
    if options.command:
        archive.file("lab/command", ("exec " + shlex.join(options.command) + "\n").encode(), 0o644)
    archive.file("lab/vendor-parameters",
                 MACHINES[options.lab].VENDOR_PARAMETERS.encode() + b"\n", 0o644)
    for set_name, directory in options.kvm:
        add_kvm_set(archive, options.lab, set_name, directory)
    for source, destination in options.file:
        mode = stat.S_IMODE(os.stat(source).st_mode) if os.path.exists(source) else 0
        archive.file(destination.lstrip("/"), read(source), mode)


def build(options: Any, path: str) -> None:
    """Write the initramfs; a file called PATH is always a whole one."""
    partial = path + ".partial"
    try:
        with open(partial, "wb") as out:
            archive = Archive(out)
            if not options.initrd:
                add_system(archive, options)
            add_lab(archive, options)
            archive.finish()
            # The kernel unpacks both archives, one after the other.
            out.write(read(options.initrd) if options.initrd else b"")
        os.rename(partial, path)
    except OSError as error:
        raise LabError(f"can't write {path}: {error.strerror}") from error
    finally:
        if os.path.exists(partial):
            os.unlink(partial)
