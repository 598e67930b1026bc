# SPDX-License-Identifier: GPL-2.0-only
"""What the overlay promises, on a kernel of two files."""
import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path

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


class OverlayTest(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        root = Path(self.tmp.name)
        self.repo, self.source, self.tree = root / "repo", root / "source", root / "tree"
        self.write(self.source / MAIN, ORIGINAL)
        self.write(self.source / "virt/kvm/Makefile", "obj-y += kvm_main.o\n")
        self.write(self.repo / "virt/kvm/new.c", "int fresh;\n")

    def write(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

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
        self.assert_refused("no kernel source")

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


if __name__ == "__main__":
    unittest.main()
