# SPDX-License-Identifier: GPL-2.0-only
"""Boots of the image: machines, what goes wrong there, and what has to come of it.

A scene is a function that returns a Boot and checks: by what they show, functions of
the Boot, each of which returns a complaint, or "".
"""
import functools
import json
import re
import shutil

from pvmmio.jobs.bench import table
from pvmmio.jobs.stick import disk, image, machine
from pvmmio.jobs.stick.machine import Answer
from pvmmio.lab import bochs

TIMEOUT = 1500
# What is quick.
SHORT_RUN = {"tests": "pv_mmio_test", "parts": "cases", "samples": "64"}
# What doesn't measure, but goes all the way.
NO_FIGURES = {"tests": "none", "parts": "nonsense", "ending": "poweroff"}
HANGS = b"#!/bin/sh\nsleep 1000\n"
FAILS = b"#!/bin/sh\necho 1..1\necho 'not ok 1 the sky is up'\nexit 1\n"
END = "pv-mmio: done"
HYPERVISOR = "measured inside a hypervisor, these are no cycles of hardware"
MAY_TELL = "power off; r and Enter"
MENUS = {"bios": "Automatic boot in", "uefi": "will be executed automatically in",
         "secure": "will be executed automatically in"}
DOWN = "\x0e"
MEASURE, NO_MITIGATIONS, THEN_POWER_OFF = range(3)
# What may not be told of a machine.
NAMES = {"serial": "SERIAL4711", "uuid": "6f1a3c52-9d1b-4a44-8a06-3f3b0f5c2a11",
         "mac": "52:54:00:1e:a4:01", "stick": "STICK4712"}
NAMED = ("-smbios", f"type=1,serial={NAMES['serial']},uuid={NAMES['uuid']}",
         "-device", f"e1000e,mac={NAMES['mac']}",
         "-set", f"device.port.serial={NAMES['stick']}")
