# SPDX-License-Identifier: GPL-2.0-only
"""A Debian system with systemd for the lab: a disk image, and the initrd that boots it.

It lies in the cache beside the kernel that is installed in it, made anew when what it
is made from changes.
"""
import hashlib
import shutil
import subprocess
from pathlib import Path

from pvmmio.build import debian
from pvmmio.console import JobError, say, step
from pvmmio.build.packages import as_root

HERE = Path(__file__).resolve().parent
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Debian's kvm_stat is a script in the kernel's source; no package of bookworm has it.
PACKAGES = ("busybox", "initramfs-tools", "kmod", "libpython3-stdlib", "linux-perf", "make",
            "python3", "systemd-sysv", "trace-cmd", "udev", "zstd")


def sources():
    """The host's own Debian package sources, one line each."""
    run = subprocess.run(["apt-get", "indextargets", "--format",
                          "$(ORIGIN) $(REPO_URI) $(CODENAME) $(COMPONENT)",
                          "Created-By: Packages"], capture_output=True, text=True, check=False)
    lines = [f"deb [signed-by={KEYRING}] {uri} {suite} {component}"
             for origin, uri, suite, component in
             (line.split(" ") for line in sorted(set(run.stdout.splitlines())))
             if origin == "Debian"]
    if not lines:
        raise JobError("apt has no package source of Debian's; add one and run apt-get update")
    return lines


def suite():
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value
    raise JobError("/etc/os-release names no Debian release; this needs Debian 12 or 13")


def key(packages):
    """What the image is made from, in short."""
    sha = hashlib.sha256(" ".join(packages).encode())
    for path in (Path(__file__), HERE / "install", *sorted((HERE / "root").rglob("*"))):
        if path.is_file():
            sha.update(str(path.relative_to(HERE)).encode() + path.read_bytes())
    return sha.hexdigest()


def make(packages, where, log):
    """Fill WHERE with "disk" and "initrd"."""
    listed = where / "sources.list"
    listed.write_text("\n".join(sources()) + "\n")
    step("installing a Debian system", as_root([str(HERE / "install"), str(where), suite(),
                                               str(listed), ",".join(packages)],
                                              "install a Debian system"), log)


def fetch(home, version, flavour, release):
    """Have the system with the kernel RELEASE in the cache; return its folder."""
    where = home / f"{flavour}-system"
    packages = [*PACKAGES, f"linux-image-{release}-unsigned={version}"]
    wanted = key(packages)
    with debian.cache_lock():
        if (where / "key").exists() and (where / "key").read_text() == wanted:
            return where
        say("a Debian system takes 2 minutes on 2 cores, once")
        debian.clean(home)
        with debian.unfinished(home) as tmp:
            whole = tmp / "whole"
            whole.mkdir()
            make(packages, whole, home / f"{flavour}-system.log")
            (whole / "key").write_text(wanted)
            shutil.rmtree(where, ignore_errors=True)
            whole.rename(where)
    return where
