# SPDX-License-Identifier: GPL-2.0-only
"""What the overlay promises, on a kernel of two files."""
import contextlib
import io
import os
import re
import tempfile
import unittest
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import overlay

MAIN = "virt/kvm/kvm_main.c"
ORIGINAL = """int counter;

int first(int a)
{
	counter++;
	return a;
}

int second(int a)
{
	counter++;
	return a;
}
"""
RULE = """// expect {count}
@{name}@
position p;
@@
 counter++@p;
+hook();
"""


# The kernel's list has prose first, and a title out of order.
ENTRIES = [
    "List of maintainers\n===================",
    "\tM: *Mail* patches to: FullName <address@domain>",
    "LPC DRIVER\nM:\tA <a@example.org>\nF:\tdrivers/lpc/",
    "KERNEL VIRTUAL MACHINE FOR X86 (KVM/x86)\nL:\tkvm@example.org\nF:\tarch/x86/kvm/",
    "KERNFS\nS:\tSupported\nF:\tfs/kernfs/",
    "THE REST\nF:\t*\n",
]


class OverlayTest(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        root = Path(self.tmp.name)
        self.repo, self.source, self.tree = root / "repo", root / "source", root / "tree"
        self.write(self.source / MAIN, ORIGINAL)
        self.is_linux("6.12")
        self.write(self.source / "virt/kvm/Makefile", "obj-y += kvm_main.o\n")
        self.write(self.repo / "virt/kvm/new.c", "int fresh;\n")

    def write(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def is_linux(self, series):
        version, patchlevel = series.split(".")
        self.write(self.source / "Makefile",
                   f"VERSION = {version}\nPATCHLEVEL = {patchlevel}\n")

    def hook(self, text):
        self.write(self.repo / (MAIN + ".cocci"), text)

    def lay(self):
        """Status and what was said about it."""
        with contextlib.redirect_stderr(io.StringIO()) as said, \
                contextlib.redirect_stdout(io.StringIO()):
            status = overlay.main(["overlay.py", self.repo, self.source, self.tree])
        return status, said.getvalue()

    def assert_refused(self, *words):
        status, said = self.lay()
        self.assertEqual(status, 1)
        self.assertEqual(said.count("\n"), 1, said)
        for word in words:
            self.assertIn(word, said)

    def laid(self, name=MAIN):
        return (self.tree / name).read_text()

    def test_rule_that_matches_too_seldom_is_named(self):
        self.hook(RULE.format(count=3, name="often"))
        self.assert_refused("rule often", "matched 2 times", "not 3")

    def test_rule_that_matches_nothing_is_named(self):
        self.hook(RULE.format(count=2, name="good") + "\n// expect 1\n@gone@\nposition p;\n@@\n"
                  " no_such_call@p();\n+hook();\n")
        self.assert_refused("rule gone", "matched 0 times")

    def test_rule_that_matches_too_often_is_named(self):
        self.hook(RULE.format(count=1, name="twice"))
        self.assert_refused("rule twice", "matched 2 times", "not 1")

    def test_rule_without_expectation_is_refused(self):
        self.hook(RULE.format(count=2, name="silent").split("\n", 1)[1])
        self.assert_refused("rule silent", "expect")

    def test_rule_for_some_kernels(self):
        self.hook(RULE.format(count="3 on 7.3\n// expect 2 on 6.12", name="both") + "\n"
                  + RULE.format(count="1 on 7.3", name="newer").replace("hook", "newer"))
        self.assertEqual(self.lay()[0], 0)
        self.assertEqual(self.laid().count("hook();"), 2)
        self.assertNotIn("newer", self.laid())

    def test_rule_for_another_kernel_leaves_the_file_alone(self):
        self.hook(RULE.format(count="1 on 7.3", name="newer"))
        self.assertEqual(self.lay()[0], 0)
        self.assertEqual(self.laid(), ORIGINAL)
        self.is_linux("7.3")
        self.assert_refused("rule newer", "matched 2 times", "not 1")

    def test_rule_with_two_expectations_is_refused(self):
        for count in ("2\n// expect 2", "2 on 6.12\n// expect 2 on 6.12",
                      "2\n// expect 2 on 7.3"):
            with self.subTest(count=count):
                self.hook(RULE.format(count=count, name="torn"))
                self.assert_refused("rule torn", "expect")

    def test_kernels_own_file_goes_before_the_newest(self):
        self.write(self.repo / "versions/6.12/virt/kvm/new.c", "int older;\n")
        self.assertEqual(self.lay()[0], 0)
        self.assertEqual(self.laid("virt/kvm/new.c"), "int older;\n")
        self.tree = self.tree.with_name("newer")
        self.is_linux("7.3")
        self.assertEqual(self.lay()[0], 0)
        self.assertEqual(self.laid("virt/kvm/new.c"), "int fresh;\n")

    def test_selftests_lie_where_the_kernel_has_them(self):
        name = "tools/testing/selftests/kvm/{}/new.c"
        self.write(self.repo / name.format("x86_64"), "int test;\n")
        self.assertEqual(self.lay()[0], 0)
        self.assertEqual(self.laid(name.format("x86_64")), "int test;\n")
        self.tree = self.tree.with_name("newer")
        self.is_linux("7.3")
        self.assertEqual(self.lay()[0], 0)
        self.assertEqual(self.laid(name.format("x86")), "int test;\n")
        self.assertFalse((self.tree / name.format("x86_64")).exists())

    def test_unknown_kernel_is_refused(self):
        self.is_linux("6.1")
        self.assert_refused("Linux 6.1", "6.12 and 7.3")

    def test_rule_without_position_is_refused(self):
        self.hook("// expect 2\n@blind@\n@@\n counter++;\n+hook();\n")
        self.assert_refused("blind")

    def test_syntax_error_is_reported(self):
        self.hook("// expect 1\n@broken@\nposition p;\n@@\n counter++@p;\n+if (\n")
        self.assert_refused("spatch failed")

    def test_new_file_must_not_exist(self):
        self.write(self.repo / MAIN, "int mine;\n")
        self.assert_refused(MAIN, "already")

    def test_hook_needs_its_file(self):
        self.write(self.repo / "virt/kvm/gone.c.append", "int x;\n")
        self.assert_refused("gone.c", "version")

    def test_source_must_be_a_kernel(self):
        (self.source / MAIN).unlink()
        self.assert_refused("no kernel's source")

    def test_failure_leaves_no_tree_that_passes_for_whole(self):
        self.hook(RULE.format(count=1, name="twice"))
        self.lay()
        self.hook(RULE.format(count=2, name="twice"))
        self.assertEqual(self.lay()[0], 0)
        self.assertEqual(self.laid().count("hook();"), 2)

    def test_lays_all_three_kinds(self):
        self.hook(RULE.format(count=2, name="both"))
        self.write(self.repo / "virt/kvm/Makefile.append",
                   "# SPDX-License-Identifier: GPL-2.0\nobj-y += new.o\n")
        self.assertEqual(self.lay()[0], 0)
        self.assertEqual(self.laid("virt/kvm/new.c"), "int fresh;\n")
        self.assertEqual(self.laid().count("hook();"), 2)
        self.assertEqual(self.laid("virt/kvm/Makefile"), "obj-y += kvm_main.o\nobj-y += new.o\n")
        self.assertEqual((self.source / MAIN).read_text(), ORIGINAL)

    def test_entry_of_maintainers_has_its_place(self):
        self.write(self.source / overlay.MAINTAINERS, "\n\n".join(ENTRIES))
        self.write(self.repo / overlay.MAINTAINERS, "# SPDX-License-Identifier: GPL-2.0\n"
                   "KERNEL VIRTUAL MACHINE Y\nF:\tvirt/kvm/new.c\n")
        self.assertEqual(self.lay()[0], 0)
        entry = "KERNEL VIRTUAL MACHINE Y\nF:\tvirt/kvm/new.c"
        self.assertEqual(self.laid(overlay.MAINTAINERS).split("\n\n"),
                         ENTRIES[:4] + [entry] + ENTRIES[4:])

    def test_entry_of_maintainers_needs_its_place(self):
        self.write(self.source / overlay.MAINTAINERS, "\n\n".join(ENTRIES[:3] + ENTRIES[4:]))
        self.write(self.repo / overlay.MAINTAINERS, "KERNEL VIRTUAL MACHINE Y\nF:\tvirt/\n")
        self.assert_refused("no entry KERNEL VIRTUAL MACHINE FOR X86 (KVM/x86)")

    def test_what_is_added_is_in_the_kernels_style(self):
        self.write(self.source / MAIN, ORIGINAL + "int odd(int a)\n{\n\tdo {\n\t\ta--;\n"
                   "\t}while (a);\n\tout:\n\treturn a;\n}\n")
        self.hook("// expect 2\n@both@\nposition p;\n@@\n-counter++@p;\n+again:\n+do {\n"
                  "+\thook();\n+} while (more());\n+goto again;\n")
        self.assertEqual(self.lay()[0], 0)
        laid = self.laid()
        self.assertEqual(laid.count("\nagain:\n\tdo {\n\t\thook();\n\t} while (more());\n"), 2)
        self.assertIn("\t}while (a);\n\tout:\n", laid)

    def test_second_time_writes_nothing(self):
        self.hook(RULE.format(count=2, name="both"))
        self.lay()
        for path in self.tree.rglob("*.c"):
            os.utime(path, (1, 1))
        self.assertEqual(self.lay()[0], 0)
        self.assertEqual({path.stat().st_mtime for path in self.tree.rglob("*.c")}, {1})

    def test_edit_in_the_tree_is_undone(self):
        self.lay()
        self.write(self.tree / "virt/kvm/new.c", "int stray;\n")
        self.lay()
        self.assertEqual(self.laid("virt/kvm/new.c"), "int fresh;\n")

    def test_what_the_overlay_drops_is_restored(self):
        self.hook(RULE.format(count=2, name="both"))
        self.lay()
        (self.repo / (MAIN + ".cocci")).unlink()
        self.write(self.repo / "virt/kvm/other.c", "int other;\n")
        (self.repo / "virt/kvm/new.c").unlink()
        self.assertEqual(self.lay()[0], 0)
        self.assertEqual(self.laid(), ORIGINAL)
        self.assertFalse((self.tree / "virt/kvm/new.c").exists())


class MaintainersTest(unittest.TestCase):
    """Our entry."""

    def setUp(self):
        _, self.title, *lines = (REPO / overlay.MAINTAINERS).read_text().splitlines()
        self.patterns = [line[2:].strip() for line in lines if line.startswith("F:")]

    @staticmethod
    def matches(pattern, name):
        """Whether PATTERN means the file NAME, as get_maintainer.pl has it."""
        found = re.match(pattern.replace(".", r"\.").replace("*", ".*"), name)
        return found and (pattern.endswith("/") or pattern.count("/") == name.count("/"))

    def test_it_has_all_files_of_ours_and_no_other(self):
        for series in overlay.SERIES:
            own = overlay.own_files(REPO, series)
            for name in overlay.overlay_files(REPO, series):
                with self.subTest(series=series, name=name):
                    found = any(self.matches(pattern, name) for pattern in self.patterns)
                    self.assertEqual(found, name in own)

    def test_each_pattern_has_a_file(self):
        for series in overlay.SERIES:
            for pattern in self.patterns:
                with self.subTest(series=series, pattern=pattern):
                    self.assertTrue(any(self.matches(pattern, name)
                                        for name in overlay.own_files(REPO, series)))

    def test_it_is_in_alphabetical_order(self):
        self.assertGreater(self.title, overlay.ABOVE)
        self.assertLess(self.title, "KERNFS")
        self.assertEqual(self.patterns, sorted(self.patterns))


if __name__ == "__main__":
    unittest.main()
