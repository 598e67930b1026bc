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
from pathlib import Path

from pvmmio.build.debian import STOCK_MODULES, clean, unfinished
from pvmmio.console import JobError, say, step

FLAVOURS = ("debug", "kcsan")
# Besides our own, the objects that share data with them.  KCSAN everywhere would
# tell of races that are the kernel's, and no emulator could carry it.
SHARED = ("svm.o", "vmx.o", "eventfd.o")
# No emulator has decode assists.  What users load has no fake of them.
FAKE_ASSISTS = "CFLAGS_svm/svm_pv_mmio.o=-DKVM_PV_MMIO_FAKE_ASSISTS"


def race_options(objects):
    """What make needs for KCSAN in OBJECTS and nowhere else."""
    return ["KCSAN_SANITIZE=n", *(f"KCSAN_SANITIZE_{name}=y" for name in sorted(objects))]


def kernel_options(flavour):
    """With what make builds the kernel."""
    return race_options(SHARED) if flavour == "kcsan" else []


def kvm_options(flavour, repo):
    """With what make builds our KVM; REPO has its sources."""
    if flavour == "debug":
        return [FAKE_ASSISTS]
    if flavour != "kcsan":
        return []
    ours = [path for where in ("arch/x86/kvm", "virt/kvm") for path in (repo / where).rglob("*.c")]
    return race_options({*SHARED, *(path.with_suffix(".o").name for path in ours)})


def config_of(flavour):
    return "".join(Path(__file__).with_name(f"{name}.config").read_text()
                   for name in ("small", flavour))


def wanted(config):
    """The options that are asked for; of two lines for one, the later counts."""
    lines = (line for line in config.splitlines() if line.startswith("CONFIG_"))
    return list({line.split("=")[0]: line for line in lines}.values())


def check_config(flavour, config, asked):
    """Options that depend on others go away in silence."""
    lines = set(config.splitlines())
    lost = [line for line in asked if not line.endswith("=n") and line not in lines]
    if lost:
        raise JobError(f"tools/pvmmio/build/{flavour}.config: this kernel doesn't take"
                       f" {', '.join(lost)}; add what they depend on")


def release(home, flavour):
    """The kernel release, from a version such as 6.12.117-1_deb12u1."""
    return f"{home.name.split('-')[0]}-{flavour}"


def compile_kernel(home, flavour, build):
    log = home / f"{flavour}.log"
    asked = build / "asked.config"
    asked.write_text(config_of(flavour))
    base = ["make", "-C", str(home / "source"), f"O={build}"]
    step(f"configuring the {flavour} kernel",
         [*base, f"KCONFIG_ALLCONFIG={asked}", "allnoconfig"], log)
    check_config(flavour, (build / ".config").read_text(), wanted(asked.read_text()))
    say(f"the {flavour} kernel takes 10 minutes on 2 cores, once")
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


def fetch(home, flavour):
    """Have the kernel FLAVOUR in HOME, the cache's folder of one version."""
    key = hashlib.sha256(repr((config_of(flavour), kernel_options(flavour))).encode()).hexdigest()
    stamp = home / flavour / "key"
    # A lock of its own: other jobs need not wait for a kernel.
    with open(home / "debug.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == key:
            return
        shutil.rmtree(home / flavour, ignore_errors=True)
        # Below a folder that only this lock's owner cleans.
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