LOOKS_LIKE_A_NAME = re.compile(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-")


class Stage:
    """What scenes are made of."""

    def __init__(self, built, stick, folder):
        self.built, self.stick, self.folder = built, stick, folder

    def variant(self, name, programs=None, more=""):
        """An image with PROGRAMS only, as {name: contents}, and MORE for the kernel."""
        paths = [self.built / "tests" / known for known in ("pv_mmio_test", "doorbell_bench")]
        # Another scene has others of these names at the same time.
        own = self.folder / f"{name}.programs"
        own.mkdir(exist_ok=True)
        for program, data in (programs or {}).items():
            paths.append(own / program)
            paths[-1].write_bytes(data)
        path = self.folder / f"{name}.img"
        image.make(self.built, path, paths, f"{image.KERNEL_ARGUMENTS} {more}", level=1)
        return path


def choose(entry, firmware="bios"):
    """From the menu.  The machine's seconds are instructions: let it not wait for them."""
    return Answer(MENUS[firmware], "line", DOWN * entry + "\r")


class Boot:
    """One run of a machine with a copy of an image in its USB port."""

    def __init__(self, source, settings, answers=(), full=False, **how):
        self.source, self.settings, self.answers, self.full = source, settings, answers, full
        self.how = how
        self.text = self.error = ""
        self.results = {}

    def command(self, _work, copy):
        return machine.command(copy, **self.how)

    def run(self, work):
        work.mkdir(parents=True)
        copy = work / "image"
        shutil.copy(self.source, copy)
        if self.settings:
            disk.put_settings(copy, self.settings)
        if self.full:
            disk.fill(copy)
        self.text, self.error = machine.boot(work, self.command(work, copy), TIMEOUT, self.answers)
        self.results = disk.results(copy)
        copy.unlink()

    def kept(self, number=1):
        """JSON and text of the folder NUMBER, empty ones if there is none."""
        return self.results.get(f"{number:03}") or ({}, "")


class BootOnIntel(Boot):
    def command(self, work, copy):
        return machine.command_intel(work, copy, **self.how)


def figures(boot, number=1):
    """{(case, KVM, round, listener): least} of what was measured."""
    return {(row["case"], row["kvm"], row["round"], row.get("listener_on", "")): row["min"]
            for row in boot.kept(number)[0].get("rows", ()) if table.is_ordinary(row)}


def lacks(*words):
    """A check: which of WORDS weren't said on the serial line."""
    def check(boot):
        missing = [word for word in words if word not in boot.text]
        return f"not said: {'; '.join(missing)}; said last: {boot.text[-200:]!r}" if missing else ""
    return check


def not_measured(boot):
    """Every case, stock and ours, twice."""
    cases = {**table.CASES, **table.OTHER_STORES, **table.NO_DOORBELLS}
    wanted = {(case, kvm, number, "") for case in cases for number in (1, 2)
              for kvm in ("stock", "patched")
              if kvm == "patched" or case not in ("hc_mmio_write", "exit_floor")}
    missing = wanted - set(figures(boot))
    return f"not measured: {sorted(missing)}" if missing else ""


def not_as_said(boot):
    """What is kept, and the screen."""
    told = boot.kept()[1]
    unsaid = [line for line in told.splitlines() if line not in boot.text]
    return "; ".join(filter(None, (
        f"kept, but not said: {unsaid[0]}" if unsaid else "",
        *(f"not kept: {word}" for word in ("ours/it: the lower", "99th percentile")
          if word not in told))))


def marks(*wanted):
    """A check: for which reasons the figures are marked in what was kept."""
    def check(boot):
        found = re.findall("MARKED: (.*)", boot.kept()[1])
        return "" if found == list(wanted) else f"marked: {found}"
    return check


def tests_did_not_pass(boot):
    verdicts = boot.kept()[0].get("tests")
    return "" if verdicts == [{"test": "pv_mmio_test", "verdict": "passed"}] else f"{verdicts}"


def facts_differ(wanted, boot):
    found = boot.kept()[0].get("machine", {})
    return "; ".join(f"{name} is {found.get(name)}" for name, value in wanted.items()
                     if not str(found.get(name, "")).startswith(value))


def names_of_the_machine(boot):
    """Any that was kept."""
    result, told = boot.kept()
    kept = json.dumps(result) + told
    found = [name for name in NAMES.values() if name.lower() in kept.lower()]
    found += [match.group() for match in LOOKS_LIKE_A_NAME.finditer(kept.lower())]
    return f"kept: {found}" if found else "" if told else "nothing was kept"


def least(boot, number):
    """The lower of both rounds, which now and then a timer's tick divides.

    What a listener takes is left to when the scheduler runs it.
    """
    lower = {}
    for (case, kvm, *_), value in figures(boot, number).items():
        if not case.endswith(("_listener", "_wake")):
            lower[case, kvm] = min(value, lower.get((case, kvm), value))
    return lower


def boots_differ(boot):
    """Where modules lie makes a few instructions: it's the same if less than 1 % differs."""
    first, second = least(boot, 1), least(boot, 2)
    differ = [f"{key}: {value} and {second.get(key)}" for key, value in first.items()
              if abs(second.get(key, 0) - value) > value / 100]
    return "; ".join(differ[:4]) if first else "there are no figures"


AMD_FACTS = {"CPU": "AMD EPYC", "microcode": "0x", "hypervisor": "yes", "SVM": "yes", "NPT": "yes",
             "NRIP save": "no", "decode assists": "no", "AVIC": "no", "TSC": "not invariant",
             "PMU": "none", "turbo": "not known", "measured on CPU": "0",
             "spectre_v2": "Mitigation"}
INTEL_FACTS = {"CPU": "Intel", "VT-x": "yes", "EPT": "yes", "APICv": "no", "PMU": "none",
               "TSC": "invariant", "hypervisor": "no", "measured on CPU": "0"}


def bios(stage):
    """Also a disk of the machine's that even has the label of the stick's partition."""
    own = stage.folder / "own-disk"
    image.make_fat(own, 8, image.LABEL, ())
    before = own.read_bytes()
    boot = Boot(stage.stick, SHORT_RUN, [choose(THEN_POWER_OFF)], disk=own, names=NAMED)
    return boot, {
        "measures every case": not_measured,
        "keeps what it has shown": not_as_said,
        "passes our test": tests_did_not_pass,
        "marks what a hypervisor takes part in": marks(HYPERVISOR),
        "tells what machine it is": functools.partial(facts_differ, AMD_FACTS),
        "keeps no names of the machine": names_of_the_machine,
        "leaves the machine's own disk alone":
            lambda boot: "" if own.read_bytes() == before else "it has changed"}


def uefi(stage):
    """Reboots when told, and boots once more."""
    run = {**SHORT_RUN, "parts": "cases,listener,spaces,places", "ending": "reboot"}
    boot = Boot(stage.stick, run, [choose(MEASURE, "uefi"), Answer(END, "line", ""),
                                   choose(THEN_POWER_OFF, "uefi")], firmware="uefi", reboots=True)
    return boot, {
        "measures every case": not_measured,
        "keeps what it has shown": not_as_said,
        "measures listeners, address spaces and places": lacks(
            "movw_listener ", "movw_wake ", "movw, 1024 address spaces ", "movw, 128 places "),
        "counts the same in a second boot, in a folder of its own": boots_differ}


def intel(stage):
    """The same image as a CD, too."""
    source = stage.variant("intel", more=bochs.PLAIN_TICK)
    boot = BootOnIntel(source, {**SHORT_RUN, "ending": "poweroff"})
    return boot, {
        "measures every case": not_measured,
        "keeps what it has shown": not_as_said,
        "passes our test": tests_did_not_pass,
        # Its kernel complains of the emulator while it boots.
        "has no marks": marks(),
        "tells what machine it is": functools.partial(facts_differ, INTEL_FACTS)}


def no_svm(stage):
    boot = Boot(stage.stick, {}, [choose(MEASURE), Answer(MAY_TELL, "line", "p\n", True)],
                cpu_flags=["-svm"], read_only=True)
    return boot, {
        "says so": lacks("can't measure: this VM's CPU shows no SVM: let its hypervisor nest"
                         " others"),
        "says that the stick is read-only, and powers off when told": lacks(
            "NOT KEPT, only here on the screen: ", "Read-only file system", END)}


def secure_boot(stage):
    """And too little memory, which is kept as well."""
    boot = Boot(stage.stick, {}, [choose(MEASURE, "secure"), Answer(MAY_TELL, "line", "r\n", True)],
                firmware="secure", memory=400)
    return boot, {
        "says what to switch off": lacks("are not signed: in the firmware's setup, among what"
                                         " concerns booting, switch off Secure Boot"),
        "says that memory is too small": lacks("MiB of memory are free, 384 are needed"),
        "keeps both": lambda boot: "" if len(boot.kept()[0].get("refused", ())) == 2 else
                      f"kept: {boot.kept()[0]}"}


def listeners_elsewhere(boot):
    """Is there one on each kind of CPU, each time?"""
    found = {(row["kvm"], row["round"], row.get("listener_on"))
             for row in boot.kept()[0].get("rows", ())}
    wanted = {(kvm, number, "other") for kvm in ("stock", "patched") for number in (1, 2)}
    return "" if found == wanted else f"there is {found}"


def parts(stage):
    """Parts that fail and others that don't, on a CPU with 52 address bits."""
    run = {"tests": "none", "parts": "nonsense,listener_sibling,listener_other", "samples": "16",
           "ending": "poweroff"}
    boot = Boot(stage.variant("parts"), run, [choose(NO_MITIGATIONS)],
                cpu_flags=["phys-bits=52"], cpus=2)
    return boot, {
        "tells why a part is lost": lacks(
            "lost, from round 2, patched, nonsense: status 2: no such part",
            "lost, from round 2, stock, listener_sibling: there is no such"),
        "measures the others": listeners_elsewhere,
        "says what 52 address bits cost": lacks("52 address bits leaves no reserved bit"),
        "has no mitigations when told": functools.partial(
            facts_differ, {"spectre_v2": "Vulnerable"})}


def tests(stage):
    source = stage.variant("tests", {"hangs_test": HANGS, "fails_test": FAILS})
    boot = Boot(source, {**NO_FIGURES, "tests": "hangs_test,fails_test"},
                [choose(MEASURE), Answer("No space left", "monitor", "device_del port\n")],
                full=True)
    return boot, {
        "names one that hangs": lacks("test hangs_test: FAILED: no end after"),
        "names one that fails": lacks("test fails_test: FAILED: status 1: not ok 1 the sky is up"),
        "marks the figures": lacks("MARKED: our KVM fails here: hangs_test fails_test"),
        "says that the stick is full, then pulled out": lacks(
            "No space left on device", "NOT KEPT, only here on the screen: no partition PVMMIO"),
        "keeps no part of a file": lambda boot: f"kept: {boot.results}" if boot.results.get("001")
                                   else ""}


def stuck(stage):
    """A test with which KVM hangs, for the emulated machine: the shell that waits for it."""
    source = stage.variant("stuck", {
        "fails_test": FAILS, "stuck_test": b"#!/bin/sh\nkill -STOP $PPID\nsleep 1000\n"})
    boot = Boot(source, {**NO_FIGURES, "tests": "fails_test,stuck_test", "minutes": "1"},
                [choose(MEASURE)])
    return boot, {
        "names what comes to no end": lacks(
            "no end, not even when stopped, of testing: stuck_test", END),
        "keeps what it has by then": lambda boot: "" if "test fails_test: FAILED" in boot.kept()[1]
                                     and "stuck_test" in boot.kept()[1] else f"kept: {boot.kept()}"}


SCENES = {"intel": intel, "uefi": uefi, "bios": bios, "parts": parts, "tests": tests,
          "stuck": stuck, "secure-boot": secure_boot, "no-svm": no_svm}
SHORT = ("bios",)
