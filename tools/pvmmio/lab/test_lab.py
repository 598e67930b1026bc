# SPDX-License-Identifier: GPL-2.0
"""Tests of the lab that need no machine; those that boot one are in boot_test.py."""

import io
import os
import resource
import stat
import subprocess
import sys
import tempfile
import types
import unittest

from pvmmio.lab import bochs, emulator, initramfs, lab, verdict
from pvmmio.lab.errors import LabError
from pvmmio.lab.known import MACHINES, Machine

LAB = [sys.executable, "-m", "pvmmio.lab.lab"]


def module(depends=""):
    return b"\x7fELF...\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0"


class HelpTest(unittest.TestCase):
    def test_each_option_is_told(self):
        done = subprocess.run([*LAB, "run", "--help"], capture_output=True, text=True, check=True)
        for option in ("--lab", "--kernel", "--work", "--kvm SET=DIR", "--file SRC[:DEST]"):
            self.assertIn(option, done.stdout)


def options(**changes):
    defaults = {"busybox": "/bin/busybox", "command": ["true"], "kvm": [], "file": [], "lab": "amd",
                "initrd": ""}
    return types.SimpleNamespace(**{**defaults, **changes})


def unpack(path):
    """Returns {name: (mode, contents)} of a newc archive."""
    with open(path, "rb") as archive:
        data = archive.read()
    found, at = {}, 0
    while "TRAILER!!!" not in found:
        assert data[at:at + 6] == b"070701", f"no header at {at}"
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[at + 110:at + 110 + name_size - 1].decode()
        start = (at + 110 + name_size + 3) & ~3
        assert name not in found, f"{name} is there twice"
        found[name] = mode, data[start:start + size]
        at = (start + size + 3) & ~3
    return found


class InDirectory(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = holder.name

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, contents, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as out:
            out.write(contents)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def build(self, **changes):
        initramfs.build(options(**changes), self.path("initramfs"))
        return unpack(self.path("initramfs"))


class Initramfs(InDirectory):
    def test_guest_side(self):
        found = self.build(command=["echo", "two words", "it's"])
        self.assertEqual(found["lab/command"][1], b"exec echo 'two words' 'it'\"'\"'s'\n")
        self.assertEqual(found["bin/sh"], (stat.S_IFLNK | 0o777, b"busybox"))
        self.assertTrue(stat.S_ISCHR(found["dev/console"][0]))
        for name in ("init", "lab/session", "lab/tests", "lab/with-kvm", "bin/busybox"):
            self.assertEqual(found[name][0], stat.S_IFREG | 0o755, name)

    def test_system_with_an_initrd_of_its_own(self):
        initrd = self.write("initrd", b"any bytes")
        found = self.build(initrd=initrd)
        self.assertEqual([name for name in found if not name.startswith("lab")], ["TRAILER!!!"])
        self.assertIn("lab/session", found)
        with open(self.path("initramfs"), "rb") as both:
            whole = both.read()
        self.assertTrue(whole.endswith(b"TRAILER!!!\0\0\0\0any bytes"))
        self.assertEqual((len(whole) - len(b"any bytes")) % 4, 0)

    def test_parameters_that_the_machine_wants(self):
        found = self.build(lab="intel")
        self.assertEqual(found["lab/vendor-parameters"][1], b"enable_apicv=0\n")
        self.assertEqual(self.build()["lab/vendor-parameters"][1], b"\n")

    def test_shell_has_no_command(self):
        self.assertNotIn("lab/command", self.build(command=[]))

    def test_files_keep_mode_and_contents(self):
        tool = self.write("tool", b"#!/bin/sh\n", 0o750)
        found = self.build(file=[(tool, "/lab/bin/tool"), (tool, "/some/where/deep")])
        self.assertEqual(found["lab/bin/tool"], (stat.S_IFREG | 0o750, b"#!/bin/sh\n"))
        names = list(found)
        for parent in ("some", "some/where"):
            self.assertLess(names.index(parent), names.index("some/where/deep"))

    def test_modules_come_after_those_they_need(self):
        self.write("set/kvm.ko", module("irqbypass"))
        self.write("set/irqbypass.ko.xz", initramfs.lzma.compress(module()))
        self.write("set/kvm-amd.ko", module("kvm,ccp"))
        self.write("set/ccp.ko", module("rng_core,irqbypass"))
        self.write("set/rng-core.ko", module())
        self.write("set/kvm-intel.ko", module("kvm"))
        found = self.build(kvm=[("mine", self.path("set"))])
        order = found["lab/kvm/mine/order"][1].decode().split()
        self.assertEqual(order, ["irqbypass", "kvm", "rng-core", "ccp", "kvm-amd"])
        self.assertEqual(found["lab/kvm/mine/irqbypass.ko"][1], module())
        self.assertNotIn("lab/kvm/mine/kvm-intel.ko", found)

    def test_missing_module_is_named(self):
        self.write("set/kvm.ko", module("irqbypass"))
        self.write("set/kvm-amd.ko", module("kvm"))
        with self.assertRaisesRegex(LabError, "irqbypass.ko, and kvm.ko needs it"):
            self.build(kvm=[("mine", self.path("set"))])

    def test_no_half_written_file(self):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, limits[1]))
        with self.assertRaisesRegex(LabError, "can't write .*initramfs"):
            self.build()
        self.assertEqual(os.listdir(self.directory), [])


