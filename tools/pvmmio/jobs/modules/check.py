# SPDX-License-Identifier: GPL-2.0-only
"""Modules that were built against headers alone are those of the whole source.

usage: check.py BUILD FLAVOUR

Compares BUILD/modules of the release in BUILD/FLAVOUR, which pvmmio/build/kernel.py
made, with the modules there: the code, byte for byte, and what decides whether they
load.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

from pvmmio.console import main
from pvmmio.jobs.modules.modules import NAMES, modules
from pvmmio.tally import Tally

CODE = (".text", ".noinstr.text", ".static_call.text", ".init.text", ".exit.text")
FIELDS = ("vermagic", "depends", "parm", "license", "alias")


def section(module, name):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["objcopy", "-O", "binary", f"--only-section={name}", module, out.name],
                       check=True, capture_output=True)
        return Path(out.name).read_bytes()


def field(module, name):
    return subprocess.run(["modinfo", "-F", name, module], check=True, capture_output=True,
                          text=True).stdout


def differences(one, other):
    """The names of what is another in ONE module than in the OTHER."""
    found = [name for name in CODE if section(one, name) != section(other, name)]
    found += [name for name in FIELDS if field(one, name) != field(other, name)]
    # Of two files without code nothing would differ.
    return found if section(one, ".text") else [*found, "no code"]


def check(argv):
    where, flavour = Path(argv[0]).resolve(), argv[1]
    built = where / flavour
    release = (built / "release").read_text().strip()
    modules([str(where), release])
    tally = Tally()
    for name in NAMES:
        wrong = differences(where / "modules" / release / name, built / "kvm/patched" / name)
        tally.add("FAIL" if wrong else "PASS", f"modules {release} {name}", " ".join(wrong))
    return tally.finish()


if __name__ == "__main__":
    main(check, sys.argv[1:], (2,), __doc__)
