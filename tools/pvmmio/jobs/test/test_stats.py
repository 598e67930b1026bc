# SPDX-License-Identifier: GPL-2.0-only
"""What pv-mmio prints of VMs that are made up, and that Prometheus could read it."""
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from pvmmio import REPO

FOLDER = REPO / "tools/pv-mmio"
PAGES = REPO / "Documentation/virt/kvm/x86"
# Each has a number of its own, so that none can be taken for another.
FILES = {name: 1000 + number for number, name in enumerate(
    re.findall(r'^\t\{ [A-Z]+, "(\w+)"', (FOLDER / "stats.c").read_text(), re.MULTILINE))}
OWNER = "qemu-system-x86"
SCOPE = r"/machine.slice/machine-qemu\x2d1\x2dweb.scope"

MAIN = """
#include "stats.h"
int main(int argc, char **argv)
{
	return stats_report(&(struct stats_source){ argv[1], argv[2] }, argc > 3);
}
"""

# https://prometheus.io/docs/instrumenting/exposition_formats/, as far as it's used.
LABEL = r'[a-z_]\w*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"([a-z_]\w*)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\d+)")


class StatsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        main = Path(cls.folder.name) / "main.c"
        main.write_text(MAIN)
        cls.program = main.with_suffix("")
        subprocess.run(["gcc", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                        "-I", FOLDER, main, FOLDER / "stats.c", "-o", cls.program], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.debugfs, self.proc = Path(tmp.name) / "debug", Path(tmp.name) / "proc"
        self.kvm = self.debugfs / "kvm"
        self.counters(self.kvm)

    def counters(self, folder):
        folder.mkdir(parents=True)
        for name, value in FILES.items():
            (folder / name).write_text(f"{value}\n")

    def vm(self, name, comm=OWNER, cgroup=f"0::{SCOPE}", target="anon_inode:kvm-vm"):
        pid, fd = name.split("-")
        self.counters(self.kvm / name)
        process = self.proc / pid
        (process / "fd").mkdir(parents=True, exist_ok=True)
        (process / "comm").write_text(comm + "\n")
        (process / "cgroup").write_text(cgroup + "\n")
        (process / "fd" / fd).symlink_to(target)

    def run_it(self, *arguments):
        return subprocess.run([self.program, self.debugfs, self.proc, *arguments],
                              capture_output=True, text=True, check=False)

    def words(self):
        done = self.run_it()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def samples(self):
        """{(metric, its labels): value}; on the way, all that Prometheus would refuse."""
        done = self.run_it("prometheus")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found, metric, seen = {}, None, set()
        for line in done.stdout.splitlines():
            if line.startswith("# HELP "):
                metric = line.split()[2]
                self.assertNotIn(metric, seen, "a metric's lines have to stand together")
                seen.add(metric)
            elif line.startswith("# TYPE "):
                self.assertRegex(line, rf"^# TYPE {metric} (counter|gauge)$")
                self.assertEqual(line.endswith("counter"), metric.endswith("_total"))
            else:
                sample = SAMPLE.fullmatch(line)
                self.assertTrue(sample, line)
                self.assertEqual(sample[1], metric)
                key = (metric, sample[2] or "")
                self.assertNotIn(key, found)
                found[key] = int(sample[3])
        return found

    def refused(self, *words):
        for arguments in ((), ("prometheus",)):
            done = self.run_it(*arguments)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(done.stderr.count("\n"), 1)
            for word in words:
                self.assertIn(word, done.stderr)

    def test_each_counter_is_told_once(self):
        self.vm("4711-12")
        self.assertGreaterEqual(len(FILES), 15)
        values = [value for (metric, _), value in self.samples().items()
                  if metric.endswith("_total")]
        self.assertEqual(sorted(values), sorted(FILES.values()))
        told = [int(number) for number in re.findall(r"\b1\d\d\d\b", self.words())]
        self.assertEqual(sorted(told), sorted(FILES.values()))

    def test_ways_are_those_of_the_files(self):
        self.vm("4711-12")
        told = self.samples()
        who = rf'vm="4711-12",comm="{OWNER}",cgroup="{SCOPE}"'.replace("\\", "\\\\")
        for way, file in (("store", "pv_mmio"), ("hypercall", "hc_mmio_write"),
                          ("port", "pio_doorbell"), ("length0", "mmio_doorbell")):
            for stage in ("fast", "slow"):
                name = f"{file}_{stage}"
                if name in FILES:
                    key = f'{who},way="{way}",stage="{stage}"'
                    self.assertEqual(told["pv_mmio_doorbells_total", key], FILES[name])
                    self.assertIn(f" {FILES[name]} {way} {stage}", self.words())
        for why in ("state", "address", "ram", "code"):
            self.assertEqual(told["pv_mmio_declined_total", f'{who},why="{why}"'],
                             FILES[f"pv_mmio_declined_{why}"])

    def test_counters_are_those_of_the_page(self):
        section = (PAGES / "pv-mmio-api.rst").read_text().split("\nCounters\n")[1]
        section = section.split("\nThe tracepoint\n")[0]
        listed = set(re.findall(r"^(\w+_\w+)  ", section, re.MULTILINE))
        self.assertEqual(listed, set(FILES) - {"exits", "insn_emulation"})

    def test_metrics_are_those_of_the_page(self):
        self.vm("4711-12")
        section = (PAGES / "pv-mmio-api.rst").read_text().split("\nWhat VMs ring\n")[1]
        section = section.split("\nWhat a host offers\n")[0]
        self.assertEqual({metric for metric, _ in self.samples()},
                         set(re.findall(r"^(pv_mmio_\w+)  ", section, re.MULTILINE)))
        self.assertLessEqual(set(re.findall(r"pv_mmio_\w+(?=[{\[ ])", section)),
                             {metric for metric, _ in self.samples()})

    def test_several_vms_in_order(self):
        for name in ("900-5", "4711-12", "4711-5"):
            self.vm(name)
        self.assertEqual(re.findall(r"^VM (\S+):", self.words(), re.MULTILINE),
                         ["900-5", "4711-5", "4711-12"])
        self.assertEqual(self.samples()["pv_mmio_vms", ""], 3)

    def test_what_is_no_vm_is_left_out(self):
        for name in ("4711", "4711-", "-12", "a-1", "4711-12x", "1" * 40 + "-1", ".."):
            (self.kvm / name).mkdir(exist_ok=True)
        self.assertEqual(self.words(), "no VM runs\n")

    def test_vm_that_goes_meanwhile(self):
        self.vm("4711-12")
        self.vm("4712-12")
        (self.kvm / "4711-12" / "exits").unlink()
        self.assertEqual(re.findall(r"^VM (\S+):", self.words(), re.MULTILINE), ["4712-12"])

    def test_process_that_is_another_by_now(self):
        self.vm("4711-12", target="/dev/null")
        self.vm("4712-12")
        (self.proc / "4712/fd/12").unlink()
        for name in ("4711-12", "4712-12"):
            self.assertIn(f"VM {name}: its process has closed it\n", self.words())
            self.assertIn(("pv_mmio_turns_total", f'vm="{name}",comm="",cgroup=""'),
                          self.samples())

    def test_names_that_try_to_pass_for_more(self):
        bad = 'x"} 1\n\\pv_mmio_vms\x1b[2J\t\x7f\u00fc'
        self.vm("4711-12", comm=bad, cgroup=f"0::/{bad}".replace("\n", r"\012"))
        self.assertEqual(len(self.samples()), len(FILES) + 2)
        for text in (self.words(), self.run_it("prometheus").stdout):
            self.assertRegex(text, r"^[\n -~]*$")
            self.assertIn("?", text)

    def test_cgroups_of_version_1(self):
        self.vm("4711-12", cgroup="12:cpu:/x\n1:name=systemd:/a.scope\n0::/")
        self.assertIn(f"VM 4711-12: {OWNER} in /a.scope\n", self.words())

    def test_no_kvm(self):
        (self.debugfs / "x86").mkdir()
        self.kvm.rename(self.debugfs / "gone")
        self.assertEqual(self.samples(), {("pv_mmio_loaded", ""): 0})
        done = self.run_it()
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "pv-mmio: no KVM is loaded: modprobe kvm_intel, or kvm_amd\n")

    def test_stock_kvm(self):
        (self.kvm / "pv_mmio_fast").unlink()
        self.assertEqual(self.samples(), {("pv_mmio_loaded", ""): 0})
        self.assertIn("has no pv-mmio", self.run_it().stderr)

    def test_kvm_of_another_version(self):
        (self.kvm / "pv_mmio_turns").unlink()
        self.refused("pv_mmio_turns", "build kvm.ko and this together")

    def test_no_debugfs(self):
        self.kvm.rename(self.proc)
        self.refused("debugfs isn't mounted", "mount -t debugfs")
        self.debugfs.rmdir()
        self.refused("No such file")

    @unittest.skipIf(os.geteuid() == 0, "root may read all; the lab has this, too")
    def test_no_permission(self):
        self.debugfs.chmod(0)
        self.refused("run this as root")


if __name__ == "__main__":
    unittest.main()
