# SPDX-License-Identifier: GPL-2.0-only
"""The stick's initramfs: the lab's small system, with both vendors' KVM and USB drivers."""
import gzip
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

from pvmmio.jobs.bench import bench, table
from pvmmio.jobs.e2e.images import order
from pvmmio.lab import initramfs
from pvmmio.lab.known import MACHINES

GUEST = Path(__file__).with_name("guest")
BUSYBOX = "/bin/busybox"
# Debian's kernel and drivers, signed: under Secure Boot they run as well.
SIGNED = "signed"
# USB, what is stored there, and a keyboard: nothing that reaches a disk of the machine's.
DRIVERS = ("xhci-pci", "ehci-pci", "ohci-pci", "uhci-hcd", "usb-storage", "uas", "sd-mod", "vfat",
           "nls-cp437", "nls-ascii", "usbhid", "hid-generic")


def add_modules(archive: initramfs.Archive, folder: Path, place: str, wanted: Iterable[str],
                order_name: str = "order") -> None:
    """Put the modules WANTED of FOLDER to PLACE, with all that they need, and a file ORDER_NAME."""
    modules = initramfs.modules_in(folder)
    names = order(modules, wanted, folder)
    for name in names:
        archive.file(f"{place}/{name}.ko", modules[name], 0o644)
    archive.file(f"{place}/{order_name}", "".join(f"{name}\n" for name in names).encode(), 0o644)


def add_kvm(archive, built):
    """Which vendor's modules are loaded is known when the stick boots."""
    for kvm_set in ("stock", "patched"):
        for machine in MACHINES.values():
            add_modules(archive, built / "kvm" / kvm_set, f"lab/kvm/{kvm_set}",
                        [machine.VENDOR_MODULE], f"order.{machine.VENDOR_MODULE}")


def cases():
    """What the table has of each case beside the figures."""
    rows = [(name, how, seed) for name, (how, seed) in table.CASES.items()]
    rows += [(name, how, None) for more in (table.OTHER_STORES, table.NO_DOORBELLS)
             for name, how in more.items()]
    return "".join(f"{name}\t{seed or '-'}\t{how}\n" for name, how, seed in rows)


def add_stick(archive):
    for path in sorted(GUEST.iterdir()):
        place = "lab" if path.name == "session" else "lab/stick"
        archive.file(f"{place}/{path.name}", path.read_bytes(), 0o755)
    archive.file("lab/stick/bench", bench.SCRIPT.read_bytes(), 0o755)
    archive.file("lab/stick/cases", cases().encode(), 0o644)
    archive.file("lab/with-kvm", Path(initramfs.GUEST, "with-kvm").read_bytes(), 0o755)


def write(built: Path, programs: Iterable[Path], path: Path, level: int) -> None:
    """Write the initramfs with what is in the folder BUILT, and PROGRAMS in /lab/bin.

    LEVEL is gzip's.
    """
    with gzip.GzipFile(path, "wb", level, mtime=0) as out:
        archive = initramfs.Archive(out)
        initramfs.add_system(archive, SimpleNamespace(busybox=BUSYBOX))
        add_stick(archive)
        add_kvm(archive, built)
        add_modules(archive, built / SIGNED, "lab/drivers", DRIVERS)
        for program in programs:
            archive.file(f"lab/bin/{program.name}", program.read_bytes(), 0o755)
        archive.finish()
