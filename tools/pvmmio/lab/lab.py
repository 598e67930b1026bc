# SPDX-License-Identifier: GPL-2.0
"""Boots a kernel on an emulated Intel or AMD machine and runs one command there."""

import argparse
import fcntl
import os
import shutil
import signal
import sys
import time

from pvmmio.lab import emulator, initramfs, verdict
from pvmmio.lab.errors import FAILURE, LabError
from pvmmio.lab.known import MACHINES, QUICK

TAIL_LINES = 40

# A panic or an oops ends the machine at once: by a triple fault, which both emulators
# take for the end. Warnings have to reach the console, all else would only cost time.
KERNEL_ARGUMENTS = "console=ttyS0,115200 panic=-1 oops=panic reboot=t loglevel=5"
DISK_ARGUMENTS = "root=/dev/vda rw systemd.show_status=no"

EPILOG = """\
exit status: the command's own; 124 after a timeout; 125 if the lab failed or the guest's
kernel reported anything that looks like a bug; 126 from with-kvm if modules don't load.
In the guest, `with-kvm SET [-p PARAMETERS] [-i PARAMETERS] COMMAND ARG...` runs a command
with the modules of --kvm SET=DIR loaded (-p: parameters of kvm, -i: of the vendor module).
"""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise LabError(f"{message}; see {self.prog} --help")


def pair(text):
    name, equals, directory = text.partition("=")
    if not equals or not name.isalnum() or not directory:
        raise argparse.ArgumentTypeError(f"'{text}' is not SET=DIR")
    return name, directory


def guest_file(text):
    source, _, destination = text.partition(":")
    if destination and not destination.startswith("/"):
        raise argparse.ArgumentTypeError(f"'{text}': the place in the guest has to start with /")
    return source, destination


def positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return int(text)


def one_line(text):
    if "\n" in text:
        raise argparse.ArgumentTypeError("a kernel command line is one line")
    return text


