# SPDX-License-Identifier: GPL-2.0-only
"""Install the package in a Debian system without a kernel that runs, and purge it.

usage: check.py BUILT OUT SERIES VERSION

BUILT is a folder that pvmmio/build/kernel.py made for SERIES and VERSION, OUT has the
package.  The system is made by mmdebstrap, and gone afterwards.
"""
import re
import sys
import tempfile
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import debian
from pvmmio.build.packages import as_root
from pvmmio.console import JobError, main, say, step
from pvmmio.jobs.debian import system
from pvmmio.jobs.deb import deb
from pvmmio.tally import Tally

HERE = Path(__file__).resolve().parent
PACKAGES = ("coccinelle", "dkms", "kmod", "libpython3-dev", "man-db", "python3")
RESULT = re.compile(r"(ok|not ok) (\d+) (.*)")


def read(text, tally):
    """Tally what in-system printed; a plan that isn't kept is a failure, too."""
    planned = re.search(r"^1\.\.(\d+)$", text, re.MULTILINE)
    results = [RESULT.fullmatch(line) for line in text.splitlines()]
    found = [result for result in results if result]
    for result in found:
        why = re.search(rf"^# (.*)\n{re.escape(result[0])}$", text, re.MULTILINE)
        tally.add("PASS" if result[1] == "ok" else "FAIL", f"deb {result[3]}",
                  why[1] if why and result[1] != "ok" else "")
    if not planned or int(planned[1]) != len(found):
        tally.add("FAIL", "deb", f"{len(found)} results, planned"
                  f" {planned[1] if planned else 'none'}")


def hooks(package, release, series, results):
    """What mmdebstrap does with the system in "$1" before that is thrown away."""
    checks = REPO / "tools/pvmmio/lab/guest/checks"
    return ['mkdir -p "$1/lab"', f'cp "{checks}" "{HERE}/in-system" "$1/lab"',
            f'cp "{package}" "$1/lab/package.deb"',
            f'chroot "$1" sh /lab/in-system {release} {series} >"{results}"']


def check(argv):
    built, out = (Path(arg).resolve() for arg in argv[:2])
    series, wanted = argv[2:]
    version = debian.resolve(series, wanted, built.name)
    release = (built / "release").read_text().strip()
    if built.name not in debian.FLAVOURS:
        raise JobError(f"FLAVOUR={built.name}: Debian has no such kernel; there is"
                       f" {', '.join(debian.FLAVOURS)}")
    deb.deb([str(out)])
    say("to install Debian and build KVM there takes some minutes")
    packages = [*PACKAGES, *(f"{name}={version}" for name in (
        f"linux-headers-{release}", f"linux-image-{release}-unsigned", f"linux-source-{series}"))]
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=out) as tmp:
        sources, results = Path(tmp) / "sources.list", Path(tmp) / "results"
        sources.write_text("\n".join(system.sources()) + "\n")
        step("installing it in a Debian system",
             as_root(["mmdebstrap", "--mode=root", "--variant=minbase", "--format=null",
                      f"--include={','.join(packages)}",
                      *(f"--customize-hook={hook}" for hook in hooks(
                          out / deb.name(deb.version()), release, series, results)),
                      system.suite(), "-", str(sources)], "install a Debian system"),
             out / "check.log")
        read(results.read_text(), tally)
    return tally.finish()


if __name__ == "__main__":
    main(check, sys.argv[1:], (4,), __doc__)
