# SPDX-License-Identifier: GPL-2.0-only
"""From QEMU's log of executed instructions to the functions of one exit."""
import collections
import unittest

import profile

SYMBOLS = ("ffffffff81000000 T __svm_vcpu_run", "ffffffff81000100 t handle_exit\t[kvm]",
           "ffffffff81000100 D data", "ffffffff81000200 T signal")
RUN, HANDLE, SIGNAL, GUEST = 0xffffffff81000010, 0xffffffff81000100, 0xffffffff81000204, 0x401000


def log(*addresses):
    return [f"Trace 0: 0x7f00 [00000000/{address:016x}/0040c2b0/ff000201] name\n"
            for address in addresses]


class ProfileTest(unittest.TestCase):
    def sequences(self, *addresses):
        symbols = profile.Symbols()
        for line in SYMBOLS:
            symbols.add(line)
        symbols.sort()
        return list(profile.sequences(["not a trace\n", *log(*addresses)], symbols))

    def test_sequence_is_from_exit_to_entry(self):
        self.assertEqual(self.sequences(GUEST, RUN, HANDLE, HANDLE + 4, RUN, GUEST),
                         [["__svm_vcpu_run", "handle_exit", "handle_exit", "__svm_vcpu_run"]])

    def test_system_call_is_no_exit(self):
        self.assertEqual(self.sequences(GUEST, SIGNAL, RUN, GUEST, RUN, HANDLE, GUEST), [])

    def test_unfinished_sequence_is_dropped(self):
        self.assertEqual(self.sequences(GUEST, RUN, HANDLE, RUN), [])

    def test_typical_is_the_most_common_length(self):
        often, seldom = ["a", "b"], ["a", "b", "c"]
        self.assertEqual(profile.typical([seldom] * 2 + [often] * profile.ENOUGH), often)

    def test_few_are_not_typical(self):
        self.assertIsNone(profile.typical([["a"]] * (profile.ENOUGH - 1)))
        self.assertIsNone(profile.typical([]))

    def test_table_has_both_cases_functions(self):
        text = profile.render("outw", collections.Counter(a=3, b=1),
                              collections.Counter(a=1, c=2))
        for row in (r"a +3 +1 +\+2", r"b +1 +0 +\+1", r"c +0 +2 +-2", r"total +4 +3 +\+1"):
            self.assertRegex(text, rf"(?m)^{row}$")


if __name__ == "__main__":
    unittest.main()
