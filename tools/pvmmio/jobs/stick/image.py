# SPDX-License-Identifier: GPL-2.0-only
"""Make one image that boots from a USB stick or a virtual CD, by BIOS and by UEFI.

usage: image.py BUILT IMAGE

BUILT is a folder that pvmmio/build/kernel.py made.  A CD's file system holds the
kernel, so that the image boots as a CD as well; beside it lie a partition that
UEFI starts from, and one of FAT, labelled PVMMIO, for settings and results.
"""
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from pvmmio.build import more_modules, packages
from pvmmio.console import JobError, main, say
from pvmmio.jobs.stick import contents, loader
from pvmmio.lab import bochs

NEEDED = ("dosfstools", "isolinux", "mtools", "syslinux-common", "xorriso")
ISOHYBRID_MBR = "/usr/lib/ISOLINUX/isohdpfx.bin"
SYSLINUX = "/usr/lib/syslinux/modules/bios"
# Where Debian's signed GRUB looks for its menu, on the medium that it was read from.
GRUB_MENU = "boot/grub/grub.cfg"
# The kernel is on the CD's file system, whatever else that medium is.
GRUB_START = "search.file /pv-mmio/vmlinuz root"
LABEL = "PVMMIO"
VOLUME = "PVMMIO_BOOT"
RESULTS_MIB = 32
EFI_MIB = 8
LIMIT_MIB = 150

KERNEL_ARGUMENTS = "console=ttyS0,115200 console=tty0 quiet loglevel=3"
# What the menu offers, and what it adds to the kernel's command line.
ENTRIES = {
    "Measure": "",
    "Measure without the CPU's mitigations": "mitigations=off",
    "Measure, then power off": "pvmmio.ending=poweroff",
}
MENU_SECONDS = 5
SETTINGS = """\
# What to do, a NAME=VALUE a line; without the # it counts.
# tests=all|none|NAME,...
# parts=all|cases,many,listener,listener_sibling,listener_other,spaces,pcids,places,device,scale
# samples=NUMBER
# minutes=10
# ending=wait|poweroff|reboot
"""


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, **more)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise JobError(f"{command[0]} failed: {last}; is the disk full?")


def isolinux_config(arguments):
    """The menu for a BIOS, on the screen and on the serial line."""
    lines = ["serial 0 115200", "ui menu.c32", f"timeout {10 * MENU_SECONDS}",
             "menu title pv-mmio: what a doorbell costs"]
    for number, (title, more) in enumerate(ENTRIES.items()):
        lines += [f"label {number}", f" menu label {title}", " linux /pv-mmio/vmlinuz",
                  " initrd /pv-mmio/initramfs", f" append {arguments} {more}"]
    return "\n".join(lines) + "\n"


def grub_config(arguments):
    """The same for UEFI."""
    lines = [GRUB_START, "serial --unit=0 --speed=115200", "terminal_input console serial",
             "terminal_output console serial", f"set timeout={MENU_SECONDS}"]
    for title, more in ENTRIES.items():
        lines += [f'menuentry "{title}" {{', f" linux /pv-mmio/vmlinuz {arguments} {more}",
                  " initrd /pv-mmio/initramfs", "}"]
    return "\n".join(lines) + "\n"


def make_tree(tree, built, programs, arguments, level):
    """What the CD's file system holds."""
    (tree / "pv-mmio").mkdir(parents=True)
    (tree / "isolinux").mkdir()
    shutil.copy(built / contents.SIGNED / "vmlinuz", tree / "pv-mmio")
    contents.write(built, programs, tree / "pv-mmio/initramfs", level)
    shutil.copy(bochs.ISOLINUX, tree / "isolinux")
    for name in ("ldlinux", "menu", "libutil"):
        shutil.copy(f"{SYSLINUX}/{name}.c32", tree / "isolinux")
    (tree / "isolinux/isolinux.cfg").write_text(isolinux_config(arguments))
    (tree / GRUB_MENU).parent.mkdir(parents=True)
    (tree / GRUB_MENU).write_text(grub_config(arguments))


def make_fat(path: Path, mib: int, label: str, files: Sequence[tuple[str, Path]]) -> None:
    """Make a file system of FAT with FILES, as (place in it, path of the contents)."""
    with open(path, "wb") as out:
        out.truncate(mib << 20)
    run(["mkfs.vfat", "-n", label, str(path)])
    # Sorted, each comes after the one that it's in.
    for folder in sorted({folder for place, _ in files for folder in Path(place).parents
                          if folder.name}):
        run(["mmd", "-i", str(path), f"::{folder}"])
    for place, source in files:
        run(["mcopy", "-i", str(path), str(source), f"::{place}"])


def make_efi(work):
    """The partition that UEFI starts from."""
    parts = [(f"EFI/BOOT/{name}", path) for name, path in loader.fetch().items()]
    make_fat(work / "efi", EFI_MIB, "PVMMIO_EFI",
             [*parts, (GRUB_MENU, work / "tree" / GRUB_MENU)])


def make_results(work):
    (work / "settings").write_text(SETTINGS)
    make_fat(work / "results", RESULTS_MIB, LABEL, [("settings", work / "settings")])


def join(work, image):
    """One image of both partitions and the CD, for both kinds of firmware."""
    run(["xorriso", "-as", "mkisofs", "-quiet", "-V", VOLUME, "-o", str(image),
         "-isohybrid-mbr", ISOHYBRID_MBR, "-partition_offset", "16",
         "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot",
         "-boot-load-size", "4", "-boot-info-table",
         "-append_partition", "2", "0xef", str(work / "efi"),
         "-append_partition", "3", "0x0c", str(work / "results"),
         "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
         str(work / "tree")])


def make(built: Path, image: Path, programs: Iterable[Path], arguments: str = KERNEL_ARGUMENTS,
         level: int = 6) -> None:
    """Make IMAGE with PROGRAMS, and ARGUMENTS for its kernel; LEVEL is gzip's."""
    image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=image.parent) as tmp:
        work = Path(tmp)
        make_tree(work / "tree", built, programs, arguments, level)
        make_efi(work)
        make_results(work)
        join(work, work / "image")
        (work / "image").rename(image)


def programs_of(built):
    return sorted((built / "tests").iterdir())


def prepare(built):
    """Have what an image is made of, besides what was built."""
    packages.install(NEEDED)
    more_modules.fetch(built, contents.SIGNED, contents.DRIVERS, signed=True)


def image_job(argv):
    built, image = Path(argv[0]).resolve(), Path(argv[1]).resolve()
    prepare(built)
    make(built, image, programs_of(built))
    mib = -(-image.stat().st_size >> 20)
    if mib > LIMIT_MIB:
        raise JobError(f"{image} has {mib} MiB, {LIMIT_MIB} are the limit")
    say(f"image: {image}, {mib} MiB, with Linux {(built / 'release').read_text().strip()}\n"
        f"to write it, with sdX the stick ('lsblk' tells): ALL THAT IS ON THE STICK IS LOST\n"
        f"  dd if={image} of=/dev/sdX bs=4M conv=fsync")
    return 0


if __name__ == "__main__":
    main(image_job, sys.argv[1:], (2,), __doc__)
