# SPDX-License-Identifier: GPL-2.0-only
"""What .ci/run makes of jobs that fail, and of those that leave something in the checkout."""
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from pvmmio import REPO
from pvmmio.console import own_environment

MAKEFILE = """
good:
	@mkdir -p build/results && echo 1 >build/results/figures
	@echo "2 passed, 0 failed, 1 skipped"
bad:
	@echo "FAIL some check (why)"; echo "1 passed, 1 failed, 0 skipped"; exit 1
leaves:
	@echo 1 >figures
changes update-docs:
	@echo 1 >>README.md
"""


class RunTest(unittest.TestCase):
    def said(self, *jobs, status=0):
        """The last lines of a run of JOBS, in a repository of its own."""
        with tempfile.TemporaryDirectory() as tmp:
            where = Path(tmp)
            (where / ".ci").mkdir()
            for name in (".ci/run", ".gitignore"):
                shutil.copy(REPO / name, where / name)
            (where / ".ci/typed").touch()
            (where / ".ci/jobs").write_text("".join(f"{job}\n" for job in jobs))
            (where / "Makefile").write_text(MAKEFILE)
            (where / "README.md").write_text("0\n")
            for command in (["init"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x",
                                                     "commit", "-m", "x"]):
                subprocess.run(["git", *command], cwd=where, check=True, capture_output=True)
            done = subprocess.run([where / ".ci/run"], env=own_environment(), text=True,
                                  capture_output=True, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def test_totals(self):
        self.assertIn("\n2 passed, 0 failed, 1 skipped\n", self.said("good"))
        said = self.said("good & bad", "good", status=1)
        self.assertIn("\nFAIL some check (why)\n", said)
        self.assertTrue(said.endswith("\n5 passed, 1 failed, 2 skipped\n"), said)

    def test_job_that_changes_the_checkout_fails(self):
        for job, what in (("leaves", "?? figures"), ("changes", " M README.md")):
            said = self.said("good", job, "good", status=1)
            self.assertIn(f"FAIL make {job}: it changed the checkout: {what};", said)
            self.assertTrue(said.endswith(" 1 failed, 2 skipped\n"), said)
        self.assertIn(" make changes: ", self.said("update-docs", "changes", status=1))

    def test_docs_are_there_to_be_changed(self):
        self.assertIn(" 0 failed", self.said("update-docs", "good"))


if __name__ == "__main__":
    unittest.main()
