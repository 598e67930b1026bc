# SPDX-License-Identifier: GPL-2.0
"""Tests of the lab that boot its machines: about ten minutes, most of it on Bochs.

LAB_KERNEL  the vmlinuz to boot
LAB_KVM     a directory with that kernel's KVM modules and those they depend on
LAB_ONLY    intel or amd, to test one machine alone
"""

import os
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

KERNEL = os.environ.get("LAB_KERNEL")
KVM = os.environ.get("LAB_KVM")
ONLY = os.environ.get("LAB_ONLY")


def processes_in(directory):
    """The processes that work in DIRECTORY: emulators are started in their --work."""
    found = []
    for process in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{process}/cwd").startswith(directory):
                found.append(int(process))
        except OSError:
            pass
    return found


class Run:
    """A lab run in the background, in a directory of its own."""

    def __init__(self, lab, *arguments, action="run", options=(), stdin="",
                 keyboard=subprocess.PIPE):
        self.holder = tempfile.TemporaryDirectory()
        self.work = os.path.realpath(self.holder.name)
        command = ["--", *arguments] if arguments else []
        self.input = stdin
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pvmmio.lab.lab", action, "--lab", lab,
             "--kernel", KERNEL, "--work", self.work, *options, *command],
            stdin=keyboard, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait(self):
        # As bytes, since Python would turn \r\n into \n.
        out, err = self.process.communicate(self.input.encode() or None, timeout=600)
        self.out, self.err = (out or b"").decode(), err.decode()
        self.left = processes_in(self.work)
        self.holder.cleanup()
        return self.process.returncode

    def wait_for_machine(self):
        deadline = time.monotonic() + 60
        while not processes_in(self.work):
            assert time.monotonic() < deadline, "no emulator was started"
            time.sleep(0.1)


class Machine:
    """What holds on both machines."""
    # Each is a unittest.TestCase, too.
    # pylint: disable=no-member

    lab = None

    def ends(self, run, status, *in_err):
        self.assertEqual(run.wait(), status, run.err)
        self.assertEqual(run.left, [])
        for text in in_err:
            self.assertIn(text, run.err)

    def test_status_and_output_of_two_at_once(self):
        # What looks like a verdict must not pass for one, nor may \n become \r\n.
        forger = r"printf '0\n= 0\n\n0\npart'; echo 0 >&2; exit 7"
        runs = [Run(self.lab, "sh", "-c", forger), Run(self.lab, "seq", "1", "3000")]
        self.ends(runs[0], 7)
        self.ends(runs[1], 0)
        self.assertEqual(runs[0].out, "0\n= 0\n\n0\npart0\n")
        self.assertEqual(runs[1].out, "".join(f"{i}\n" for i in range(1, 3001)))

    def test_timeout(self):
        start = time.monotonic()
        run = Run(self.lab, "sh", "-c", "while :; do :; done", options=("--timeout", "15"))
        self.ends(run, 124, "no end after 15 s", "console.log")
        self.assertLess(time.monotonic() - start, 25)

    def test_sigterm_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            run = Run(self.lab, "sleep", "1000")
            run.wait_for_machine()
            os.kill(run.process.pid, number)
            run.process.wait()
            time.sleep(0.5)     # for the kernel to end an orphan
            self.ends(run, -9 if number == signal.SIGKILL else 128 + number)

    def test_panic_is_quick_and_shown(self):
        run = Run(self.lab, "sh", "-c", "echo c >/proc/sysrq-trigger; sleep 1000")
        self.ends(run, 125, "reports a panic", "sysrq triggered crash", "</TASK>")

    def test_warning_fails_a_run_that_says_0(self):
        run = Run(self.lab, "sh", "-c", "echo '<4>WARNING: made up' >/dev/kmsg")
        self.ends(run, 125, "reports a warning", "WARNING: made up")

    def test_no_verdict_is_a_failure(self):
        self.ends(Run(self.lab, "poweroff", "-f"), 125, "without a verdict")

    def test_shell(self):
        run = Run(self.lab, action="shell", stdin="echo $((6 * 7))\nexit 4\n")
        self.ends(run, 4)
        self.assertIn("\n42", run.out)

    @unittest.skipUnless(KVM, "LAB_KVM names no directory with KVM modules")
    def test_with_kvm(self):
        script = """
            set -x; exec 2>&1
            ls /dev/kvm && exit 1
            with-kvm stock -p 'ignore_msrs=1 halt_poll_ns=7' -i dump_invalid_vmcb=1 sh -c '
                test -c /dev/kvm || exit 2
                cat /sys/module/kvm/parameters/ignore_msrs
                cat /sys/module/kvm/parameters/halt_poll_ns; exit 9'
            [ $? = 9 ] || exit 3
            ls /dev/kvm && exit 4
            with-kvm none true; [ $? = 126 ] || exit 5
            with-kvm stock -p nonsense=1 true || exit 6     # the kernel only warns
            with-kvm stock -p halt_poll_ns=x true; [ $? = 126 ] || exit 7
            with-kvm stock sh -c 'exec 3</dev/kvm; sleep 1000 & exit 0'; [ $? = 126 ] || exit 8
        """.replace("dump_invalid_vmcb", "dump_invalid_vm" + {"amd": "cb", "intel": "cs"}[self.lab])
        run = Run(self.lab, "sh", "-c", script, options=("--kvm", f"stock={KVM}"))
        self.assertEqual(run.wait(), 0, run.out + run.err)
        self.assertIn("\nY\n7\n", run.out)
        for line in ("no set of modules 'none'; there is: stock",
                     "stock: kvm.ko does not load", f"stock: kvm-{self.lab} does not unload"):
            self.assertIn(f"with-kvm: {line}", run.out)


