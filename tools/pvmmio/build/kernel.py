# SPDX-License-Identifier: GPL-2.0-only
"""Fetch Debian's kernel, lay the overlay on it, build our modules and tests.

usage: kernel.py BUILD SERIES VERSION FLAVOUR

Fills BUILD/FLAVOUR: "linux" is the kernel's source with the overlay on it,
"kvm/stock" and "kvm/patched" are the two sets of modules, "vmlinuz" is Debian's
kernel, "release" its name, "tests" are the selftests, "tools" is what users run.
VERSION "" is the newest.  A warning of the compiler is an error
if the kernel is Debian's.
"""
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import debian, debug_kernel, overlay
from pvmmio.build.cocci import OverlayError
from pvmmio.console import JobError, main, say, step

SELFTESTS = overlay.SELFTESTS

# Debian patches the rt flavour's source, and its source package doesn't bring
# the patch.  KVM is the same; of the rest modules see only headers, which
# Debian offers, and these symbols, for which the source as it is has no Kconfig.
RT_SYMBOLS = ("ARCH_HAS_PREEMPT_LAZY", "PREEMPT_LAZY", "PREEMPT_BUILD", "PREEMPT_DYNAMIC",
              "KVM_EXTERNAL_WRITE_TRACKING")
# No C code sees whether the kernel has Rust, which takes a compiler of its own.
RUST = re.compile("CONFIG_RUST(_|=)")
# What depends on the patch and isn't seen by KVM.
RT_DRIVERS = re.compile("CONFIG_(DRM_|HDMI_LPE_AUDIO|INTEL_MEI_GSC_PROXY|VFIO_MDEV|UNINLINE_SPIN)")


def make(what: str, tree: Path, log: Path, *arguments: str) -> None:
    """Run make with ARGUMENTS in TREE, beside which is the file "release"; see step()."""
    release = (tree.parent / "release").read_text().strip()
    step(what, ["make", f"-j{os.cpu_count()}", f"KERNELRELEASE={release}", *arguments],
         log, cwd=tree)


def lay_overlay(home, tree):
    """Bring TREE up to date; another kernel than last time starts afresh."""
    source = (home / "source").resolve()
    origin = tree.parent / "source"
    had = Path(origin.read_text()) if origin.exists() else source
    # The same version in another cache is the same source.
    if tree.exists() and had.parent.name != source.parent.name:
        say(f"{tree} is of {had.parent.name}: making it anew of {source.parent.name}")
        shutil.rmtree(tree, ignore_errors=True)
    tree.parent.mkdir(parents=True, exist_ok=True)
    origin.write_text(str(source))
    try:
        overlay.lay(REPO, source, tree)
    except OverlayError as error:
        raise JobError(str(error)) from None


def lay_flavour(flavour_home, tree):
    """What the flavour has otherwise than the source, see RT_SYMBOLS."""
    headers = flavour_home / "headers"
    for path in sorted(headers.rglob("*.h")):
        overlay.write_if_changed(tree / path.relative_to(headers), path.read_bytes())
    if flavour_home.name == "rt":
        pristine = flavour_home.parent / "source/Kconfig"
        more = "".join(f"\nconfig {name}\n\tdef_bool y\n" for name in RT_SYMBOLS)
        overlay.write_if_changed(tree / "Kconfig", pristine.read_bytes() + more.encode())


def check_config(config, tree):
    """A build tool that is missing makes symbols vanish, and then nothing loads."""
    enabled = {line for line in config.decode().splitlines()
               if line.endswith(("=y", "=m"))}
    lost = sorted(enabled - set((tree / ".config").read_text().splitlines()))
    lost = [line for line in lost if not RUST.match(line)]
    if tree.parent.name == "rt":
        lost = [line for line in lost if not RT_DRIVERS.match(line)]
    if lost:
        raise JobError(f"the kernel's configuration lost {', '.join(lost[:3])}; a build tool"
                       " is missing: run 'make packages'")


def prepare(flavour_home, tree, logs):
    """Configure as Debian did, plus our symbols, and make what modules need."""
    stamp = tree / ".prepared"
    config = (flavour_home / "config").read_bytes()
    kconfig = (tree / "arch/x86/kvm/Kconfig.pv_mmio").read_bytes()
    if stamp.exists() and stamp.read_bytes() == config + kconfig:
        return
    stamp.unlink(missing_ok=True)
    (tree / ".config").write_bytes(config)
    shutil.copy(flavour_home / "Module.symvers", tree)
    make("preparing the kernel's tree", tree, logs / "prepare.log",
         "olddefconfig", "modules_prepare")
    check_config(config, tree)
    stamp.write_bytes(config + kconfig)


