# SPDX-License-Identifier: GPL-2.0-only
"""A debug kernel from Debian's source, small enough to be built and emulated.

It lies in the cache beside Debian's own, in the same form: "debug" holds the
kernel, its configuration, its symbol versions and its KVM modules.  What
debug.config or the source becomes decides whether it has to be built anew.
"""
import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from console import JobError, say, step
from debian import STOCK_MODULES

FLAVOUR = "debug"
CONFIG = Path(__file__).with_name("debug.config")


def wanted(config):
    return [line for line in config.splitlines() if line.startswith("CONFIG_")]


def check_config(config, asked):
    """Options that depend on others go away in silence."""
    lines = set(config.splitlines())
    lost = [line for line in asked if not line.endswith("=n") and line not in lines]
    if lost:
        raise JobError(f"tools/kernel/debug.config: this kernel doesn't take {', '.join(lost)};"
                       " add what they depend on")


def release(home):
    """The kernel release, from a version such as 6.12.117-1_deb12u1."""
    return home.name.split("-")[0] + "-debug"


def compile_kernel(home, build):
    log = home / "debug.log"
    base = ["make", "-C", str(home / "source"), f"O={build}"]
    step("configuring the debug kernel",
         [*base, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig"], log)
    check_config((build / ".config").read_text(), wanted(CONFIG.read_text()))
    say("the debug kernel takes 10 minutes on 2 cores, once")
    step("building the debug kernel", ["nice", *base, f"-j{os.cpu_count()}",
                                       f"KERNELRELEASE={release(home)}", "bzImage", "modules"],
         log)


def collect(home, build, whole):
    (whole / "stock").mkdir(parents=True)
    shutil.copy(build / "arch/x86/boot/bzImage", whole / "vmlinuz")
    shutil.copy(build / ".config", whole / "config")
    shutil.copy(build / "Module.symvers", whole)
    for path in sorted(build.rglob("*.ko")):
        if path.stem in STOCK_MODULES:
            shutil.copy(path, whole / "stock")
    (whole / "release").write_text(release(home) + "\n")


def fetch(home):
    """Have the debug kernel in HOME, the cache's folder of one version."""
    key = hashlib.sha256(CONFIG.read_bytes()).hexdigest()
    stamp = home / FLAVOUR / "key"
    # A lock of its own: other jobs need not wait for a kernel.
    with open(home / "debug.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == key:
            return
        shutil.rmtree(home / FLAVOUR, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=home) as tmp:
            build, whole = Path(tmp) / "build", Path(tmp) / "whole"
            build.mkdir()
            compile_kernel(home, build)
            collect(home, build, whole)
            (whole / "key").write_text(key)
            whole.rename(home / FLAVOUR)