@unittest.skipUnless(KERNEL, "LAB_KERNEL names no kernel to boot")
@unittest.skipIf(ONLY == "intel", "LAB_ONLY=intel")
class Amd(Machine, unittest.TestCase):
    lab = "amd"

    def test_cpu_flags(self):
        run = Run(self.lab, "grep", "-o", "52 bits physical", "/proc/cpuinfo",
                  options=("--cpu-flags", "phys-bits=52"))
        self.ends(run, 0)

    def test_two_cpus(self):
        self.ends(Run(self.lab, "grep", "-w", "processor.*1", "/proc/cpuinfo",
                      options=("--cpus", "2")), 0)

    def test_terminal_is_restored(self):
        master, slave = os.openpty()
        before = termios.tcgetattr(slave)
        run = Run(self.lab, action="shell", keyboard=slave)
        while not run.process.stdout.read(1) == b"#":
            pass
        time.sleep(1)
        self.assertNotEqual(termios.tcgetattr(slave), before)
        os.write(master, b"\x1d")
        self.ends(run, 130, "ended by Ctrl-]")
        self.assertEqual(termios.tcgetattr(slave), before)

    def test_reader_that_goes_away(self):
        run = Run(self.lab, "yes")
        run.process.stdout.readline()
        run.process.stdout.close()
        run.process.stdout = None
        self.ends(run, 125, "nobody reads our output")

    def test_emulator_that_refuses(self):
        self.ends(Run(self.lab, "true", options=("--cpu-flags", "nonsense=1")), 125,
                  "before the kernel said a word", "nonsense")


@unittest.skipUnless(KERNEL, "LAB_KERNEL names no kernel to boot")
@unittest.skipIf(ONLY == "amd", "LAB_ONLY=amd")
class Intel(Machine, unittest.TestCase):
    lab = "intel"

    def test_emulator_that_refuses(self):
        self.ends(Run(self.lab, "true", options=("--cpu-model", "nonsense")), 125,
                  "before the kernel said a word")


if __name__ == "__main__":
    unittest.main()
