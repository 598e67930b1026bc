# SPDX-License-Identifier: GPL-2.0-only
"""Boot the image on emulated machines, by BIOS and by UEFI, and read back what it measured.

usage: boots.py BUILT IMAGE

BUILT is a folder that pvmmio/build/kernel.py made, and IMAGE what image.py made of it.
Beside the measuring, each reason not to measure, and each way to lose the partition.
"""
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pvmmio.build import packages
from pvmmio.console import main
from pvmmio.jobs.bench import table
from pvmmio.jobs.stick import disk, image, machine
from pvmmio.jobs.stick.machine import Answer
from pvmmio.tally import Tally

TIMEOUT = 900
# What is quick, and then off.
SHORT = {"tests": "pv_mmio_test", "parts": "cases", "samples": "64", "ending": "poweroff"}
NO_FIGURES = {"tests": "none", "parts": "nonsense", "ending": "poweroff"}
# What goes wrong, and does not keep the rest from going on.
BAD_PARTS = {"tests": "none", "parts": "nonsense,listener_sibling,listener_other",
             "samples": "16", "ending": "poweroff"}
BAD_TESTS = {**NO_FIGURES, "tests": "hangs_test,fails_test"}
HANGS = "#!/bin/sh\nsleep 1000\n"
FAILS = "#!/bin/sh\necho 1..1\necho 'not ok 1 the sky is up'\nexit 1\n"
END = "pv-mmio: done"
MAY_TELL = "power off; r and Enter"
MENU = {"bios": Answer("Automatic boot in", "line", "\r"),
        "uefi": Answer("will be executed automatically in", "line", "\r")}


class Boot:
    """One boot of a copy of an image; what came of it is looked at by a function of its own."""

    def __init__(self, name, source, settings, **how):
        self.name, self.source, self.settings = name, source, settings
        # The machine's seconds are instructions: don't let the menu wait for them.
        self.answers = [MENU[how.get("firmware", "bios")], *how.get("answers", ())]
        self.full = how.get("full", False)
        self.how = {name: how[name] for name in ("firmware", "cpu_flags", "memory", "read_only",
                                                 "cpus") if name in how}
        self.text = self.error = ""
        self.results = {}

    def run(self, folder):
        work = folder / self.name
        work.mkdir(parents=True)
        copy = work / "image"
        shutil.copy(self.source, copy)
        if self.settings:
            disk.put_settings(copy, self.settings)
        if self.full:
            disk.fill(copy)
        self.text, self.error = machine.boot(work, machine.command(copy, **self.how), TIMEOUT,
                                             self.answers)
        self.results = disk.results(copy)
        copy.unlink()
        return self

    def first(self):
        """JSON and text of the first folder, empty ones if it has none."""
        return self.results.get("001") or ({}, "")


def variant(built, folder, name, programs=(), more=""):
    """An image with PROGRAMS only, as {name: contents}, and MORE on the kernel's command line."""
    paths = []
    for program, data in dict(programs).items():
        paths.append(folder / program)
        paths[-1].write_bytes(data)
    image.make(built, folder / f"{name}.img", paths, f"{image.KERNEL_ARGUMENTS} {more}", level=1)
    return folder / f"{name}.img"


def figures(boot):
    """{(case, KVM, round): least} of what was measured."""
    return {(row["case"], row["kvm"], row["round"]): row["min"]
            for row in boot.first()[0].get("rows", ())}


def lacks(boot, *words):
    """Which of WORDS weren't said on the serial line, in one sentence."""
    missing = [word for word in words if word not in boot.text]
    return f"not said: {'; '.join(missing)}; said at last: {boot.text[-200:]!r}" if missing else ""


def measured(boot):
    """Did it measure every case, stock and ours, twice, and say so as well as keep it?"""
    got, told = figures(boot), boot.first()[1]
    cases = {**table.CASES, **table.OTHER_STORES, **table.NO_DOORBELLS}
    wanted = {(case, "patched", number) for case in cases for number in (1, 2)}
    wanted |= {(case, "stock", number) for case, _, number in wanted
               if case not in ("hc_mmio_write", "exit_floor")}
    unsaid = [line for line in told.splitlines() if line not in boot.text]
    verdicts = boot.first()[0].get("tests")
    return "; ".join(filter(None, (
        boot.error, f"not measured: {sorted(wanted - set(got))}" if wanted - set(got) else "",
        f"kept, but not said: {unsaid[0]}" if unsaid else "",
        "" if "ours/it: the lower" in told else "no table in the text that was kept",
        "" if "MARKED: measured inside a hypervisor" in told else "no mark of the hypervisor",
        "" if verdicts == [{"test": "pv_mmio_test", "verdict": "passed"}] else f"{verdicts}")))


