# SPDX-License-Identifier: GPL-2.0
"""Runs an emulator to its end, in a process group that never outlives the run."""

import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Sequence
from typing import Any

from pvmmio.lab.errors import LabError, TIMEOUT

TICK = 0.1
ESCAPE = b"\x1d"
END_OF_INPUT = b"\x04"
# The guest's prompt; guest/init sets it. Input sent before it would be lost.
PROMPT = b"lab# "


class Output:
    """Copies what the command prints to our stdout while it runs."""

    name = "console.log"

    def __init__(self, work):
        self.path = os.path.join(work, "output.log")

    def __enter__(self):
        # Both emulators truncate this file and write to it; none replaces it.
        self.source = open(self.path, "w+b")

    def __exit__(self, *_):
        self.source.close()

    def pump(self, wait):
        time.sleep(wait)
        data = self.source.read()
        if data:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()


class Terminal:
    """Joins the user's terminal to the guest's console, and keeps a log of it."""

    def __init__(self, work):
        self.path = os.path.join(work, "console.log")
        self.master, self.slave = os.openpty()
        self.name = os.ttyname(self.slave)
        tty.setraw(self.slave)
        self.inputs = []
        self.seen = b""
        self.saved = None

    def __enter__(self):
        self.log = open(self.path, "wb")

    def __exit__(self, *_):
        self.log.close()
        if self.saved:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.saved)

    def pump(self, wait):
        readable, _, _ = select.select([self.master] + self.inputs, [], [], wait)
        if self.master in readable:
            self.show(os.read(self.master, 65536))
        elif readable:
            self.type(os.read(self.inputs[0], 16))

    def show(self, data):
        if PROMPT not in self.seen:
            self.seen = self.seen[-len(PROMPT):] + data
            if PROMPT in self.seen:
                self.take_keyboard()
        self.log.write(data)
        self.log.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.flush()

    def take_keyboard(self):
        """Take the keyboard after the prompt has come: until then, Ctrl-C ends the machine."""
        self.inputs = [sys.stdin.fileno()]
        if sys.stdin.isatty():
            self.saved = termios.tcgetattr(sys.stdin)
            tty.setraw(sys.stdin)

    def type(self, data):
        if self.saved and ESCAPE in data:
            raise LabError("ended by Ctrl-]", 130)
        if not data:
            self.inputs = []
        os.write(self.master, data or END_OF_INPUT)


class Screens:
    """Empties the emulator's terminals, lest a full one block the emulator."""

    # Bochs has its display on a second terminal, and says on the first one where that is.
    DISPLAY = re.compile(rb'connected to screen "(/dev/pts/\d+)"\s')

    def __init__(self, first):
        self.terminals = [first]
        self.said = b""

    def drain(self, log):
        """Read what is there.  Return whether there was anything: then more may follow at once."""
        said = b"".join(iter(lambda: self.read(self.terminals[0], log), b""))
        if len(self.terminals) == 1:
            self.find_display(said)
        for terminal in self.terminals[1:]:
            while self.read(terminal):
                pass
        return bool(said)

    def find_display(self, said):
        self.said += said
        display = self.DISPLAY.search(self.said)
        if display and os.path.exists(display.group(1)):
            self.terminals.append(self.open(display.group(1)))

    @staticmethod
    def read(terminal, log=None):
        try:
            data = os.read(terminal, 65536)
        except OSError:
            return b""  # Nothing there right now, or the emulator is gone.
        if log:
            log.write(data)
        return data

    @staticmethod
    def open(path):
        terminal = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        tty.setraw(terminal)
        return terminal

    def close(self):
        for terminal in self.terminals:
            os.close(terminal)


def start(argv, work):
    """Starts the emulator on a terminal of its own: Bochs needs one for its display."""
    screen, slave = os.openpty()
    os.set_blocking(screen, False)
    # If something kills us outright, the kernel kills the emulator.
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *argv], cwd=work, stdin=slave, stdout=slave,
        stderr=slave, start_new_session=True, env={**os.environ, "TERM": "linux"})
    os.close(slave)
    return process, screen


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass    # It ended by itself, and took its children along.
    process.wait()


def run(argv: Sequence[str], work: str, timeout: int | None, console: Any) -> None:
    """Returns when the guest has powered off; CONSOLE is an Output or a Terminal."""
    deadline = time.monotonic() + timeout if timeout else float("inf")
    with open(os.path.join(work, "emulator.log"), "wb", buffering=0) as log:
        process, first = start(argv, work)
        screens = Screens(first)
        more = False
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise LabError(f"no end after {timeout} s: stopped the machine;"
                                   " is the command stuck, or --timeout too short?", TIMEOUT)
                console.pump(0 if more else TICK)
                more = screens.drain(log)
        finally:
            kill_group(process)
            console.pump(0)
            screens.drain(log)
            screens.close()