def built_modules(tree: Path) -> list[Path]:
    """Where our modules are in TREE after "make modules" there."""
    return [tree / "arch/x86/kvm" / name for name in ("kvm.ko", "kvm-intel.ko", "kvm-amd.ko")]


def collect_modules(flavour_home, tree, kvm):
    """Put both sets in place: Debian's own, and ours with what it depends on."""
    ours = {path.name: path for path in built_modules(tree)}
    for stock in (flavour_home / "stock").glob("*.ko"):
        place(stock, kvm / "stock" / stock.name)
        place(ours.get(stock.name, stock), kvm / "patched" / stock.name)


def place(source: Path, target: Path) -> None:
    """Copy the module SOURCE without debug information, if it is newer."""
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    subprocess.run(["strip", "--strip-debug", "-o", str(partial), str(source)], check=True)
    partial.rename(target)


def place_programs(sources: Iterable[Path], built: Path, out: Path) -> None:
    """Copy what became of SOURCES from BUILT to OUT; nothing else stays there."""
    programs = {source.stem for source in sources}
    for name in programs:
        overlay.write_if_changed(out / name, (built / name).read_bytes())
        (out / name).chmod(0o755)
    # Of one that's gone, jobs would run what is left.
    for name in {path.name for path in out.iterdir()} - programs:
        (out / name).unlink()


def build_selftests(tree, out, logs):
    """Our programs, static: the lab has no libraries."""
    make("installing the kernel's headers", tree, logs / "headers.log", "headers_install")
    make("building our selftests", tree, logs / "selftests.log", "-C", SELFTESTS,
         "USERCFLAGS=-Werror", "USERLDFLAGS=-static", "pv_mmio")
    built = tree / SELFTESTS / overlay.arch(overlay.series_of(tree))
    place_programs((REPO / SELFTESTS / "x86_64").glob("*.c"), built, out)


def build_tools(includes: Iterable[str], out: Path, logs: Path) -> None:
    """Static too: they are to run on any host.  INCLUDES tell gcc of the kernel's headers."""
    program = out / "pv-mmio"
    out.mkdir(parents=True, exist_ok=True)
    partial = program.with_suffix(".partial")
    step("building pv-mmio", ["gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror",
                              *includes, "-o", str(partial),
                              *map(str, sorted((REPO / "tools/pv-mmio").glob("*.c")))],
         logs / "tools.log")
    partial.rename(program)


def build_example(out, logs):
    """The whole VMM of the documentation, as it says there."""
    partial = out / "small-vmm.partial"
    step("building small-vmm", ["gcc", "-static", "-Wall", "-Wextra", "-Werror", "-I",
                                str(REPO / "include/uapi"), "-o", str(partial),
                                str(REPO / "tools/pvmmio/docs/small_vmm.c")],
         logs / "example.log")
    partial.rename(out / "small-vmm")


def build(argv):
    where, (series, version, flavour) = Path(argv[0]).resolve(), argv[1:]
    debian.check_path(where, "this folder")
    # Debug kernels are built from what the default one came with.
    own = flavour in debug_kernel.FLAVOURS
    home = debian.fetch(series, version, "cloud" if own else flavour)
    if own:
        debug_kernel.fetch(home, flavour)
    out = where / flavour
    with debian.cache_lock(out / "lock"):
        build_flavour(home, flavour, out)
    return 0


def build_flavour(home, flavour, out):
    tree, logs = out / "linux", out / "logs"
    lay_overlay(home, tree)
    lay_flavour(home / flavour, tree)
    for name in ("release", "vmlinuz"):
        overlay.write_if_changed(out / name, (home / flavour / name).read_bytes())
    prepare(home / flavour, tree, logs)
    make("building KVM", tree, logs / "modules.log", "M=arch/x86/kvm",
         *debug_kernel.kvm_options(flavour, REPO), "modules")
    collect_modules(home / flavour, tree, out / "kvm")
    build_selftests(tree, out / "tests", logs)
    build_tools(["-I", str(tree / "usr/include")], out / "tools", logs)
    build_example(out / "tools", logs)


if __name__ == "__main__":
    main(build, sys.argv[1:], (4,), __doc__)
