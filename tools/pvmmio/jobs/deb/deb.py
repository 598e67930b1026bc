# SPDX-License-Identifier: GPL-2.0-only
"""Make the Debian package pv-mmio-dkms of what is committed here.

usage: deb.py OUT

It brings the overlay and what lays it, the programs for hosts, and their man pages.
The version is 0. and the number of commits.
"""
import gzip
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import debian, kernel
from pvmmio.console import JobError, main, say, step
from pvmmio.jobs.modules.modules import RELEASE, SERIES

HERE = Path(__file__).resolve().parent
# What a host's DKMS needs of the project.
PARTS = ("COPYING", "Kconfig", "arch", "include", "versions", "virt", "tools/pvmmio/__init__.py",
         "tools/pvmmio/console.py", "tools/pvmmio/build")
PAGES = {"pv-mmio.1": "tools/pv-mmio", "kvm-modules.8": "tools/host"}


def git(*arguments):
    run = subprocess.run(["git", "-C", str(REPO), *arguments], capture_output=True, text=True,
                         check=False)
    if run.returncode:
        raise JobError("this is no checkout of git's: a package's version is told by commits;"
                       " clone the project")
    return run.stdout


def version():
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        raise JobError("this clone is shallow, and a package's version is told by the number of"
                       " commits; say git fetch --unshallow")
    return f"0.{git('rev-list', '--count', 'HEAD').strip()}"


def name(of_version):
    return f"pv-mmio-dkms_{of_version}_amd64.deb"


def committed(names):
    """The files below NAMES, unless one is other than committed."""
    changed = git("status", "--porcelain", "--", *names).splitlines()
    if changed:
        raise JobError(f"{changed[0][3:]} has local changes, and a package is of a commit;"
                       " commit or stash them")
    return git("ls-files", "--", *names).splitlines()


def kernels():
    """The releases that the modules can be built for, as DKMS takes it."""
    pattern = RELEASE.pattern.replace(r"(\d+\.\d+)", f"({'|'.join(map(re.escape, SERIES))})")
    flavours = "|".join(debian.FLAVOURS.values())
    return "^" + pattern.replace(r"(\w+-)?amd64", f"({flavours})").replace(r"\d", "[0-9]") + "$"


def fill(path, target, values):
    """Copy PATH to TARGET with each @NAME@ replaced."""
    text = re.sub(r"@([A-Z]+)@", lambda name: values[name[1]], path.read_text())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(path.stat().st_mode & 0o755)


def without_tag(path):
    """dpkg's own files may have no comment."""
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True)
                            if "SPDX" not in line))


def fill_tree(root, values):
    """Everything that the package has, below ROOT."""
    home = root / f"usr/src/pv-mmio-{values['VERSION']}"
    for part in committed(PARTS):
        (home / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / part, home / part)
    for part in ("dkms.conf", "prepare"):
        fill(HERE / "debian" / part, home / part, values)
    for part in ("control", "postinst", "prerm"):
        fill(HERE / "debian" / part, root / "DEBIAN" / part, values)
    without_tag(root / "DEBIAN/control")
    for page, folder in PAGES.items():
        target = root / f"usr/share/man/man{page[-1]}/{page}.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress((REPO / folder / page).read_bytes(), mtime=0))
    doc = root / "usr/share/doc/pv-mmio-dkms/copyright"
    doc.parent.mkdir(parents=True)
    shutil.copy(REPO / "COPYING", doc)
    (root / "usr/sbin").mkdir()
    shutil.copy(REPO / "tools/host/kvm-modules", root / "usr/sbin")


def deb(argv):
    out = Path(argv[0]).resolve()
    author = git("log", "-1", "--format=%an <%ae>").strip()
    values = {"VERSION": version(), "SERIES": SERIES[-1], "KERNELS": kernels(),
              "MAINTAINER": author}
    out.mkdir(parents=True, exist_ok=True)
    package = out / name(values["VERSION"])
    with tempfile.TemporaryDirectory(dir=out) as tmp:
        root = Path(tmp) / "root"
        fill_tree(root, values)
        kernel.build_tools(["-idirafter", str(REPO / "include/uapi")], root / "usr/bin", out)
        root.chmod(0o755)
        partial = Path(tmp) / package.name
        step("packing", ["dpkg-deb", "--root-owner-group", "--build", str(root), str(partial)],
             out / "deb.log")
        partial.rename(package)
    say(f"package: {package}")
    return 0


if __name__ == "__main__":
    main(deb, sys.argv[1:], (1,), __doc__)
