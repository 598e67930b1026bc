# SPDX-License-Identifier: GPL-2.0-only
"""Measure every doorbell, stock beside patched, and print it beside the figures of 2013.

usage: bench.py BUILT RESULTS [LAB]
       bench.py --host

The latter only looks whether LAB host can be measured, before anything is built.

BUILT is a folder that pvmmio/build/kernel.py made.  LAB names lab machines
(default: all), or is "host": this machine, with the KVM that it has loaded.
Writes RESULTS/bench.json, a list of objects
  {"lab", "kernel", "kvm": "stock"|"patched", "case", "ioeventfds", "min",
   "median", "p99", "samples", "unit", "layout": "spread"|"same", "address_spaces",
   "pcid", "places", "tree"}
where "tree" names the sources, see origin.py; a case that ends in _listener or
_wake had a thread asleep on the eventfd, and one that begins with device_ a device
in a process of its own.  The guest rang in turn from so many
"address_spaces" (1 unless told), each with a PCID if "pcid" (false unless told), and
from so many "places" with the same code (1 unless told).  Where the CPU counts them,
"core_cycles" and "instructions" are the means of a doorbell.  And RESULTS/scale.json, a
list of objects
  {"lab", "kernel", "kvm", "operation": "register"|"remove", "case", "layout",
   "ioeventfds", "ringing_vcpus", "total", "per_operation", "unit", "zones",
   "at_once"}
where "operation" is "create" for a VM's first vCPU after that many were registered,
"zones" is there for zones of coalesced MMIO only, and 0 by default: that
many came or went beside ioeventfds that stayed.  If "at_once" (false unless told),
all came or went in one call.
For LAB host, both have the KVMs that were loaded one after the other on this machine,
and so has RESULTS/host.json, in the form of a stick's results.
"""
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from pvmmio.console import JobError, main, say
from pvmmio.jobs.bench import origin, table
from pvmmio.jobs.bench.progress import Progress
from pvmmio.jobs.stick import host
from pvmmio.lab import fleet
from pvmmio.lab.known import MACHINES, QUICK

KVM_CHECK_EXTENSION = 0xae03
KVM_CAP_X86_PV_MMIO = 0x70766d01
SCRIPT = Path(__file__).with_name("in-lab")
PROGRAMS = ("doorbell_bench", "doorbell_device_bench", "ioeventfd_scale_bench")
# The kernel's test library says this for each VM; the benchmarks draw no random numbers.
LIBRARY_SAYS = "Random seed: "


def what_is_special(figure):
    """Say what tells a FIGURE from others of its case: how many rang from where, among what."""
    said = f", {figure['zones']} zones" if figure.get("zones") else ""
    if figure.get("ringing_vcpus"):
        said += f", while {figure['ringing_vcpus']} vCPUs ring"
    if table.of(figure, "address_spaces") > 1 or table.of(figure, "pcid"):
        said += f", {table.of(figure, 'address_spaces')} address spaces"
    if table.of(figure, "pcid"):
        said += " with PCIDs"
    if table.of(figure, "places") > 1:
        said += f", {figure['places']} places"
    return said


