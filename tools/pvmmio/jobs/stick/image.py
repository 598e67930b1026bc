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
from pathlib import Path

from pvmmio.build import more_modules, packages
from pvmmio.console import JobError, main, say
from pvmmio.jobs.stick import contents
from pvmmio.lab import bochs

NEEDED = ("dosfstools", "grub-common", "grub-efi-amd64-bin", "isolinux", "mtools",
          "syslinux-common", "xorriso")
ISOHYBRID_MBR = "/usr/lib/ISOLINUX/isohdpfx.bin"
SYSLINUX = "/usr/lib/syslinux/modules/bios"
GRUB_MODULES = ("part_gpt part_msdos iso9660 fat normal linux search_fs_file serial terminal"
                " all_video").split()
# What GRUB has inside: its menu is on whatever has it.
GRUB_START = "search.file /pv-mmio/grub.cfg root\nset prefix=($root)/pv-mmio\n"
LABEL = "PVMMIO"
VOLUME = "PVMMIO_BOOT"
RESULTS_MIB = 32
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
# parts=all|cases,many,listener,listener_sibling,listener_other,spaces,pcids,places,scale
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
    lines = ["serial --unit=0 --speed=115200", "terminal_input console serial",
             "terminal_output console serial", f"set timeout={MENU_SECONDS}"]
    for title, more in ENTRIES.items():
        lines += [f'menuentry "{title}" {{', f" linux /pv-mmio/vmlinuz {arguments} {more}",
                  " initrd /pv-mmio/initramfs", "}"]
    return "\n".join(lines) + "\n"


def make_tree(tree, built, programs, arguments, level):
    """What the CD's file system holds."""
    (tree / "pv-mmio").mkdir(parents=True)
    (tree / "isolinux").mkdir()
    shutil.copy(built / "vmlinuz", tree / "pv-mmio")
    contents.write(built, programs, tree / "pv-mmio/initramfs", level)
    shutil.copy(bochs.ISOLINUX, tree / "isolinux")
    for name in ("ldlinux", "menu", "libutil"):
        shutil.copy(f"{SYSLINUX}/{name}.c32", tree / "isolinux")
    (tree / "isolinux/isolinux.cfg").write_text(isolinux_config(arguments))
    (tree / "pv-mmio/grub.cfg").write_text(grub_config(arguments))


def make_fat(path, mib, label, files):
    """A file system of FAT with FILES, as (place, path of the contents)."""
    with open(path, "wb") as out:
        out.truncate(mib << 20)
    run(["mkfs.vfat", "-n", label, str(path)])
    for place, source in files:
        folders = [str(folder) for folder in reversed(Path(place).parents) if folder.name]
        for folder in folders:
            run(["mmd", "-i", str(path), "-D", "s", f"::{folder}"])
        run(["mcopy", "-i", str(path), str(source), f"::{place}"])


def make_efi(work):
    """The partition that UEFI starts from: GRUB."""
    (work / "grub.start").write_text(GRUB_START)
    run(["grub-mkimage", "-O", "x86_64-efi", "-p", "/pv-mmio", "-c", str(work / "grub.start"),
         "-o", str(work / "grub.efi"), *GRUB_MODULES])
    make_fat(work / "efi", 4, "PVMMIO_EFI", [("EFI/BOOT/BOOTX64.EFI", work / "grub.efi")])


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


def make(built, image, programs, arguments=KERNEL_ARGUMENTS, level=6):
    """The image IMAGE with PROGRAMS; LEVEL is gzip's, for what it holds."""
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
    more_modules.fetch(built, "drivers", contents.DRIVERS)


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