def make_parser():
    parser = Parser(
        prog="lab.py", description=__doc__, epilog=EPILOG, allow_abbrev=False,
        usage="lab.py run OPTIONS -- COMMAND ARG... | lab.py shell OPTIONS",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("action", choices=("run", "shell"), help="run one command, or give a shell (Ctrl-] ends)")
    add("--lab", choices=sorted(MACHINES), default=QUICK, help="which machine"
        " (default: %(default)s)")
    add("--kernel", required=True, metavar="VMLINUZ")
    add("--work", required=True, metavar="DIR", help="where logs and temporary files go")
    add("--kvm", action="append", default=[], type=pair, metavar="SET=DIR",
        help="a set of KVM modules, with those they depend on")
    add("--file", action="append", default=[], type=guest_file, metavar="SRC[:DEST]",
        help="a static program or any file for the guest, in /lab/bin if not told")
    add("--disk", default="", metavar="IMAGE", help="AMD: boots the system on this disk, which"
        " isn't written to, and runs COMMAND in it; pvmmio/jobs/debian makes such a disk")
    add("--initrd", default="", metavar="FILE", help="that system's own")
    add("--cpus", type=positive, default=1, help="with more than 1, the AMD machine's"
        " take turns, and its TSC no longer counts instructions")
    add("--memory", type=positive, default=1024, metavar="MIB")
    add("--append", default="", type=one_line, metavar="ARGS",
        help="added to the kernel command line")
    add("--cpu-model", default="", metavar="NAME", help="another CPU than the machine's usual one")
    add("--cpu-flags", action="append", default=[], metavar="FLAGS", help="AMD: added to"
        " QEMU's -cpu, such as phys-bits=52")
    add("--real-clock", action="store_true", help="AMD: the TSC counts time, not instructions")
    add("--monitor", action="store_true", help="AMD: QEMU's monitor on the socket DIR/monitor,"
        " and what it is told to log in DIR/monitor.log; Intel: Bochs's debugger reads the FIFO"
        " DIR/monitor after SIGINT to DIR/monitor.pid, and prints to DIR/emulator.log")
    add("--timeout", type=positive, metavar="SECONDS", help="default: 300 for run, none for shell")
    add("--busybox", default="/bin/busybox", metavar="FILE", help="a static busybox")
    return parser


def parse(argv):
    """Return the options.  All that follows the first -- is the command."""
    split = argv.index("--") if "--" in argv else len(argv)
    options = make_parser().parse_args(argv[:split])
    options.command = argv[split + 1:]
    if options.action == "run" and not options.command:
        raise LabError("run needs a command: lab.py run OPTIONS -- COMMAND ARG...")
    if options.action == "shell" and options.command:
        raise LabError("shell takes no command; did you mean run?")
    for name, why in MACHINES[options.lab].UNSUPPORTED.items():
        if getattr(options, name):
            raise LabError(why)
    if options.disk and options.action == "shell":
        raise LabError("--disk is for run, not for shell")
    if bool(options.disk) != bool(options.initrd):
        raise LabError("--disk and --initrd go together")
    if options.action == "run" and not options.timeout:
        options.timeout = 300
    options.kernel = os.path.abspath(options.kernel)
    options.disk = options.disk and os.path.abspath(options.disk)
    return options


def is_dynamic(program):
    return program.startswith(b"\x7fELF") and b"/ld-linux" in program[:8192]


def check(options):
    """Look for everything that a run needs, before anything is started or written."""
    machine = MACHINES[options.lab]
    for program, package in {**machine.PROGRAMS, "setpriv": "util-linux"}.items():
        if not shutil.which(program):
            raise LabError(f"no {program} here: install the package {package}")
    for path, package in machine.FILES.items():
        if not os.path.exists(path):
            raise LabError(f"no {path} here: install the package {package}")
    if initramfs.read(options.kernel)[0x202:0x206] != b"HdrS":
        raise LabError(f"{options.kernel} is no bzImage: --kernel takes a vmlinuz")
    if not os.path.exists(options.busybox):
        raise LabError(f"no {options.busybox} here: install the package busybox-static")
    if is_dynamic(initramfs.read(options.busybox)):
        raise LabError(f"{options.busybox} is not static: install the package busybox-static")
    if options.disk and not os.path.isfile(options.disk):
        raise LabError(f"can't read {options.disk}: --disk takes an image")
    for index, (source, destination) in enumerate(options.file):
        if not (destination or options.disk) and is_dynamic(initramfs.read(source)):
            raise LabError(f"{source} is not static, and the lab has no libraries: link it -static")
        options.file[index] = source, destination or "/lab/bin/" + os.path.basename(source)


def lock(work):
    """Lock the folder for this run alone; the lock goes away with the process."""
    try:
        os.makedirs(work, exist_ok=True)
        handle = open(os.path.join(work, "lock"), "w", encoding="utf-8")
    except OSError as error:
        raise LabError(f"can't use --work {work}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise LabError(f"--work {work} is in use by another run: give each its own") from error
    return handle


def read_log(work, name):
    try:
        with open(os.path.join(work, name), encoding="utf-8", errors="replace") as log:
            return log.read()
    except FileNotFoundError:
        return ""


def prepare(options, work, console):
    """Write what the machine boots from, and return the emulator's command line."""
    # A verdict of an earlier run must never pass for one of this.
    for name in ("verdict", "console.log"):
        if os.path.exists(os.path.join(work, name)):
            os.unlink(os.path.join(work, name))
    initramfs.build(options, os.path.join(work, "initramfs"))
    arguments = " ".join(filter(None, (KERNEL_ARGUMENTS, DISK_ARGUMENTS * bool(options.disk),
                                       options.append)))
    return MACHINES[options.lab].prepare(options, work, arguments, console)


def boot(options, work, argv, console):
    """Return the command's exit status; an error has the end of the kernel's console in it."""
    say(f"{options.lab}: booting {options.kernel}, console in {work}/console.log")
    started = time.monotonic()
    try:
        with console:
            emulator.run(argv, work, options.timeout, console)
        status = judge(options, work)
    except LabError as error:
        raise explain(options, work, error, time.monotonic() - started) from error
    say(f"{options.lab}: exit status {status} after {time.monotonic() - started:.1f} s")
    return status


def complaint(options, work):
    """Return what the kernel complains about, as the start of a sentence, or nothing."""
    splat = verdict.find_splat(read_log(work, "console.log"), MACHINES[options.lab].KNOWN_SPLATS)
    return f"the guest's kernel reports a {splat[0]}: {splat[1]}" if splat else ""


def judge(options, work):
    """Return the command's exit status; it's an error if the kernel complained, or ended early."""
    if complaint(options, work):
        raise LabError(complaint(options, work))
    status = verdict.parse_status(read_log(work, "verdict"))
    if status is not None:
        return status
    if read_log(work, "console.log"):
        raise LabError("the guest ended without a verdict: see why on its console")
    said = read_log(work, "emulator.log").strip().splitlines() or ["nothing"]
    raise LabError(f"the emulator ended before the kernel said a word; it said: {said[-1]}")


def explain(options, work, error, seconds):
    """Return the ERROR of a failed run with what its console tells."""
    text = f"{options.lab}: failed after {seconds:.1f} s: {error}"
    if error.status != FAILURE and complaint(options, work):
        text += f"; {complaint(options, work)}"
    tail = read_log(work, "console.log").splitlines()[-TAIL_LINES:]
    return LabError("\n".join([f"{text} (console: {work}/console.log)", *tail]), error.status)


def run(options):
    check(options)
    work = os.path.abspath(options.work)
    with lock(work):
        console = (emulator.Terminal if options.action == "shell" else emulator.Output)(work)
        return boot(options, work, prepare(options, work, console.name), console)


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def stop(number, _frame):
    raise LabError(f"stopped by {signal.Signals(number).name}", 128 + number)


def main(argv):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        return run(parse(argv))
    except LabError as error:
        say(error)
        return error.status
    except BrokenPipeError:  # from our standard output
        # Keep Python from complaining about the same pipe once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        say("nobody reads our output any more: stopped the machine")
        return FAILURE
    except OSError as error:
        say(f"{error.strerror}: {error.filename or 'is the disk full?'}")
        return FAILURE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
