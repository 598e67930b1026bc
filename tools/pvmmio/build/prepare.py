# SPDX-License-Identifier: GPL-2.0-only
"""Lay the overlay on KVM's source as Debian packaged it, for DKMS.

usage: prepare.py RELEASE VERSION

To be run in a copy of the project; fills "linux" there.  The source is the package
linux-source's, which has to be of the version of RELEASE's headers.  VERSION is what
the modules say of themselves.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import debian, headers
from pvmmio.console import JobError, main, step

SOURCES = Path("/usr/src")


def installed(package):
    """Return the version of PACKAGE that is installed, or nothing."""
    run = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package],
                         capture_output=True, text=True, check=False)
    status, _, version = run.stdout.partition(" ")
    return version if status == "installed" else ""


def source_package(release):
    """Return the package with the source of RELEASE's series, in the version of its headers."""
    series = re.match(r"\d+\.\d+", release)
    if not series:
        raise JobError(f"{release}: that is no release of a kernel")
    package, wanted = f"linux-source-{series[0]}", installed(f"linux-headers-{release}")
    if not wanted:
        raise JobError(f"{release}: no headers of it; apt install linux-headers-{release}")
    have = installed(package)
    if have != wanted:
        raise JobError(f"{release}: its headers are of version {wanted}, {package} is"
                       f" {have or 'not installed'}; apt install {package}={wanted}")
    return package


def add_version(folder, version):
    """Give our modules a version: DKMS replaces no module by one with the same, or with none."""
    lines = []
    for name in ("kvm", "kvm-intel", "kvm-amd"):
        (folder / f"{name}-version.c").write_text(
            "// SPDX-License-Identifier: GPL-2.0-only\n#include <linux/module.h>\n"
            f'MODULE_VERSION("{version}");\n')
        lines.append(f"{name}-y += {name}-version.o\n")
    (folder / "Kbuild").write_text(headers.KBUILD + "".join(lines))


def prepare(argv):
    package = source_package(argv[0])
    source = REPO / "kvm-source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    step("unpacking KVM's source",
         ["tar", "-xf", str(SOURCES / f"{package}.tar.xz"), "-C", str(source),
          "--strip-components=1", *(f"{package}/{name}" for name in debian.KVM_SOURCE)],
         REPO / "unpack.log")
    headers.lay(source, REPO / "linux")
    add_version(REPO / "linux/arch/x86/kvm", argv[1])
    return 0


if __name__ == "__main__":
    main(prepare, sys.argv[1:], (2,), __doc__)
