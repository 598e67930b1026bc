# SPDX-License-Identifier: GPL-2.0-only
"""Build the reference pages with Sphinx, warnings being errors.

usage: htmldocs.py OUT
"""
import subprocess
import sys
from pathlib import Path

from pvmmio import REPO
from pvmmio.console import JobError, main, own_environment, say
from pvmmio.tally import Tally

HERE = Path(__file__).resolve().parent
PAGES = REPO / "Documentation/virt/kvm/x86"


def complaints(out):
    """What Sphinx has to say about the pages, by file; "" is about none of them."""
    command = ["sphinx-build", "-q", "-n", "-E", "-c", str(HERE), "-b", "html", str(PAGES),
               str(out)]
    try:
        run = subprocess.run(command, env=own_environment(), capture_output=True, text=True,
                             check=False)
    except FileNotFoundError:
        raise JobError("sphinx-build is missing; run 'make packages'") from None
    found = {}
    for line in run.stderr.splitlines():
        if line:
            path = Path(line.split(":")[0]).name
            found.setdefault(path if path.endswith(".rst") else "", []).append(line)
    if run.returncode and not found:
        found[""] = [f"sphinx-build ended with status {run.returncode}"]
    return found


def build(argv):
    out = Path(argv[0]).resolve()
    found, tally = complaints(out), Tally()
    for page in sorted(PAGES.glob("*.rst")):
        html = (out / page.name).with_suffix(".html")
        why = "; ".join(found.pop(page.name, [])) or ("" if html.exists() else "no page came of it")
        tally.add("FAIL" if why else "PASS", f"page {page.name}", why)
    for lines in found.values():
        tally.add("FAIL", "Sphinx", "; ".join(lines))
    say(f"pages: {out}/pv-mmio.html")
    return tally.finish()


if __name__ == "__main__":
    main(build, sys.argv[1:], (1,), __doc__)
