# SPDX-License-Identifier: GPL-2.0-only
"""Fetch modules of Debian's kernel that KVM doesn't need, and a job does.

All as Debian has signed them, with the kernel, for a job that boots under Secure
Boot, too.  They go beside what the kernel was built from, and to the folder of what was built.
"""
import shutil
from collections.abc import Iterable
from pathlib import Path

from pvmmio.build import debian, overlay
from pvmmio.console import JobError
from pvmmio.lab import initramfs


def modules_below(raw: Path) -> dict[str, Path]:
    """{module name: path} of the image that lies unpacked in RAW."""
    return {path.name.split(".")[0].replace("_", "-"): path
            for path in debian.image_modules(raw)}


def unpack(raw: Path, names: Iterable[str], where: Path) -> None:
    """Copy the modules NAMES of the image in RAW, and those that they need, to WHERE."""
    found, wanted = modules_below(raw), [name.replace("_", "-") for name in names]
    taken: set[str] = set()
    where.mkdir()
    while wanted:
        name = wanted.pop()
        if name in taken:
            continue
        if name not in found:
            raise JobError(f"Debian's image has no module {name}; take another flavour")
        taken.add(name)
        debian.unpack_module(found[name], where)
        contents = (where / found[name].name.removesuffix(".xz")).read_bytes()
        wanted += [needed for needed in initramfs.dependencies(contents) if needed in found]


def fetch_to_cache(home, release, where, names, signed):
    package = f"linux-image-{release}" if signed else debian.modules_package(release)
    versions = [version for version in debian.offered(package)
                if debian.home_of(version).name == home.name]
    if not versions:
        raise JobError(f"Debian offers no {package} of the version that was built; run"
                       " 'make build', or with KERNEL_VERSION= an older one")
    with debian.unfinished(home) as tmp:
        raw, whole = tmp / "raw", tmp / "whole"
        raw.mkdir()
        debian.download([package], versions[0], raw, where.with_suffix(".log"))
        unpack(raw, names, whole)
        if signed:
            shutil.copy(raw / f"boot/vmlinuz-{release}", whole / "vmlinuz")
        whole.rename(where)


def fetch(built: Path, what: str, names: Iterable[str], signed: bool = False) -> None:
    """Fill BUILT/WHAT, BUILT being what pvmmio/build/kernel.py made, with the modules NAMES.

    If SIGNED, they are those for Secure Boot, and the kernel is there, too.
    """
    home = Path((built / "source").read_text()).parent
    release = (built / "release").read_text().strip()
    cached = home / f"{built.name}-{what}"
    with debian.cache_lock():
        if not cached.exists():
            fetch_to_cache(home, release, cached, names, signed)
    for path in cached.iterdir():
        overlay.write_if_changed(built / what / path.name, path.read_bytes())
