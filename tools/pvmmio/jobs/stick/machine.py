# SPDX-License-Identifier: GPL-2.0-only
"""The emulated AMD machine with the stick in a USB port, as hardware would have it."""
import contextlib
import os
import socket
import time
from collections import namedtuple

from pvmmio.lab import emulator, qemu
from pvmmio.lab.errors import LabError

OVMF = "/usr/share/OVMF/OVMF_{}_4M.fd"
TICK = 0.2
FIRMWARE = {"bios": (), "uefi": (
    "-drive", f"if=pflash,format=raw,readonly=on,file={OVMF.format('CODE')}",
    "-drive", f"if=pflash,format=raw,snapshot=on,file={OVMF.format('VARS')}")}


def command(image, firmware="bios", cpu_flags=(), memory=1024, read_only=False, cpus=1):
    """One CPU counts instructions, as the lab's machine does."""
    counting = ["-icount", "shift=0,sleep=off"] if cpus == 1 else []
    cpu = ",".join([qemu.MODEL, "+svm", "+npt", *cpu_flags])
    drive = f"if=none,id=stick,format=raw,file={image}" + (",readonly=on" if read_only else "")
    return ["qemu-system-x86_64", "-accel", "tcg,thread=single", *counting, "-smp", str(cpus),
            "-M", "q35", "-cpu", cpu, "-m", str(memory), "-nodefaults", "-no-user-config",
            "-vga", "std", "-display", "none", "-no-reboot", *FIRMWARE[firmware],
            "-device", "qemu-xhci", "-drive", drive,
            "-device", "usb-storage,id=port,drive=stick,removable=on,bootindex=0",
            "-chardev", "socket,id=line,path=line,server=on,wait=off,logfile=console.log",
            "-serial", "chardev:line", "-monitor", "unix:monitor,server=on,wait=off"]


# What is waited for on the serial line, and which WORDS are said WHERE then; AGAIN and
# again, where an idle machine may not hear it at once.
Answer = namedtuple("Answer", "what where words again", defaults=[False])


class Console:
    """The serial line, and who answers it."""

    def __init__(self, work, answers):
        self.work = work
        self.answers = list(answers)

    def text(self):
        try:
            with open(os.path.join(self.work, "console.log"), errors="replace",
                      encoding="utf-8") as log:
                return log.read().replace("\r", "")
        except FileNotFoundError:
            return ""

    def pump(self, wait):
        time.sleep(max(wait, TICK) if wait else 0)
        if self.answers and self.answers[0].what in self.text():
            answer = self.answers[0]
            if not answer.again:
                self.answers.pop(0)
            self.say(answer.where, answer.words)

    def say(self, where, words):
        # The machine may be gone by now.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.connect(os.path.join(self.work, where))
            line.sendall(words.encode())
            time.sleep(TICK)


def boot(work, argv, timeout, answers=()):
    """What was on the serial line until the machine powered off, and why it didn't."""
    work.mkdir(parents=True, exist_ok=True)
    (work / "console.log").unlink(missing_ok=True)
    console = Console(work, answers)
    try:
        emulator.run(argv, str(work), timeout, console)
    except LabError as error:
        return console.text(), str(error)
    return console.text(), ""
