# SPDX-License-Identifier: GPL-2.0-only
"""That patches made from an overlay, on a kernel of three files, come to the overlay."""
import contextlib
import io
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pvmmio import REPO
from pvmmio.build import cocci, overlay
from pvmmio.console import JobError
from pvmmio.jobs.modules.modules import SERIES
from pvmmio.jobs.series import series, steps

MAIN = "virt/kvm/kvm_main.c"
KERNEL = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n",
    "arch/x86/kvm/Makefile": "kvm-y += x86.o\n",
    MAIN: "int one(void)\n{\n\treturn 1;\n}\n\nint two(void)\n{\n\treturn 2;\n}\n",
}
RULE = ("// Of its own:\n// expect 1\n@{name}@\nposition p;\n@@\n-return {number}@p;\n"
        "+return {name};\n")
OVERLAY = {
    MAIN + ".cocci": "// All of it.\n\n" + RULE.format(name="first", number=1) + "\n"
                     + RULE.format(name="second", number=2),
    MAIN + ".append": "// SPDX-License-Identifier: GPL-2.0-only\n\nint end;\n",
    "arch/x86/kvm/a.c": "int a;\n",
    "arch/x86/kvm/b.c": "int b;\n",
    "arch/x86/kvm/Makefile.append": "\nkvm-$(CONFIG_X)\t+= a.o \\\n\t\t\t   b.o\n",
}
PATCHES = {
    "00-cover": "Subject of all\n\nThe figures: {table}\n",
    "01-a": "KVM: Add a\n\nAs b needs it.\n\nAdds:\n  arch/x86/kvm/a.c\n"
            "  virt/kvm/kvm_main.c:second\n",
    "02-b": "KVM: Add b\n\nIt's the rest.\n\nAdds:\n  arch/*\n  virt/kvm/kvm_main.c\n"
            "  virt/kvm/kvm_main.c:first\n",
}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


class SeriesTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        root = Path(tmp.name).resolve()
        self.repo, self.tree, self.patches = root / "repo", root / "tree", root / "patches"
        self.out, self.home = root / "out", root / "home"
        write(self.repo, OVERLAY)
        write(self.tree, KERNEL)
        write(self.patches, PATCHES)
        self.home.mkdir()
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("GIT_")}
        environment.update(HOME=tmp.name, GIT_CONFIG_GLOBAL=str(root / "gitconfig"))
        write(root, {"gitconfig": "[user]\nname = A. U. Thor\nemail = a@example.org\n"})
        for patch in (mock.patch.object(series, "REPO", self.repo),
                      mock.patch.object(series, "FOLDER", self.patches),
                      mock.patch.object(series, "figures", lambda: "| 1 | 2 |"),
                      mock.patch.dict(os.environ, environment, clear=True),
                      contextlib.redirect_stderr(io.StringIO())):
            patch.__enter__()
            self.addCleanup(patch.__exit__, None, None, None)

    def make(self, tree=None):
        self.assertEqual(series.series([str(self.out), str(tree or self.tree)]), 0)
        return sorted(self.out.iterdir())

    def refused(self, *words, tree=None):
        before = sorted(self.out.iterdir()) if self.out.exists() else None
        with self.assertRaises(JobError) as caught:
            series.series([str(self.out), str(self.tree if tree is None else tree)])
        for word in words:
            self.assertIn(word, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))
        self.assertEqual(sorted(self.out.iterdir()) if self.out.exists() else None, before)

    def git(self, *arguments):
        subprocess.run(["git", "-C", self.tree, *arguments], check=True, capture_output=True)

    def under_git(self):
        self.git("init")
        self.git("add", ".")
        self.git("commit", "-m", "the kernel")

    def test_its_end_is_what_the_overlay_lays(self):
        self.under_git()
        self.git("am", *self.make()[1:])
        laid = self.repo.parent / "laid"
        source = self.repo.parent / "source"
        write(source, KERNEL)
        with contextlib.redirect_stdout(io.StringIO()):
            overlay.lay(self.repo, source, laid)
        for name in overlay.overlay_files(self.repo, "6.12"):
            self.assertEqual((self.tree / name).read_bytes(), (laid / name).read_bytes(), name)

    def test_each_step_has_its_parts_only(self):
        self.under_git()
        _, first, second = self.make()
        self.git("am", first)
        main = (self.tree / MAIN).read_text()
        self.assertIn("return second;", main)
        self.assertIn("return 1;", main)
        self.assertNotIn("int end;", main)
        self.assertEqual((self.tree / "arch/x86/kvm/Makefile").read_text(),
                         "kvm-y += x86.o\n\nkvm-$(CONFIG_X)\t+= a.o\n")
        self.git("am", second)
        self.assertIn("return first;", (self.tree / MAIN).read_text())

    def test_messages(self):
        cover, first, _ = self.make()
        self.assertIn("Subject: [PATCH 0/2] Subject of all\n\nThe figures: | 1 | 2 |\n",
                      cover.read_text())
        for words in ('\nFrom: "A. U. Thor" <a@example.org>\n',
                      "\nSubject: [PATCH 1/2] KVM: Add a\n",
                      "\nAs b needs it.\n\nSigned-off-by: A. U. Thor <a@example.org>\n---\n"):
            self.assertIn(words, first.read_text())
        self.assertNotIn("Adds:", first.read_text())

    def test_the_users_settings_of_git_change_nothing(self):
        with open(os.environ["GIT_CONFIG_GLOBAL"], "a", encoding="ascii") as config:
            config.write("[diff]\nnoprefix = true\n[commit]\ngpgSign = true\n"
                         "[core]\nautocrlf = true\n[init]\ndefaultBranch = x\n")
        self.assertIn(f"--- a/{MAIN}\n+++ b/{MAIN}\n", self.make()[1].read_text())

    def test_tree_needs_no_git_and_may_lie_in_another_one(self):
        subprocess.run(["git", "init", "--quiet", self.tree.parent], check=True)
        self.assertEqual(len(self.make()), 3)

    def test_what_was_there_goes(self):
        write(self.out, {"0099-old": ""})
        self.assertEqual(len(self.make()), 3)

    def test_tree_that_is_none(self):
        self.refused("TREE= is empty", tree="")
        self.refused("no kernel's source", tree=self.home)
        self.refused("no kernel's source", tree=self.home / "nowhere")
        write(self.tree, {"Makefile": "all:\n"})
        self.refused("no kernel's source")

    def test_tree_of_another_version(self):
        write(self.tree, {"Makefile": "VERSION = 6\nPATCHLEVEL = 1\n"})
        self.refused("Linux 6.1; our code is for 6.12 and 7.3")
        write(self.tree, {"Makefile": "VERSION = 7\nPATCHLEVEL = 3\n"})
        self.refused("Linux 7.3; the series can be made for 6.12")

    def test_tree_with_local_changes(self):
        self.under_git()
        write(self.tree, {"other.c": "int other;\n"})
        self.make()
        write(self.tree, {MAIN: KERNEL[MAIN] + "int more;\n"})
        self.refused(f"{MAIN} has local changes; commit or stash")

    def test_tree_that_has_the_series(self):
        self.under_git()
        self.git("am", *self.make()[1:])
        self.refused("arch/x86/kvm/a.c already")

    def test_tree_that_a_rule_does_not_fit(self):
        write(self.tree, {MAIN: KERNEL[MAIN].replace("return 2", "return 3")})
        self.refused("rule second matched 0 times", "adapt it to this kernel")
        (self.tree / MAIN).unlink()
        self.refused(MAIN, "another version")

    def test_no_identity(self):
        write(self.home.parent, {"gitconfig": "[user]\nuseConfigOnly = true\n"})
        self.refused("git doesn't know who you are", "git config --global user.email")

    def test_no_space(self):
        with mock.patch.object(overlay, "write_if_changed", side_effect=OSError(28, "No space")):
            with self.assertRaises(OSError):
                series.series([str(self.out), str(self.tree)])
        self.assertFalse(self.out.exists())

    def test_part_that_no_step_adds(self):
        write(self.repo, {"include/new.h": "int n;\n"})
        self.refused("no step adds include/new.h")

    def test_rule_that_no_step_adds(self):
        text = PATCHES["01-a"].replace("virt/kvm/kvm_main.c:second", "virt/kvm/kvm_main.c:third")
        write(self.patches, {"01-a": text})
        self.refused("01-a: the overlay has no virt/kvm/kvm_main.c:third")

    def test_part_of_two_steps(self):
        write(self.patches, {"02-b": PATCHES["02-b"] + "  arch/x86/kvm/a.c\n"})
        self.refused("02-b: the overlay has no arch/x86/kvm/a.c, or it's an earlier step's")


class OursTest(unittest.TestCase):
    """What lies in the folder "patches"."""

    def setUp(self):
        self.cover, self.steps = steps.read_steps(steps.FOLDER)

    def test_every_part_of_the_overlay_has_its_step(self):
        for version in SERIES:
            targets = overlay.overlay_files(REPO, version)
            self.assertEqual(len(steps.assign(self.steps, targets, version)), len(self.steps))

    def test_messages_are_in_the_kernels_form(self):
        for step in self.steps:
            subject, empty, *body = step.message.splitlines()
            self.assertRegex(subject, r"^KVM: [^.]*: [A-Z].*[^.]$")
            self.assertLessEqual(len(subject), 75)
            self.assertEqual(empty, "")
            self.assertTrue(body)
            self.assertLessEqual(max(map(len, body)), 75)

    def test_figures_are_those_of_the_readme(self):
        table = series.figures()
        self.assertIn("movw_wildcard", table)
        self.assertRegex(table, r"(?m)^case .*AMD patched$")
        self.assertNotRegex(table, "---|`")

    def test_cut_rules_keeps_comments_with_their_rule(self):
        text = OVERLAY[MAIN + ".cocci"]
        self.assertEqual(cocci.cut_rules(text, {"first", "second"}), text)
        cut = cocci.cut_rules(text, {"second"})
        self.assertEqual(cut, "// All of it.\n\n" + RULE.format(name="second", number=2))


if __name__ == "__main__":
    unittest.main()
