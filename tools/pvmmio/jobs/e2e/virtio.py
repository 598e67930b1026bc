# SPDX-License-Identifier: GPL-2.0-only
"""Fetch the modules of Debian's kernel by which guest and host of an end-to-end run do I/O.

usage: virtio.py BUILT

BUILT is a folder that pvmmio/build/kernel.py made; fills BUILT/virtio.  What is
fetched for it goes beside what the kernel was built from.
"""
import sys
import tempfile
from pathlib import Path

from pvmmio.build import debian, overlay
from pvmmio.console import JobError, main

# Those for the guest and for its host, and what they need.
NAMES = ("failover", "net_failover", "virtio_net", "virtio_blk", "virtio-rng", "vhost_iotlb",
         "vhost", "tap", "tun", "vhost_net")


def unpack(raw, where):
    """Copy the modules NAMES of the image that lies unpacked in RAW."""
    where.mkdir()
    for path in sorted((raw / "lib/modules").rglob("*.ko*")):
        if path.name.split(".")[0] in NAMES:
            debian.unpack_module(path, where)


def fetch(home, release, flavour):
    """The folder of HOME, which caches one version, with the modules of its RELEASE."""
    where = home / f"{flavour}-virtio"
    if where.exists():
        return where
    package = f"linux-image-{release}-unsigned"
    versions = [version for version in debian.offered(package)
                if debian.home_of(version).name == home.name]
    if not versions:
        raise JobError(f"FLAVOUR={flavour}: Debian offers no {package}; take another flavour,"
                       " such as cloud")
    with tempfile.TemporaryDirectory(dir=home) as tmp:
        raw, whole = Path(tmp) / "raw", Path(tmp) / "whole"
        raw.mkdir()
        debian.download([package], versions[0], raw, home / f"{flavour}-virtio.log")
        unpack(raw, whole)
        whole.rename(where)
    return where


def run(argv):
    built = Path(argv[0]).resolve()
    home = Path((built / "source").read_text()).parent
    release = (built / "release").read_text().strip()
    with debian.cache_lock():
        cached = fetch(home, release, built.name)
    for path in cached.glob("*.ko"):
        overlay.write_if_changed(built / "virtio" / path.name, path.read_bytes())
    return 0


if __name__ == "__main__":
    main(run, sys.argv[1:], (1,), __doc__)
