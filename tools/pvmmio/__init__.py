# SPDX-License-Identifier: GPL-2.0-only
"""The tools: each job of the Makefile is "python3 -m pvmmio.…", with tools in PYTHONPATH.

build is what fetches, patches and compiles the kernel, lab the emulated machines, docs the
reference pages.  jobs has what jobs on these machines share, and a folder for each of them,
with the scripts that run in the lab beside it.  Unit tests are beside what they test.
"""
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
