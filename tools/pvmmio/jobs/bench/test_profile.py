# SPDX-License-Identifier: GPL-2.0-only
"""From an emulator's log of executed instructions to the functions and steps of one exit."""
import base64
import gzip
import re
import unittest

from pvmmio import REPO
from pvmmio.console import JobError
from pvmmio.jobs.bench import costly, profile, steps
from pvmmio.lab import bochs
from pvmmio.lab.known import MACHINES

SYMBOLS = ("ffffffff81000000 T __svm_vcpu_run", "ffffffff81000100 t handle_exit\t[kvm]",
           "ffffffff81000100 D data", "ffffffff81000200 T signal")
RUN, HANDLE, SIGNAL, GUEST = 0xffffffff81000010, 0xffffffff81000100, 0xffffffff81000204, 0x401000


QEMU = "Trace 0: 0x7f00 [00000000/ffffffff81000010/0040c2b0/ff000201] name"
BOCHS = ("(0).[24506466680] [0x00000542ca7e] 0010:ffffffff81000010 (unk. ctxt): "
         "vmresume                  ; 0f01c3")


class TraceTest(unittest.TestCase):
    """On one line of each emulator's, and what isn't one."""

    def test_lines(self):
        for lab, line in (("amd", QEMU), ("intel", BOCHS)):
            tracer = MACHINES[lab].Tracer.__new__(MACHINES[lab].Tracer)
            tracer.known = {}
            self.assertEqual(tracer.addresses(["not a trace", line]), [RUN], lab)

    def test_bochs_disassembles_what_it_executed(self):
        tracer = bochs.Tracer.__new__(bochs.Tracer)
        tracer.known = {}
        tracer.addresses([BOCHS])
        self.assertEqual([costly.kind(line) for line in tracer.disassemble([RUN])],
                         ["VMLAUNCH, VMRESUME"])


class ProfileTest(unittest.TestCase):
    def sequences(self, *addresses):
        symbols = profile.Symbols()
        for line in SYMBOLS:
            symbols.add(line)
        symbols.sort()
        return list(profile.sequences(addresses, symbols, ("__svm_vcpu_run",)))

    def test_sequence_is_from_exit_to_entry(self):
        self.assertEqual(self.sequences(GUEST, RUN, HANDLE, HANDLE + 4, RUN, GUEST),
                         [[RUN, HANDLE, HANDLE + 4, RUN]])

    def test_functions_come_packed(self):
        packed = base64.encodebytes(gzip.compress("\n".join(SYMBOLS).encode())).decode()
        self.assertEqual(profile.unpack(packed.splitlines()), list(SYMBOLS))
        with self.assertRaisesRegex(JobError, "damaged"):
            profile.unpack(packed.splitlines()[1:])

    def test_symbol_of_an_address(self):
        symbols = profile.Symbols()
        for line in SYMBOLS:
            symbols.add(line)
        symbols.sort()
        self.assertEqual(symbols.where(HANDLE + 4), ("handle_exit", 4))

    def test_system_call_is_no_exit(self):
        self.assertEqual(self.sequences(GUEST, SIGNAL, RUN, GUEST, RUN, HANDLE, GUEST), [])

    def test_unfinished_sequence_is_dropped(self):
        self.assertEqual(self.sequences(GUEST, RUN, HANDLE, RUN), [])

    def test_typical_is_the_most_common_length(self):
        often, seldom = ["a", "b"], ["a", "b", "c"]
        self.assertEqual(profile.typical([seldom] * 2 + [often] * 9, 9), often)

    def test_few_are_not_typical(self):
        self.assertIsNone(profile.typical([["a"]] * 8, 9))
        self.assertIsNone(profile.typical([], 9))

    def test_table_has_a_column_for_each_case(self):
        rows = [{"lab": "amd", "case": "outw", "kernel": "6", "total": 4,
                 "steps": {"a": 3, "b": 0, "c": 0}, "costly": {"locked": 2}},
                {"case": "movw_fast", "kernel": "6", "total": 7, "steps": {"a": 5, "b": 2, "c": 0},
                 "costly": {"locked": 0}}]
        text = profile.render(rows)
        for line in (r"step +outw +movw_fast", r"a +3 +5", r"b +- +2", r"total +4 +7",
                     r"locked +2 +-"):
            self.assertRegex(text, rf"(?m)^{line}$")
        self.assertNotRegex(text, r"(?m)^c ")


class CostlyTest(unittest.TestCase):
    def test_kinds(self):
        for line, kind in (
                ("0xffffffff81000000:  0f 01 cb     stac", "STAC, CLAC"),
                ("0xffffffff81000000:  0f 32        rdmsr", "reads and writes of MSRs"),
                ("0xffffffff81000000:  f0 ff 07     lock incl (%rdi)", "locked"),
                ("0xffffffff81000000:  48 87 07     xchgq    %rax, (%rdi)", "locked"),
                ("0xffffffff81000000:  66 90        xchgw    %ax, %ax", None),
                ("0xffffffff81000000:  0f ae e8     lfence", "fences"),
                ("0xffffffff81000000:  0f 00 6c 24  verw     0x10(%rsp)", "VERW"),
                ("0xffffffff81000000:  0f 01 d8     vmrun    %rax", "VMRUN, VMLOAD, VMSAVE"),
                (" vmread rax, rsi", "VMREAD"),
                (" xchg qword ptr ds:[rdi], rax", "locked"), (" xchg ax, ax", None),
                ("0xffffffff81000000:  48 89 07     movq     %rax, (%rdi)", None)):
            self.assertEqual(costly.kind(line), kind, line)

    def test_count(self):
        self.assertEqual(costly.count([" stgi", " clgi", " nop"])["STGI, CLGI"], 2)


class StepsTest(unittest.TestCase):
    def setUp(self):
        self.steps = steps.Steps("kvm-amd", "no folder")
        self.steps.chains = {("svm_out_fastpath", 4): ["hash_64", "kvm_ioeventfd_find"],
                             ("svm_out_fastpath", 8): ["svm_out_fastpath"]}

    def test_innermost_function_that_is_a_step(self):
        self.assertEqual(self.steps.step("svm_out_fastpath", 4), "ioeventfd: look up")
        self.assertEqual(self.steps.step("eventfd_signal_mask", 4), "signal the eventfd")

    def test_steps_of_ours_are_functions_that_there_are(self):
        source = "".join(path.read_text() for folder in ("arch/x86/kvm", "virt/kvm")
                         for path in (REPO / folder).rglob("*.[ch]"))
        ours = [name for name in steps.STEP_OF
                if re.match("kvm_(pv|hc)_mmio|kvm_ioeventfd|(svm|vmx|hc)_", name)]
        self.assertGreater(len(ours), 10)
        for name in ours:
            self.assertRegex(source, rf"\b{name}\(")

    def test_what_is_no_step(self):
        self.assertEqual(self.steps.step("svm_out_turn", 8), steps.REST)
        self.assertEqual(self.steps.step("svm_vcpu_run", 8), steps.OUTSIDE)
        self.assertEqual(self.steps.step("srso_safe_ret", 0), steps.RETURN)

    def test_addr2line(self):
        text = "0x10\nhash_64\nhash.h:1\nouter\no.c:2\n0x14\nouter\no.c:3\n"
        self.assertEqual(steps.parse_addr2line(text), {0x10: ["hash_64", "outer"], 0x14: ["outer"]})


if __name__ == "__main__":
    unittest.main()
