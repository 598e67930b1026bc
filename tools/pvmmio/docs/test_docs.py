# SPDX-License-Identifier: GPL-2.0-only
"""What the documentation shows: examples that are there, numbers as in the headers."""
import re
import unittest

from pvmmio import REPO
from pvmmio.console import JobError
from pvmmio.docs import examples

PAGES = REPO / "Documentation/virt/kvm/x86"
UAPI = REPO / "include/uapi/linux"


def text_of(name):
    return (PAGES / name).read_text()


def first_column(section, head):
    """Of the table in a SECTION of the API page whose first column has that HEAD."""
    text = text_of("pv-mmio-api.rst").split(f"\n{section}\n=")[1]
    rows = re.search(rf"^(=+)  =+\n{head} .*\n.*\n((?:.*\n)*?)\1  =", text, re.MULTILINE)
    cells = [row[:len(rows[1])].strip() for row in rows[2].splitlines()]
    return [cell for cell in cells if cell]


class PagesTest(unittest.TestCase):
    def test_examples_are_those_of_their_sources(self):
        known, shown = examples.sources(), []
        for page in PAGES.glob("*.rst"):
            self.assertNotIn("literalinclude", page.read_text())
            for name, text in examples.printed(page.read_text()):
                with self.subTest(page=page.name, example=name):
                    self.assertEqual(text, examples.as_printed(name, known),
                                     "run python3 -m pvmmio.docs.examples")
                shown.append(name)
        self.assertEqual(sorted(shown), sorted(known))

    def test_example_is_replaced_and_nothing_else(self):
        page = "Before\n\n.. example: it\n\n.. code-block:: c\n\n   old\n\nAfter\n"
        text = examples.updated(page, {"it": "if (new)\n\n\tnew();\n"})
        self.assertEqual(text, page.replace("   old\n", "   if (new)\n\n           new();\n"))
        self.assertEqual(examples.updated(text, {"it": "old\n"}), page)
        with self.assertRaisesRegex(JobError, "no source has it"):
            examples.updated(page, {})

    def test_tables_of_figures_fit_on_a_page(self):
        conf = (REPO / "tools/pvmmio/docs/conf.py").read_text()
        # The theme's sidebar and margins take 340 pixels, each character 9.2.
        room = (int(re.search(r'"page_width": "(\d+)px"', conf)[1]) - 340) / 9.2
        for page in PAGES.glob("*.rst"):
            blocks = re.findall(r"^    .*$", page.read_text(), re.MULTILINE)
            self.assertLessEqual(max(map(len, blocks), default=0), room, page.name)

    def test_each_page_is_in_the_table_of_contents(self):
        toc = text_of("pv-mmio.rst").split(".. toctree::")[1].split("\n\n")[1].split()
        self.assertEqual(sorted([*toc, "pv-mmio"]),
                         sorted(page.stem for page in PAGES.glob("*.rst")))

    def test_numbers_are_those_of_the_header(self):
        header = (UAPI / "kvm_pv_mmio.h").read_text()
        page = text_of("pv-mmio-api.rst")
        for name in ("KVM_CAP_X86_PV_MMIO", "KVM_CAP_X86_HC_MMIO_WRITE", "KVM_HC_MMIO_WRITE",
                     "KVM_CAP_IOEVENTFD_POST", "KVM_CAP_IOEVENTFDS"):
            number = re.search(rf"#define {name}\s+(\w+)", header).group(1)
            self.assertIn(f"{name} ({number})", page)
        for name in ("KVM_FEATURE_PV_MMIO", "KVM_FEATURE_HC_MMIO_WRITE"):
            number = re.search(rf"#define {name}\s+(\w+)", header).group(1)
            self.assertRegex(page, rf"{name} +{number} ")

    def test_bytes_of_the_instructions(self):
        header = (UAPI / "kvm_pv_mmio.h").read_text()
        told = re.findall(r"^ \*   \d bytes?\s+(mov \S+)\s+([0-9a-f ]+)$", header, re.MULTILINE)
        self.assertEqual(len(told), 4)
        shown = re.findall(r"^\d +``(mov .*)`` +``([0-9a-f ]+)``$", text_of("pv-mmio-guest.rst"),
                           re.MULTILINE)
        self.assertEqual([(insn.replace(", ", ","), code) for insn, code in shown], told)

    def test_capability_has_the_fields_of_the_header(self):
        struct = re.search(r"struct kvm_pci_doorbell_cap {(.*?)\n};",
                           (UAPI / "kvm_pv_mmio_pci.h").read_text(), re.DOTALL).group(1)
        sizes = {"__u8": 1, "__le16": 2, "__le32": 4}
        rows, offset = [], 0
        for kind, name in re.findall(r"^\t(\w+) (\w+);", struct, re.MULTILINE):
            rows.append((str(offset), str(sizes[kind]), name))
            offset += sizes[kind]
        told = re.findall(r"^(\d+) +(\d) +(\w+)", text_of("pv-mmio-api.rst"), re.MULTILINE)
        self.assertEqual([row for row in told if row[2] in {name for *_, name in rows}], rows)

    def test_counters_are_those_of_the_code(self):
        kvm = REPO / "arch/x86"
        described = re.findall(r"^\+STATS_DESC_COUNTER\(VCPU, (\w+)\)",
                               (kvm / "kvm/x86.c.cocci").read_text(), re.MULTILINE)
        stat = (kvm / "include/asm/kvm_host.h.cocci").read_text().split("@stat@")[1]
        self.assertEqual(re.findall(r"^\+\tu64 (\w+);", stat, re.MULTILINE), described)
        self.assertEqual(first_column("Counters", "name"), described)

    def test_words_of_the_tracepoint_are_those_of_the_code(self):
        trace = (REPO / "arch/x86/kvm/pv_mmio_trace.h").read_text()
        words = re.findall(r'\{ KVM_PV_MMIO_\w+, "(.*)" \}', trace)
        self.assertEqual(first_column("The tracepoint", "way") +
                         first_column("The tracepoint", "result"), words)

    def test_files_include_only_what_is_in_lower_layers(self):
        section = text_of("pv-mmio-internals.rst").split("\nLayers\n=")[1].split("\n=")[0]
        rows = re.findall(r"^    ((?:\w*(?:mmio|ioeventfd)\w* )+)", section, re.MULTILINE)
        layer = {name: number for number, row in enumerate(rows) for name in row.split()}
        files = [path for folder in ("arch/x86/kvm", "virt/kvm")
                 for path in (REPO / folder).rglob("*.[ch]")]
        self.assertEqual(sorted(layer), sorted({path.stem for path in files}))
        for path in files:
            for name in re.findall(r'^#include "(?:.*/)?(\w+)\.h"', path.read_text(),
                                   re.MULTILINE):
                if name in layer and name != path.stem:
                    self.assertGreater(layer[name], layer[path.stem], f"{path} includes {name}.h")

    def test_jobs_exist(self):
        makefile = (REPO / "Makefile").read_text()
        for page in PAGES.glob("*.rst"):
            for job in re.findall(r"``make ([\w-]+)", page.read_text()):
                self.assertRegex(makefile, rf"(?m)^{job}:")


if __name__ == "__main__":
    unittest.main()
