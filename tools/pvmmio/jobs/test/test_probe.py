# SPDX-License-Identifier: GPL-2.0-only
"""What pv-mmio prints for hosts that are made up: its words, and that its JSON is JSON."""
import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from pvmmio import REPO

FOLDER = REPO / "tools/pv-mmio"
UAPI = REPO / "include/uapi"

# A host of each kind, as members of struct host, and what the store is there.
INTEL = '.vendor = VENDOR_INTEL, .vendor_id = "GenuineIntel", .store_cap = { 1, 1 },' \
        ' .hypercall_cap = { 1, 1 }, .features = 1u << 31,' \
        ' .parameters = { "Y", "Y", "Y", "Y", "N" }'
AMD = INTEL.replace("VENDOR_INTEL", "VENDOR_AMD").replace("GenuineIntel", "AuthenticAMD")
HOSTS = {
    "plain": (INTEL, "fast"),
    "AMD": (AMD, "fast"),
    "in a VM": (INTEL + ", .on_hypervisor = true", "fast"),
    "real-time": (INTEL + ", .is_rt = true", "slow"),
    "without EPT": (INTEL + ', .parameters[VENDOR_PAGING] = "N"', "slow"),
    "without caching": (INTEL + ', .parameters[KVM_MMIO_CACHING] = "N"', "slow"),
    "CPUID contradicts": (INTEL + ", .features = 0", "off"),
    "CPUID has the hypercall": (INTEL + ", .features = 3u << 30", "off"),
    "capability refused": (INTEL + ", .store_cap = { 1, 0 }", "off"),
    "turned off": (INTEL + ', .parameters[KVM_PV_MMIO] = "N", .store_cap = { 0, 0 },'
                   " .features = 0", "off"),
    "hypercall turned off": (INTEL + ', .parameters[KVM_HC_MMIO_WRITE_PARAMETER] = "N",'
                             " .hypercall_cap = { 0, 0 }", "fast"),
    "stock": (".vendor = VENDOR_INTEL", "off"),
    "odd release": (INTEL + r', .uts.release = "a\"b\\c\n"', "fast"),
}

MAIN = """
#include <stdlib.h>
#include "host.h"
static const struct host hosts[] = {{ {hosts} }};
int main(int argc, char **argv)
{{
	const struct host *host = &hosts[atoi(argv[1])];
	if (argc > 2)
		report_json(host);
	else
		report_words(host);
}}
"""


class ReportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        main = Path(cls.folder.name) / "main.c"
        main.write_text(MAIN.format(hosts=", ".join(f"{{ {host} }}" for host, _ in HOSTS.values())))
        cls.program = main.with_suffix("")
        # Ours need nothing of the kernel's headers that this system hasn't.
        subprocess.run(["gcc", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                        "-Wno-override-init", "-I", FOLDER, "-idirafter", UAPI, main,
                        FOLDER / "report.c", FOLDER / "host.c", "-o", cls.program], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def said(self, *arguments):
        return subprocess.run([self.program, *arguments], capture_output=True, text=True,
                              check=True).stdout

    def test_json(self):
        for index, (name, (_, store)) in enumerate(HOSTS.items()):
            with self.subTest(name):
                told = json.loads(self.said(str(index), "json"))
                self.assertEqual(told["ways"]["store"]["state"], store)
                self.assertEqual(not told["ways"]["store"]["why"], store == "fast")

    def test_words_give_reasons(self):
        for index, (name, (_, store)) in enumerate(HOSTS.items()):
            with self.subTest(name):
                store_line, next_line = self.said(str(index)).rsplit("\n\n", 1)[1].splitlines()[:2]
                self.assertTrue(store_line.startswith("store: "))
                self.assertEqual("because" in next_line, store != "fast")

    def test_each_reason_says_what_to_do(self):
        told = set()
        for index in range(len(HOSTS)):
            for way in json.loads(self.said(str(index), "json"))["ways"].values():
                told.update(way["why"])
        source = (FOLDER / "report.c").read_text().split("reasons[] = {")[1].split("\n};")[0]
        self.assertEqual(told, set(re.findall(r'^\t  "(.*)" },$', source, re.MULTILINE)))
        for why in told:
            self.assertRegex(why, r"\w: \w")

    def test_members_are_those_of_the_page(self):
        page = (REPO / "Documentation/virt/kvm/x86/pv-mmio-api.rst").read_text()
        section = page.split("\nWhat a host offers\n")[1]
        self.assertEqual(list(json.loads(self.said("0", "json"))),
                         re.findall(r"^([a-z_]+)  ", section, re.MULTILINE)[1:])

    def test_what_the_kernel_says_is_quoted(self):
        index = list(HOSTS).index("odd release")
        self.assertEqual(json.loads(self.said(str(index), "json"))["kernel"], 'a"b\\c\n')


if __name__ == "__main__":
    unittest.main()
