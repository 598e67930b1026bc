# SPDX-License-Identifier: GPL-2.0-only
"""Emulated machines with the stick in a USB port, as hardware would have it."""
import contextlib
import os
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pvmmio.lab import bochs, emulator, qemu
from pvmmio.lab.errors import LabError

OVMF = "/usr/share/OVMF/OVMF_{}_4M{}.fd"
TICK = 0.2


def flash(code, variables):
    return ("-drive", f"if=pflash,format=raw,readonly=on,file={OVMF.format('CODE', code)}",
            "-drive", f"if=pflash,format=raw,snapshot=on,file={OVMF.format('VARS', variables)}")


# The last one has Microsoft's keys, and Secure Boot on.
FIRMWARE = {
    "bios": (), "uefi": flash("", ""),
    "secure": (*flash(".secboot", ".ms"), "-machine", "smm=on", "-global",
               "driver=cfi.pflash01,property=secure,value=on")}


def command(image: Path, firmware: str = "bios", cpu_flags: Sequence[str] = (),
            memory: int = 1024, read_only: bool = False, cpus: int = 1, disk: str | Path = "",
            names: Iterable[str] = (), reboots: bool = False) -> list[str]:
    """The lab's AMD machine with IMAGE in a USB port; NAMES are options for its own names.

    FIRMWARE is one of the above.  DISK is an image for a disk of the machine's own.
    """
    drive = f"if=none,id=stick,format=raw,file={image}" + (",readonly=on" if read_only else "")
    own = ["-drive", f"if=ide,format=raw,file={disk}"] if disk else []
    return [*qemu.machine(cpus, memory, cpu_flags), "-vga", "std",
            *(() if reboots else ("-no-reboot",)), *FIRMWARE[firmware], *own,
            "-device", "qemu-xhci", "-drive", drive,
            "-device", "usb-storage,id=port,drive=stick,removable=on,bootindex=0",
            "-chardev", "socket,id=line,path=line,server=on,wait=off,logfile=console.log",
            "-serial", "chardev:line", "-monitor", "unix:monitor,server=on,wait=off", *names]


# Bochs's BIOS starts from no USB, so the same image is the CD as well.
IN_BOCHS = "usb_uhci: enabled=1, port1=disk, options1=\"path:{image}\"\n"


def command_intel(work: Path, image: Path, cpus: int = 1, memory: int = 1024) -> list[str]:
    """The lab's Intel machine with IMAGE in a USB port."""
    os.symlink(image, work / "boot.iso")
    return bochs.machine(str(work), cpus, memory, "console.log",
                         more=IN_BOCHS.format(image=image))


class Answer(NamedTuple):
    """WORDS to say after WHAT came on the serial line, since the last answer."""

    what: str
    # "line" or "monitor".
    where: str
    words: str
    # An idle machine may not hear it at once.
    again: bool = False


class Console:
    """The serial line, and who answers it."""

    def __init__(self, work, answers):
        self.work = work
        self.answers = list(answers)
        self.start = 0

    def text(self):
        try:
            with open(os.path.join(self.work, "console.log"), errors="replace",
                      encoding="utf-8") as log:
                return log.read().replace("\r", "")
        except FileNotFoundError:
            return ""

    def pump(self, wait):
        time.sleep(max(wait, TICK) if wait else 0)
        if not self.answers:
            return
        answer = self.answers[0]
        found = self.text().find(answer.what, self.start)
        if found >= 0:
            if not answer.again:
                self.answers.pop(0)
                self.start = found + len(answer.what)
            self.say(answer.where, answer.words)

    def say(self, where, words):
        # The machine may be gone by now.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.connect(os.path.join(self.work, where))
            line.sendall(words.encode())
            time.sleep(TICK)


def boot(work: Path, argv: Sequence[str], timeout: int,
         answers: Iterable[Answer] = ()) -> tuple[str, str]:
    """What was on the serial line until the machine powered off, and why it didn't, or ""."""
    (work / "console.log").unlink(missing_ok=True)
    console = Console(work, answers)
    try:
        emulator.run(argv, str(work), timeout, console)
    except LabError as error:
        return console.text(), str(error)
    return console.text(), ""