SPLATS = """\
[    1.573910] WARNING: CPU: 0 PID: 77 at arch/x86/kvm/x86.c:1 f+0x1/0x2 [kvm]
[    1.573910][   T77] WARNING: possible circular locking dependency detected
[    1.573910] WARNING: possible recursive locking detected
[    1.573910] WARNING: inconsistent lock state
[    1.573910] WARNING: suspicious RCU usage
[    1.573910] WARNING: arch/x86/kvm/x86.c:1 at f+0x1/0x2, CPU#0: qemu/77
[    1.573910] BUG: KASAN: slab-use-after-free in f+0x1/0x2 [kvm]
[    1.573910] BUG: KCSAN: data-race in f / g
[    1.573910] BUG: sleeping function called from invalid context at f.c:1
[    1.573910] BUG: scheduling while atomic: sh/77/0x00000002
[    1.573910] [ BUG: Invalid wait context ]
[    1.573910] BUG: unable to handle page fault for address: ffff
[    1.573910] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    1.573910] BUG kmalloc-64 (Not tainted): Poison overwritten
[    1.573910] kernel BUG at arch/x86/kvm/x86.c:1!
[    1.573910] Oops: general protection fault, probably for address 0xdead: 0000 [#1]
[    1.573910] general protection fault, probably for non-canonical address 0xdead: 0000 [#1]
[    1.573910] invalid opcode: 0000 [#1] PREEMPT SMP NOPTI
[    1.573910] UBSAN: shift-out-of-bounds in f.c:1:2
[    1.573910] Kernel panic - not syncing: sysrq triggered crash
[    1.573910] rcu: INFO: rcu_sched self-detected stall on CPU
[    1.573910] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
[    1.573910] rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-... }
[    1.573910] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:77]
[    1.573910] INFO: task sh:77 blocked for more than 120 seconds.
[    1.573910] INFO: trying to register non-static key.
[    1.573910] kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
unreferenced object 0xffff888100 (size 64):
[    1.573910] unchecked MSR access error: RDMSR from 0x123 at rIP: 0xffff
[    1.573910] Call Trace:
[  T123] WARNING: bad unlock balance detected!
WARNING: held lock freed!"""

# All but the last four were seen on consoles of clean boots, on either machine.
NO_SPLATS = """\
[    0.082537] Speculative Return Stack Overflow: WARNING: See https://kernel.org/doc/srso.html
[    0.023193] RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to attacks
[    0.002665] [Firmware Bug]: TSC_DEADLINE disabled due to Errata; please update microcode
[    1.631171] Failed to access perfctr msr (MSR c4 is 0)
[    7.315178] acpi PNP0A03:00: fail to add MMCONFIG information
[    3.234498] reboot: Power down
[    1.573910] traps: test[77] general protection fault ip:401000 sp:7ffc error:0 in test
[    1.573910] kmemleak: Kernel memory leak detector initialized (mem pool available: 15679)
[    1.573910] kvm: WARNINGS are fine, DEBUG: too
[    1.573910] rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies."""

KNOWN = """\
[    0.000000] WARNING: CPU: 0 PID: 0 at arch/x86/topology_common.c:57 parse_legacy+0x10e/0x130
[    0.000000] Call Trace:
[    0.000000] ---[ end trace 0000000000000000 ]---
"""


class Verdict(unittest.TestCase):
    def test_every_splat_is_found(self):
        for line in SPLATS.splitlines():
            self.assertTrue(verdict.find_splat(f"fine\n{line}\nfine"), line)

    def test_clean_console(self):
        for line in NO_SPLATS.splitlines():
            self.assertIsNone(verdict.find_splat(line), line)

    def test_known_splat_hides_no_other(self):
        self.assertIsNone(verdict.find_splat(KNOWN, bochs.KNOWN_SPLATS))
        self.assertTrue(verdict.find_splat(KNOWN))
        for other in ("WARNING: other", "Call Trace:"):
            self.assertTrue(verdict.find_splat(KNOWN + other, bochs.KNOWN_SPLATS), other)

    def test_known_splat_without_an_end_hides_nothing(self):
        cut = "".join(KNOWN.splitlines(keepends=True)[:-1])
        self.assertTrue(verdict.find_splat(cut + "BUG: KASAN: some", bochs.KNOWN_SPLATS))

    def test_status(self):
        self.assertEqual(verdict.parse_status("0\n"), 0)
        self.assertEqual(verdict.parse_status("126\n"), 126)
        for text in ("", "0", "12", "\n", "x\n", "0\n0\n", "7\n0\n", "-1\n", " 0\n"):
            self.assertIsNone(verdict.parse_status(text), repr(text))


