# SPDX-License-Identifier: GPL-2.0-only
"""Every command that the documentation prints is run by a test, or said to need hardware."""
import re
import tempfile
import unittest
from pathlib import Path

from pvmmio.docs import commands
from pvmmio.docs.commands import HARDWARE, PAGES, REPO, RUN_BY, SET_BY


def is_run(command, jobs):
    """Whether CI runs this job with at least these settings, whatever their values."""
    words = commands.words(command)
    return any(words <= job for job in jobs)


class CommandsTest(unittest.TestCase):
    def test_every_command_is_run(self):
        jobs = commands.jobs()
        for page in PAGES:
            for command in commands.commands(page):
                with self.subTest(page=page.name, command=command):
                    if command in RUN_BY:
                        path, text = RUN_BY[command]
                        self.assertIn(text, (REPO / path).read_text())
                    elif command not in HARDWARE:
                        self.assertTrue(is_run(command.removeprefix("make "), jobs),
                                        "no line of .ci/jobs runs it")

    def test_what_needs_hardware_says_so(self):
        for page in PAGES:
            text = " ".join(page.read_text().split())
            for command in HARDWARE:
                for after in text.split(command)[1:]:
                    with self.subTest(page=page.name, command=command):
                        self.assertIn("needs hardware", re.split(r"[.|]", after)[0])

    def test_every_setting_is_used(self):
        used = set().union(*commands.jobs())
        for page in PAGES:
            for name in commands.settings(page):
                with self.subTest(page=page.name, setting=name):
                    if name in SET_BY:
                        self.assertIn(name, (REPO / SET_BY[name]).read_text())
                    else:
                        self.assertIn(f"{name}=", used)

    def test_the_tables_have_no_more(self):
        printed = {command for page in PAGES for command in commands.commands(page)}
        self.assertLessEqual(set(RUN_BY) | set(HARDWARE), printed)


class PageTest(unittest.TestCase):
    def test_what_counts_as_a_command(self):
        with tempfile.NamedTemporaryFile("w", suffix=".md") as page:
            page.write("As `make it SEED=1` or `A=` and `make`, `pv_mmio_test` or\n"
                       "`pv_mmio_test -n 1`, not `$HOME`; \n\n    make that   does it\n"
                       "    arch/x86/kvm/    is a path\n")
            page.flush()
            self.assertEqual(commands.commands(Path(page.name)),
                             ["make it SEED=1", "pv_mmio_test -n 1", "make that"])
            self.assertEqual(commands.settings(Path(page.name)), {"SEED", "A", "HOME"})

    def test_a_job_without_the_setting_is_not_enough(self):
        jobs = [commands.words("fuzz TIME=1"), commands.words("fuzz SEED=2 LAB=amd")]
        self.assertTrue(is_run("fuzz SEED=3", jobs))
        self.assertFalse(is_run("fuzz SEED=3 TIME=1", jobs))
        self.assertFalse(is_run("stress", jobs))


if __name__ == "__main__":
    unittest.main()