class Results:
    """The results are what the benchmark printed, each with its machine and its KVM."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.tree = origin.tree()
        self.kvm = {}
        self.progress = {}
        self.rows = []
        self.scale = []

    def line(self, machine, text):
        if text.startswith("kvm "):
            self.kvm[machine.name] = text.split()[1]
        elif text.startswith("part "):
            self.part(machine.name, *text.removeprefix("part ").split(maxsplit=1))
        elif text.startswith("{"):
            self.add(machine.name, self.kvm[machine.name], json.loads(text))
        elif text and not text.startswith(LIBRARY_SAYS):
            say(f"{machine.name}: {text}")

    def part(self, lab, name, which):
        usual = getattr(MACHINES.get(lab), "BENCH_SECONDS", {})
        far = self.progress.setdefault(lab, Progress(usual)).begin(name)
        say(f"{lab}: {self.kvm[lab]}: part {which}, {name}; {far}")

    def add(self, lab, kvm, figure):
        if "skipped" in figure:
            say(f"{lab}: {kvm}: {figure['case']}: skipped: {figure['skipped']}")
            return
        row = {"lab": lab, "kernel": self.kernel, "kvm": kvm, **figure, "tree": self.tree}
        what, value, rows = figure["case"], "median", self.rows
        if "operation" in figure:
            what, value, rows = f"{figure['operation']} {what}", "per_operation", self.scale
        what += " at once" if figure.get("at_once", False) else ""
        say(f"{lab}: {kvm}: {what}, {figure['ioeventfds']} {figure['layout']}"
            f"{what_is_special(figure)}: {figure[value]} {figure['unit']}")
        rows.append(row)


def bench_labs(labs, built):
    results = Results((built / "release").read_text().strip())
    machines = fleet.run(labs, built, SCRIPT, [built / "tests" / name for name in PROGRAMS],
                         results.line, ["--timeout", "2700"])
    for machine in machines:
        if machine.status:
            raise JobError(f"{machine.name}: the benchmark ended with status {machine.status};"
                           " the reason is above")
    return results


def host_kvm():
    """Say which KVM this machine has loaded."""
    try:
        with open("/dev/kvm", "rb+", buffering=0) as kvm:
            ours = fcntl.ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_X86_PV_MMIO)
    except OSError as error:
        raise JobError(f"LAB=host: /dev/kvm: {error.strerror}; load KVM's modules, as root,"
                       f" or use LAB={QUICK}") from None
    return "patched" if ours else "stock"


def stream(process, on_line):
    for text in process.stdout:
        on_line(text.rstrip("\n"))
    return process.stderr.read()


def bench_host(built):
    """Return the figures that were measured, and why there aren't more, or nothing."""
    results = Results(os.uname().release)
    this = SimpleNamespace(name="host")
    results.line(this, f"kvm {host_kvm()}")
    environment = {**os.environ, "BIN": str(built / "tests"), "UNIT": "cycles", "PROGRESS": "y"}
    with subprocess.Popen(["sh", SCRIPT, "measure"], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, env=environment) as run:
        said = stream(run, lambda text: results.line(this, text))
    why = said.strip().splitlines() or ["no reason given"]
    return results, f"LAB=host: the benchmark failed: {why[-1]}" if run.returncode else ""


def keep_host(results, folder):
    """Put the figures beside those of the other KVM, measured on this machine before."""
    merged = host.write(folder / "host.json", results.rows, results.scale)
    rows = [{name: value for name, value in row.items() if name != "round"}
            for row in merged["rows"]]
    results.rows, results.scale = rows, merged["scale"]


def write_results(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    lines = ",\n".join(json.dumps(row) for row in rows)
    partial.write_text(f"[\n{lines}\n]\n")
    partial.rename(path)
    say(f"figures: {path}")


def bench(argv):
    if argv == ["--host"]:
        say(f"LAB=host: {host_kvm()} KVM is loaded")
        return 0
    built, folder = Path(argv[0]).resolve(), Path(argv[1]).resolve()
    lab = argv[2] if len(argv) > 2 else ""
    labs = fleet.chosen(lab)
    if lab != "host" and not labs:
        raise JobError(f"LAB={lab}: no such machine; there is"
                       f" {', '.join(fleet.MACHINES)}, host")
    results, failed = bench_host(built) if lab == "host" else (bench_labs(labs, built), "")
    if not results.rows:
        raise JobError(failed or "the benchmark printed no figure")
    if lab == "host":
        keep_host(results, folder)
    write_results(folder / "bench.json", results.rows)
    if results.scale:
        write_results(folder / "scale.json", results.scale)
    print(table.render(results.rows, results.scale))
    if failed:
        raise JobError(f"{failed}; the figures above are what it came to")
    return 0


if __name__ == "__main__":
    main(bench, sys.argv[1:], (1, 2, 3), __doc__)
