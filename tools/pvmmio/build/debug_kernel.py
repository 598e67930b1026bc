# SPDX-License-Identifier: GPL-2.0-only
"""Debug kernels from Debian's source, small enough to be built and emulated.

They lie in the cache beside Debian's own, in the same form: "debug" holds the
kernel, its configuration, its symbol versions and its KVM modules.  What
small.config, FLAVOUR.config or the source becomes decides whether one has to be
built anew.
"""
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from pvmmio.build.debian import STOCK_MODULES, clean, unfinished
from pvmmio.console import JobError, say, step

FLAVOURS = ("debug", "kcsan")
# Which sanitizers a flavour has, and which of the kernel's own objects work on data of ours.
# All else of the kernel does without, which makes it quicker to build and to emulate;
# and KCSAN there would report races that aren't ours.
SANITIZERS = {"debug": ("KASAN", "UBSAN"), "kcsan": ("KCSAN",)}
SHARED = {"debug": ("eventfd.o", "list_sort.o", "srcutree.o", "tree.o", "usercopy.o"),
          "kcsan": ("svm.o", "vmx.o", "eventfd.o")}
# No emulator has decode assists, so these kernels fake them.  Users' modules have no fake.
FAKE_ASSISTS = "CFLAGS_svm/svm_pv_mmio.o=-DKVM_PV_MMIO_FAKE_ASSISTS"
# For Debian's flavours: the kernel doesn't want it with sanitizers, which need larger frames.
WERROR = "CONFIG_KVM_WERROR=y"


def sanitized(flavour: str, objects: Iterable[str]) -> list[str]:
    """Return what make is told for FLAVOUR's sanitizers in OBJECTS and nowhere else."""
    return [option for name in SANITIZERS[flavour]
            for option in (f"{name}_SANITIZE=n",
                           *(f"{name}_SANITIZE_{which}=y" for which in sorted(objects)))]


def kernel_options(flavour):
    """Return the options with which make builds the kernel."""
    return sanitized(flavour, SHARED[flavour])


def kvm_options(flavour: str, repo: Path) -> list[str]:
    """Return the options with which make builds our KVM; REPO has its sources."""
    if flavour == "debug":
        return [FAKE_ASSISTS]
    if flavour != "kcsan":
        return [WERROR]
    ours = [path for where in ("arch/x86/kvm", "virt/kvm") for path in (repo / where).rglob("*.c")]
    return sanitized(flavour, {*SHARED[flavour], *(path.with_suffix(".o").name for path in ours)})


def config_of(flavour):
    return "".join(Path(__file__).with_name(f"{name}.config").read_text()
                   for name in ("small", flavour))


def wanted(config):
    """Return the options that are asked for; of two lines for one, the later counts."""
    lines = (line for line in config.splitlines() if line.startswith("CONFIG_"))
    return list({line.split("=")[0]: line for line in lines}.values())


def check_config(flavour, config, asked):
    """Refuse a configuration that lacks options that were asked for.

    make silently drops an option if another one that it depends on is off.
    """
    lines = set(config.splitlines())
    lost = [line for line in asked if not line.endswith("=n") and line not in lines]
    if lost:
        raise JobError(f"tools/pvmmio/build/{flavour}.config: this kernel doesn't take"
                       f" {', '.join(lost)}; add what they depend on")


def release(home, flavour):
    """Return the kernel release, from a version such as 6.12.117-1_deb12u1."""
    return f"{home.name.split('-')[0]}-{flavour}"


def compile_kernel(home, flavour, build):
    log = home / f"{flavour}.log"
    asked = build / "asked.config"
    asked.write_text(config_of(flavour))
    base = ["make", "-C", str(home / "source"), f"O={build}"]
    step(f"configuring the {flavour} kernel",
         [*base, f"KCONFIG_ALLCONFIG={asked}", "allnoconfig"], log)
    check_config(flavour, (build / ".config").read_text(), wanted(asked.read_text()))
    say(f"the {flavour} kernel takes minutes, once")
    step(f"building the {flavour} kernel",
         ["nice", *base, f"-j{os.cpu_count()}", f"KERNELRELEASE={release(home, flavour)}",
          *kernel_options(flavour), "bzImage", "modules"], log)


def collect(home, flavour, build, whole):
    (whole / "stock").mkdir(parents=True)
    shutil.copy(build / "arch/x86/boot/bzImage", whole / "vmlinuz")
    shutil.copy(build / ".config", whole / "config")
    shutil.copy(build / "Module.symvers", whole)
    for path in sorted(build.rglob("*.ko")):
        if path.stem in STOCK_MODULES:
            shutil.copy(path, whole / "stock")
    (whole / "release").write_text(release(home, flavour) + "\n")


def fetch(home: Path, flavour: str) -> None:
    """Have the kernel FLAVOUR in HOME, the cache's folder of one version."""
    key = hashlib.sha256(repr((config_of(flavour), kernel_options(flavour))).encode()).hexdigest()
    stamp = home / flavour / "key"
    # It has a lock of its own, so that other jobs need not wait for a kernel.
    with open(home / "debug.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == key:
            return
        shutil.rmtree(home / flavour, ignore_errors=True)
        # It is built below a folder that only this lock's owner cleans.
        where = home / "debug-builds"
        where.mkdir(exist_ok=True)
        clean(where)
        with unfinished(where) as tmp:
            build, whole = tmp / "build", tmp / "whole"
            build.mkdir()
            compile_kernel(home, flavour, build)
            collect(home, flavour, build, whole)
            (whole / "key").write_text(key)
            whole.rename(home / flavour)
