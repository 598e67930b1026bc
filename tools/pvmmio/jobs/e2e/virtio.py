# SPDX-License-Identifier: GPL-2.0-only
"""Fetch the modules of Debian's kernel by which guest and host of an end-to-end run do I/O.

usage: virtio.py BUILT

BUILT is a folder that pvmmio/build/kernel.py made; fills BUILT/virtio.
"""
import sys
from pathlib import Path

from pvmmio.build import more_modules
from pvmmio.console import main

# Those for the guest, and for its host.
NAMES = ("virtio_net", "virtio_blk", "virtio-rng", "tun", "vhost_net")


def run(argv):
    more_modules.fetch(Path(argv[0]).resolve(), "virtio", NAMES)
    return 0


if __name__ == "__main__":
    main(run, sys.argv[1:], (1,), __doc__)
