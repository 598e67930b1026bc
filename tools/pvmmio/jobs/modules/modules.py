# SPDX-License-Identifier: GPL-2.0-only
"""Build our KVM modules for one of Debian's kernels, by its release.

usage: modules.py BUILD RELEASE

RELEASE is what "uname -r" says, such as 6.12.117+deb12-cloud-amd64; the KVM
modules for it come to BUILD/modules/RELEASE.
"""
import re
import shutil
import sys
from pathlib import Path

from pvmmio.build import debian, headers
from pvmmio.console import JobError, main, say

# A second release of one version has a digit more, as in 6.12.90+deb13.1-amd64.
RELEASE = re.compile(r"(\d+\.\d+)\.(\d+)\+deb(\d+)(\.\d+)?-(\w+-)?amd64")
# Debian's kernels of before that form had an ABI's number, such as 6.1.0-49-amd64.
WITH_ABI = re.compile(r"(\d+\.\d+)\.\d+-\d+-(\w+-)?amd64")
ANY = re.compile(r"(\d+\.\d+)[\w.+~-]*")
SERIES = ("6.12",)
NAMES = ("kvm.ko", "kvm-intel.ko", "kvm-amd.ko")


def this_debian():
    """The number of the Debian that runs here, "" of another system."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return ""
    told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return told.get("VERSION_ID", "").strip('"') if told.get("ID") == "debian" else ""


def refusal(release):
    """Why there are no modules for a kernel of this name, and what to do."""
    wanted = " or ".join(SERIES)
    if WITH_ABI.fullmatch(release):
        series = release.split("-")[0].rsplit(".", 1)[0]
        return (f"that is Debian's Linux {series}, and our modules are for Linux {wanted}; apt"
                f" install linux-image-{SERIES[-1]}-amd64, reboot into it, then run it again")
    if ANY.fullmatch(release) and not re.search(r"-arm64|-amd64|\+deb", release):
        return ("that is no kernel of Debian's, whose headers these modules need; for a kernel of"
                " your own, 'make series TREE=its source' makes patches")
    return ("that is no release of a Debian kernel for amd64, as 'uname -r' says it, such as"
            " 6.12.117+deb12-amd64")


def split(release):
    """(series, version, flavour), as pvmmio/build/debian.py wants them."""
    parts = RELEASE.fullmatch(release)
    if not parts:
        raise JobError(f"KVER={release}: {refusal(release)}")
    series, patch, debian_of, _, kind = parts.groups()
    flavours = {suffix: flavour for flavour, suffix in debian.FLAVOURS.items()}
    flavour = flavours.get(f"{kind or ''}amd64")
    if series not in SERIES or not flavour:
        raise JobError(f"KVER={release}: these modules can be built for Linux"
                       f" {', '.join(SERIES)}, flavours {', '.join(debian.FLAVOURS)}")
    here = this_debian()
    if here and debian_of != here:
        raise JobError(f"KVER={release}: that is a kernel of Debian {debian_of}, whose packages"
                       f" Debian {here} doesn't have; run this on a Debian {debian_of}")
    return series, f"{series}.{patch}", flavour


def collect(built, target, release):
    """Replace TARGET by a folder with the modules, the release they are for and the probe."""
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(built / "kvm/patched" / name, partial)
    # For any host: it tells what those modules offer there.
    shutil.copy(built / "tools/pv-mmio", partial)
    (partial / "release").write_text(release + "\n")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def modules(argv):
    where, release = Path(argv[0]).resolve(), argv[1]
    series, version, flavour = split(release)
    home, got = debian.fetch_for_modules(series, version, flavour, f"KVER={release}")
    if got != release:
        raise JobError(f"KVER={release}: Debian's {version} is {got} by now; boot that, or"
                       f" say KVER={got}")
    built = where / "headers" / release
    headers.build(home, flavour, release, built)
    collect(built, where / "modules" / release, release)
    say(f"modules: {where / 'modules' / release}")
    return 0


if __name__ == "__main__":
    main(modules, sys.argv[1:], (2,), __doc__)
