# SPDX-License-Identifier: GPL-2.0-only
"""Boot Debian with systemd on the emulated AMD machine, and use our KVM there as people do.

usage: boot.py BUILT SERIES VERSION

BUILT is a folder that pvmmio/build/kernel.py made for the kernel SERIES, VERSION.  In
that system: "make load" and "make unload", pv-mmio, kvm_stat, perf and trace-cmd.
"""
import sys
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import debian
from pvmmio.console import JobError, main
from pvmmio.jobs import machines
from pvmmio.jobs.debian import system
from pvmmio.jobs.modules import modules
from pvmmio.jobs.reader import Reader
from pvmmio.tally import Tally

# Three minutes on a machine of its own.
TIMEOUT = 900
PROGRAMS = ("doorbell_bench", "pv_mmio_diff_test")


def lab_files(home, built, release):
    """Options for lab.py that bring what the checks use to /lab."""
    ours = built.parent / "modules" / release
    modules.collect(built, ours, release)
    # What "make load" takes, as in a checkout.
    places = {path: f"/lab/repo/build/modules/{release}/{path.name}"
              for path in sorted(ours.iterdir())}
    places |= {REPO / name: f"/lab/repo/{name}"
               for name in ("Makefile", "tools/host/kvm-modules")}
    places |= {path: f"/lab/bin/{path.name}" for path in (
        built / "tools/pv-mmio", home / "source/tools/kvm/kvm_stat/kvm_stat",
        *(built / "tests" / name for name in PROGRAMS))}
    return [f"--file={source}:{place}" for source, place in places.items()]


def run(argv):
    built, (series, wanted) = Path(argv[0]).resolve(), argv[1:]
    if built.name not in debian.FLAVOURS:
        raise JobError(f"FLAVOUR={built.name}: Debian has no such kernel to boot; there is"
                       f" {', '.join(debian.FLAVOURS)}")
    home = debian.fetch(series, wanted, built.name)
    version = debian.resolve(series, wanted, built.name)
    release = (built / "release").read_text().strip()
    image = system.fetch(home, version, built.name, release)
    tally = Tally()
    machines.run(tally, Reader(tally, " Debian"), machines.fit("test-debian"), built,
                 Path(__file__).with_name("in-lab"),
                 [], ["--timeout", str(TIMEOUT), f"--disk={image / 'disk'}",
                      f"--initrd={image / 'initrd'}", *lab_files(home, built, release)], " Debian")
    return tally.finish()


if __name__ == "__main__":
    main(run, sys.argv[1:], (3,), __doc__)