def least(boot):
    """The lower of both rounds, which now and then a timer's tick divides."""
    lower = {}
    for (case, kvm, _), value in figures(boot).items():
        lower[case, kvm] = min(value, lower.get((case, kvm), value))
    return lower


def differences(one, other):
    """Which figures differ by 1 % or more; where modules lie makes a few instructions."""
    first, second = least(one), least(other)
    differ = [f"{key}: {value} and {second.get(key)}" for key, value in first.items()
              if abs(second.get(key, 0) - value) > value / 100]
    return "; ".join(differ[:4]) if first else "there are no figures"


def boots(built, stick, folder):
    """All of them; the longest first."""
    trouble = variant(built, folder, "trouble", {
        "hangs_test": HANGS.encode(), "fails_test": FAILS.encode(),
        "doorbell_bench": (built / "tests/doorbell_bench").read_bytes()})
    locked = variant(built, folder, "locked", more="lockdown=integrity")
    return (
        Boot("uefi", stick, SHORT, firmware="uefi"),
        Boot("bios", stick, SHORT),
        Boot("no-svm", stick, {}, cpu_flags=["-svm"], read_only=True,
             answers=[Answer(MAY_TELL, "line", "p\n", True)]),
        Boot("locked", locked, NO_FIGURES, memory=400),
        Boot("parts", trouble, BAD_PARTS, cpu_flags=["phys-bits=52"], cpus=2),
        Boot("tests", trouble, BAD_TESTS, full=True,
             answers=[Answer("No space left", "monitor", "device_del port\n")]),
    )


def refusals(tally, no_svm, locked):
    tally.add(*verdict("a CPU without SVM, and a stick that is read-only", no_svm.error or lacks(
        no_svm, "can't measure: this VM's CPU shows no SVM: let its hypervisor nest others",
        "NOT KEPT, only here on the screen: ", "Read-only file system", END)))
    why = locked.error or lacks(locked, "are not signed: in the firmware's setup", "switch off"
                                " Secure Boot", "MiB of memory are free, 384 are needed", END)
    kept = locked.first()[0].get("refused", ())
    tally.add(*verdict("signed modules only, and too little memory: both are kept",
                       why or ("" if len(kept) == 2 else f"kept: {kept}")))


def listeners(boot):
    """Where the thread ran that the doorbells woke."""
    return {(row["kvm"], row["round"], row.get("listener_on"))
            for row in boot.first()[0].get("rows", ())}


def bad_parts(tally, boot):
    tally.add(*verdict("52 address bits, parts that fail", boot.error or lacks(
        boot, "52 address bits leaves no reserved bit",
        "lost, from round 2, patched, nonsense: status 2: no such part",
        "lost, from round 2, stock, listener_sibling: there is no such", END)))
    wanted = {(kvm, number, "other") for kvm in ("stock", "patched") for number in (1, 2)}
    tally.add(*verdict("and the rest is measured: with a listener on another CPU",
                       "" if listeners(boot) == wanted else f"there is {listeners(boot)}"))


def bad_tests(tally, boot):
    tally.add(*verdict("tests that hang and fail", boot.error or lacks(
        boot, "test hangs_test: FAILED: no end after",
        "test fails_test: FAILED: status 1: not ok 1 the sky is up",
        "MARKED: our KVM fails here: hangs_test fails_test", END)))
    tally.add(*verdict("a stick that is full, then pulled out", boot.error or lacks(
        boot, "No space left on device", "NOT KEPT, only here on the screen: no partition PVMMIO")
        or (f"kept: {boot.results}" if boot.results.get("001") else "")))


def verdict(name, complaint):
    return "FAIL" if complaint else "PASS", f"stick: {name}", complaint


def run(argv):
    built, stick = Path(argv[0]).resolve(), Path(argv[1]).resolve()
    packages.install((*image.NEEDED, "ovmf"))
    folder = Path(tempfile.mkdtemp(prefix="boots.", dir=stick.parent))
    try:
        all_boots = boots(built, stick, folder)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            uefi, bios, *others = pool.map(lambda boot: boot.run(folder), all_boots)
    finally:
        keep_logs(folder, stick.parent / "lab")
    tally = Tally()
    tally.add(*verdict("by BIOS, measures and keeps it", measured(bios)))
    tally.add(*verdict("by UEFI, measures and keeps it", measured(uefi)))
    tally.add(*verdict("both boots count the same, to a percent", differences(bios, uefi)))
    refusals(tally, *others[:2])
    bad_parts(tally, others[2])
    bad_tests(tally, others[3])
    return tally.finish()


def keep_logs(folder, where):
    for log in folder.glob("*/console.log"):
        place = where / f"stick-{log.parent.name}"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, place)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(run, sys.argv[1:], (2,), __doc__)