class EmulatorScreens(unittest.TestCase):
    def test_full_display_does_not_block(self):
        display, slave = os.openpty()
        said, first = os.pipe()
        os.set_blocking(said, False)
        os.set_blocking(display, False)
        screens = emulator.Screens(said)
        os.write(first, f'Bochs connected to screen "{os.ttyname(slave)}"\n'.encode())
        for _ in range(64):
            screens.drain(io.BytesIO())
            self.assertEqual(os.write(display, b"x" * 1024), 1024)
        screens.close()
        for descriptor in (display, slave, first):
            os.close(descriptor)


class TestsInLab(unittest.TestCase):
    """What /lab/tests prints is what the jobs' readers take."""

    def said(self, script):
        path = os.path.join(initramfs.GUEST, "tests")
        done = subprocess.run(["/bin/busybox", "sh", "-c", f". {path}\n{script}"],
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def test_one_command(self):
        self.assertEqual(self.said("run_test patched a_test sh -c 'echo 1..1; echo x >&2; exit 4'"),
                         ["begin patched a_test", "1..1", "x", "end 4"])

    def test_each_argument_is_passed_on_as_it_is(self):
        self.assertEqual(self.said("run_test own x printf '%s|' 'a b' '' c"),
                         ["begin own x", "a b||c|end 0"])

    def test_several_commands(self):
        self.assertEqual(self.said("begin_test stock x; echo ok; end_test 4"),
                         ["begin stock x", "ok", "end 4"])


class Known(unittest.TestCase):
    def test_each_fact_is_told_of_each_machine(self):
        facts = {*Machine.__annotations__, "Tracer", "prepare"}
        for name, machine in MACHINES.items():
            with self.subTest(name):
                self.assertEqual(facts - set(dir(machine)), set())

    def test_what_a_machine_refuses_are_options(self):
        known = set(vars(lab.make_parser().parse_args(
            ["run", "--lab", "amd", "--kernel", "x", "--work", "x"])))
        for machine in MACHINES.values():
            self.assertLessEqual(set(machine.UNSUPPORTED), known)


class BadOptions(InDirectory):
    """Each is refused with one line and status 125, and leaves no file."""

    def refused(self, message, *arguments, env=None):
        result = subprocess.run([*LAB, *arguments], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=60, check=False, env=env)
        self.assertEqual(result.returncode, 125, result)
        self.assertRegex(result.stderr, rf"\Alab: [^\n]*{message}[^\n]*\n\Z")
        self.assertEqual(result.stdout, "")
        self.assertFalse(os.path.exists(self.path("work/initramfs")))

    def arguments(self, **changes):
        kernel = self.write("vmlinuz", b"\0" * 0x202 + b"HdrS")
        given = {"lab": "amd", "kernel": kernel, "work": self.path("work"), **changes}
        return [text for name, value in given.items() for text in (f"--{name}", value)]

    def test_values(self):
        dynamic = self.write("dynamic", b"\x7fELF /lib64/ld-linux-x86-64.so.2")
        for message, changes in (
                ("'foo'", {"lab": "foo"}),
                ("can't read /none", {"kernel": "/none"}),
                ("no bzImage", {"kernel": dynamic}),
                ("can't read /none", {"file": "/none"}),
                ("dynamic is not static", {"file": dynamic}),
                ("has to start with /", {"file": "/etc/passwd:x"}),
                ("not SET=DIR", {"kvm": "/tmp"}),
                ("can't read /none", {"kvm": "stock=/none"}),
                ("no kvm-amd.ko", {"kvm": f"stock={self.directory}"}),
                ("busybox-static", {"busybox": "/none"}),
                ("busybox-static", {"busybox": dynamic}),
                ("not a positive number", {"cpus": "0"}),
                ("not a positive number", {"memory": "1G"}),
                ("not a positive number", {"timeout": "-1"}),
                ("one line", {"append": "a\nb"}),
                ("for --lab amd", {"lab": "intel", "cpu-flags": "x"}),
                ("for run --lab amd", {"lab": "intel", "disk": "x"}),
                ("go together", {"disk": "/none"}),
                ("go together", {"initrd": "/none"}),
                ("can't read /none", {"disk": "/none", "initrd": dynamic}),
                ("can't read /none", {"disk": dynamic, "initrd": "/none"}),
                ("unrecognized arguments", {"nonsense": "x"}),
                ("can't use --work", {"work": "/dev/null/x"})):
            with self.subTest(changes):
                self.refused(message, "run", *self.arguments(**changes), "--", "true")

    def test_shape(self):
        self.refused("needs a command", "run", *self.arguments())
        self.refused("takes no command", "shell", *self.arguments(), "--", "true")
        self.refused("required", "run", "--", "true")
        self.refused("for --lab amd", "run", *self.arguments(lab="intel"), "--real-clock",
                     "--", "true")
        self.refused("for run, not for shell", "shell", *self.arguments(disk="x"))
        self.refused("'dance'", "dance", *self.arguments())

    def test_missing_emulator(self):
        nowhere = {**os.environ, "PATH": self.directory}
        self.refused("package qemu-system-x86", "run", *self.arguments(), "--", "true", env=nowhere)
        self.refused("package bochs", "run", *self.arguments(lab="intel"), "--", "true",
                     env=nowhere)


if __name__ == "__main__":
    unittest.main()
