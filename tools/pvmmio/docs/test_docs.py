# SPDX-License-Identifier: GPL-2.0-only
"""What the documentation shows: examples that are there, numbers as in the headers."""
import re
import unittest

from pvmmio import REPO

PAGES = REPO / "Documentation/virt/kvm/x86"
EXAMPLES = REPO / "tools/testing/selftests/kvm/include/x86_64/pv_mmio_examples.h"
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
    def test_examples_are_between_marks(self):
        marks = re.findall(r"/\* example: .* \*/", EXAMPLES.read_text())
        shown = [mark for page in PAGES.glob("*.rst")
                 for mark in re.findall(r":start-after: (.*)", page.read_text())]
        self.assertEqual(len(marks), len(set(marks)))
        self.assertEqual(sorted(shown + ["/* example: end */"]), sorted(marks))

    def test_numbers_are_those_of_the_header(self):
        header = (UAPI / "kvm_pv_mmio.h").read_text()
        page = text_of("pv-mmio-api.rst")
        for name in ("KVM_CAP_X86_PV_MMIO", "KVM_CAP_X86_HC_MMIO_WRITE", "KVM_HC_MMIO_WRITE",
                     "KVM_CAP_IOEVENTFD_POST"):
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

    def test_jobs_exist(self):
        makefile = (REPO / "Makefile").read_text()
        for page in PAGES.glob("*.rst"):
            for job in re.findall(r"``make ([\w-]+)", page.read_text()):
                self.assertRegex(makefile, rf"(?m)^{job}:")


if __name__ == "__main__":
    unittest.main()
