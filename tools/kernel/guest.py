#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Build the module for stock guests against Debian's own headers.

usage: guest.py BUILD SERIES VERSION FLAVOUR

Fills BUILD/FLAVOUR/guest: the module, the virtio modules of Debian's kernel
below "modules", and below "test" a module for its tests.  What is fetched for
it goes beside what debian.py fetches.
"""
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "overlay"))

import debian
import overlay
from console import JobError, main, say, step

REPO = Path(__file__).resolve().parents[2]
MODULE = "virtio_pci_pv_notify"
SOURCES = {
    f"{MODULE}.c": f"drivers/virtio/{MODULE}.c",
    "include/linux/kvm_pv_mmio_guest.h": "include/linux/kvm_pv_mmio_guest.h",
    "include/uapi/linux/kvm_pv_mmio.h": "include/uapi/linux/kvm_pv_mmio.h",
}
TEST_SOURCES = {**SOURCES, "without_livepatch.c": "tools/e2e/guest/without_livepatch.c"}
# Debian's modules for the two kernels of an end-to-end run, with what they need.
STOCK_MODULES = ("failover", "net_failover", "virtio_net", "virtio_blk", "virtio-rng",
                 "vhost_iotlb", "vhost", "tap", "tun", "vhost_net")


def place_headers(raw, name):
    """Debian's headers work below any folder, but for one absolute path."""
    common = name.removesuffix(f"-{flavour_suffix(name)}") + "-common"
    makefile = raw / f"usr/src/linux-headers-{name}/Makefile"
    makefile.write_text("include $(dir $(lastword $(MAKEFILE_LIST)))../linux-headers-"
                        f"{common}/Makefile\n")
    (raw / "headers").symlink_to(f"usr/src/linux-headers-{name}")


def flavour_suffix(name):
    """Debian's name of the flavour in the kernel release NAME: the longest that fits."""
    return max((suffix for suffix in debian.FLAVOURS.values() if name.endswith(f"-{suffix}")),
               key=len)


def place_modules(raw, name):
    (raw / "modules").mkdir()
    for path in sorted((raw / f"lib/modules/{name}").rglob("*.ko*")):
        if path.name.split(".")[0] in STOCK_MODULES:
            debian.unpack_module(path, raw / "modules")


def fetch_guest(version, flavour, name, home):
    """Debian's headers as "headers", its modules as "modules", in a folder of HOME."""
    where = home / f"{flavour}-guest"
    if where.exists():
        return where
    base = name.removesuffix(f"-{flavour_suffix(name)}")
    with tempfile.TemporaryDirectory(dir=home) as tmp:
        raw = Path(tmp) / "raw"
        raw.mkdir()
        debian.download([f"linux-image-{name}-unsigned", f"linux-headers-{name}",
                         f"linux-headers-{base}-common", f"linux-kbuild-{base}"],
                        version, raw, home / f"{flavour}-guest.log")
        place_headers(raw, name)
        place_modules(raw, name)
        for unused in ("boot", "lib"):
            shutil.rmtree(raw / unused)
        raw.rename(where)
    return where


def build_module(headers, out, sources, module, log):
    """Warnings are errors, as for all that is ours."""
    for target, source in sources.items():
        overlay.write_if_changed(out / target, (REPO / source).read_bytes())
    overlay.write_if_changed(out / "Kbuild", f"obj-m := {module}.o\n"
                             "ccflags-y := -I$(src)/include -Werror\n".encode())
    step(f"building {module}.ko", ["make", f"-j{os.cpu_count()}", "-C", str(headers),
                                   f"M={out}", "W=1", "modules"], log)


def build(argv):
    if len(argv) != 4:
        say(__doc__.strip())
        return 2
    where, series, wanted, flavour = Path(argv[0]).resolve(), *argv[1:]
    home = debian.fetch(series, wanted, flavour)
    name = (home / flavour / "release").read_text().strip()
    version = debian.resolve(series, wanted, flavour)
    with debian.cache_lock():
        stock = fetch_guest(version, flavour, name, home)
    if "CONFIG_LIVEPATCH=y\n" not in (home / flavour / "config").read_text():
        raise JobError(f"FLAVOUR={flavour}: {name} has no livepatch (CONFIG_LIVEPATCH); take"
                       " another flavour, such as cloud")
    out = where / flavour / "guest"
    for path in (stock / "modules").glob("*.ko"):
        overlay.write_if_changed(out / "modules" / path.name, path.read_bytes())
    logs = where / flavour / "logs"
    build_module(stock / "headers", out, SOURCES, MODULE, logs / "guest.log")
    build_module(stock / "headers", out / "test", TEST_SOURCES, "without_livepatch",
                 logs / "guest-test.log")
    say(f"module for guests with {name}: {out / MODULE}.ko")
    return 0


if __name__ == "__main__":
    main(build, sys.argv[1:])
