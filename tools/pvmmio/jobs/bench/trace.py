# SPDX-License-Identifier: GPL-2.0-only
"""What an emulator executes for a while, by its own log, and what the instructions are.

Each tracer has ENTRIES, the host's functions that an exit comes out of and an entry goes
into, and trace(ATTEMPT), which gives the addresses of the executed instructions, guest's and
host's; ENOUGH is how many exits of one length have to be among them before one is believed.
"""
import os
import re
import signal
import socket
import time

from pvmmio.console import JobError

KERNEL = 0xffff800000000000
PROMPT = b"(qemu) "
TRACE_SECONDS = 1
ATTEMPTS = 200


class QemuMonitor:
    """QEMU's monitor, on a socket in the folder WORK."""

    ENTRIES = ("__svm_vcpu_run",)
    ENOUGH = 100
    EXECUTED = re.compile(r"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")

    def __init__(self, work):
        self.log = work / "monitor.log"
        self.socket = socket.socket(socket.AF_UNIX)
        # Sockets have short names only: go there by a descriptor.
        folder = os.open(work, os.O_PATH)
        self.socket.connect(f"/proc/self/fd/{folder}/monitor")
        os.close(folder)
        self.wait()

    def wait(self):
        said = b""
        while not said.endswith(PROMPT):
            said += self.socket.recv(4096)
        return said.decode(errors="replace")

    def do(self, *commands):
        """What the last of them says."""
        for command in commands:
            self.socket.sendall(command.encode() + b"\n")
            said = self.wait()
        return said

    def disassemble(self, addresses):
        """A line for each, as the instruction is now: kernels rewrite theirs at boot."""
        for _ in range(ATTEMPTS):
            self.do("stop")
            lines = {addresses[0]: self.instruction(addresses[0])}
            # Nothing of the kernel's is to be seen while the CPU runs the guest.
            if lines[addresses[0]]:
                lines |= {address: self.instruction(address) for address in set(addresses)}
            self.do("cont")
            if all(lines.values()):
                return [lines[address] for address in addresses]
        raise JobError("QEMU's monitor doesn't disassemble the host's code")

    def instruction(self, address):
        said = self.do(f"x /1i {address:#x}").splitlines()
        return next((line for line in said if re.match(r"0x[0-9a-f]+: +[0-9a-f]{2} ", line)), "")

    def trace(self, attempt):
        start = self.log.stat().st_size
        self.do("stop", "singlestep on", "log exec,nochain", "cont")
        # Where other jobs run, a second may be too short.
        time.sleep(TRACE_SECONDS * attempt)
        self.do("stop", "log none", "singlestep off", "cont")
        with open(self.log, encoding="ascii", errors="replace") as lines:
            lines.seek(start)
            return self.addresses(lines)

    def addresses(self, lines):
        return [int(match.group(1), 16) for match in map(self.EXECUTED.search, lines) if match]


class BochsDebugger:
    """Bochs's debugger, which reads a FIFO in the folder WORK after SIGINT."""

    ENTRIES = ("vmx_vmexit", "__vmx_vcpu_run")
    EXECUTED = re.compile(r"^\(0\)\.\[\d+\] \[\S+\] [0-9a-f]{4}:([0-9a-f]{16}) \(.*?\): (.*?) +; ")
    # Fewer than on QEMU, because Bochs prints some 100 bytes for each to its terminal.
    INSTRUCTIONS = 50000
    ENOUGH = 30
    # How the debugger says that the machine stands still.
    STANDS = "Next at t="
    SECONDS = 120

    def __init__(self, work):
        self.log = work / "emulator.log"
        self.fifo = work / "monitor"
        self.pid = int((work / "monitor.pid").read_text())
        self.known = {}

    def said(self, start):
        with open(self.log, encoding="ascii", errors="replace") as lines:
            lines.seek(start)
            return lines.read()

    def do(self, *commands):
        """Type them; where in the log its answer starts."""
        start = self.log.stat().st_size
        fifo = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fifo, "".join(f"{command}\n" for command in commands).encode())
        os.close(fifo)
        return start

    def wait(self, start):
        for _ in range(self.SECONDS * 2):
            time.sleep(0.5)
            text = self.said(start)
            if self.STANDS in text:
                return text
        raise JobError(f"Bochs's debugger didn't come back in {self.SECONDS} s")

    def trace(self, _attempt):
        start = self.log.stat().st_size
        os.kill(self.pid, signal.SIGINT)
        self.wait(start)
        text = self.wait(self.do("trace on", f"s {self.INSTRUCTIONS}", "trace off"))
        self.do("c")
        return self.addresses(text.splitlines())

    def addresses(self, lines):
        found = [match.groups() for match in map(self.EXECUTED.search, lines) if match]
        self.known |= {int(address, 16): f" {text}" for address, text in found}
        return [int(address, 16) for address, _ in found]

    def disassemble(self, addresses):
        """A line for each, as it was executed."""
        return [self.known[address] for address in addresses]


TRACERS = {"amd": QemuMonitor, "intel": BochsDebugger}
