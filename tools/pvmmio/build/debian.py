# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels: which are on offer, and fetching one into the cache.

What is fetched lies outside the checkout, in $XDG_CACHE_HOME/pv-mmio, one
folder for each version: "source", and one for each flavour with the kernel,
its configuration, its symbol versions and its own KVM modules.  Who builds against
headers alone needs less: "kvm-source", and "headers-" with the flavour's name.
"""
import fcntl
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pvmmio.build.packages import apt, can_be_root
from pvmmio.console import JobError, say, step

FLAVOURS = {"cloud": "cloud-amd64", "generic": "amd64", "rt": "rt-amd64"}
# The package with the kernel of a release.  Later ones have the configuration and the
# modules in packages of their own, and all files in the folder of the modules.
IMAGE, BINARY, MODULES = ("linux-image-{}-unsigned", "linux-binary-unsigned-{}",
                          "linux-modules-{}")
# Modules that the image has and that KVM needs, where the flavour has them.
KVM_MODULES = ("kvm", "kvm-intel", "kvm-amd")
STOCK_MODULES = (*KVM_MODULES, "irqbypass", "ccp")
# What of the kernel's source pvmmio/build/headers.py reads.
KVM_SOURCE = ("Makefile", "arch/x86/kvm", "virt/kvm", "arch/x86/include/asm/kvm_host.h",
              "include/linux/kvm_host.h")


def check_path(path: Path, what: str) -> None:
    """Refuse a PATH that the kernel's build can't take; WHAT says which setting it's from."""
    if re.search(r"[\s:]", str(path)):
        raise JobError(f"{what}: the path {path} has a blank or a colon, which the kernel's build"
                       " can't take; use another")


def cache_root() -> Path:
    told = os.environ.get("XDG_CACHE_HOME")
    base = Path(told or Path.home() / ".cache")
    if not base.is_absolute():
        raise JobError(f"XDG_CACHE_HOME={told}: that has to be an absolute path")
    check_path(base, f"XDG_CACHE_HOME={told}" if told else "HOME")
    return base / "pv-mmio"


def home_of(version: str) -> Path:
    """The folder of a package's VERSION in the cache."""
    return cache_root() / version.replace("~", "_")


# What is unpacked has this name until it is whole.
UNFINISHED = "unfinished-"


@contextmanager
def unfinished(where: Path) -> Iterator[Path]:
    """A folder in WHERE, on the same disk, that is gone in the end, however that comes."""
    with tempfile.TemporaryDirectory(dir=where, prefix=UNFINISHED) as tmp:
        yield Path(tmp)


def clean(home: Path) -> None:
    """Remove what a run left in HOME that was killed; who calls this has its lock."""
    for path in home.glob(UNFINISHED + "*"):
        say(f"removing {path}, which a run that was stopped had left")
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def cache_lock(path: Path | None = None) -> Iterator[None]:
    """Only one job at a time fills the cache, or the folder where the lock PATH is."""
    path = path or cache_root() / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another job that fills {path.parent}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def apt_cache(*arguments):
    run = subprocess.run(["apt-cache", *arguments], capture_output=True, text=True,
                         check=False)
    return run.stdout.splitlines()


def offered(package: str) -> list[str]:
    """Versions of PACKAGE on offer, newest first."""
    return [line.split("|")[1].strip() for line in apt_cache("madison", package)]


def choose(series, wanted):
    """The newest version of SERIES on offer, or the one WANTED; None if none."""
    for version in offered(f"linux-source-{series}"):
        if wanted in ("", version.split("-")[0]):
            return version
    return None


def resolve(series: str, wanted: str, folder: str, asked: str = "") -> str:
    """The Debian version to use; package lists are read anew if its FOLDER isn't here.

    WANTED is a version such as 6.12.117, or ""; ASKED is the setting that it's from.
    """
    version = choose(series, wanted)
    if version and (home_of(version) / folder).exists():
        return version
    if version and not can_be_root():
        say("not reading Debian's package lists anew, which takes root or sudo")
        return version
    say("reading Debian's package lists")
    apt("update", what="read Debian's package lists")
    version = choose(series, wanted)
    if version:
        return version
    have = {v.split("-")[0] for v in offered(f"linux-source-{series}")}
    if have:
        raise JobError(f"{asked or f'KERNEL_VERSION={wanted}'}: Debian offers no such version of"
                       f" linux-source-{series}; there is {', '.join(sorted(have))}")
    raise JobError(f"KERNEL={series}: Debian offers no linux-source-{series}; is"
                   " bookworm-security, trixie-security or trixie-backports among the package"
                   " sources?")


def release(series: str, version: str, flavour: str) -> str:
    """The kernel release (uname -r) of VERSION in FLAVOUR."""
    release_of = rf"({re.escape(series)}\.[\w.+]+-{re.escape(FLAVOURS[flavour])})"
    for form in (IMAGE, BINARY):
        for package in apt_cache("pkgnames", form.split("{}")[0] + f"{series}."):
            found = re.fullmatch(form.format(release_of), package)
            if found and version in offered(package):
                return found.group(1)
    raise JobError(f"FLAVOUR={flavour}: Debian offers no such image of {version}; try"
                   " another FLAVOUR or KERNEL_VERSION")


def download(packages: Iterable[str], version: str, where: Path, log: Path) -> None:
    """Unpack PACKAGES, all of one VERSION, in the folder WHERE, without installing them."""
    command = ["apt-get", "-o", "APT::Sandbox::User=root", "download"]
    step(f"downloading {', '.join(packages)}",
         command + [f"{package}={version}" for package in packages], log, cwd=where)
    for package in where.glob("*.deb"):
        step(f"unpacking {package.name.split('_')[0]}",
             ["dpkg-deb", "-x", str(package), str(where)], log)
        package.unlink()


def unpack_source(series: str, version: str, target: Path, what: str,
                  parts: Iterable[str] = ()) -> None:
    """Unpack the folders PARTS of the kernel's source, or all of it, to TARGET at once.

    The user is told that it's WHAT.
    """
    log = target.parent / "source.log"
    with unfinished(target.parent) as raw:
        name = f"linux-source-{series}"
        download([name], version, raw, log)
        step(f"unpacking {what} source",
             ["tar", "-xf", str(raw / f"usr/src/{name}.tar.xz"), "-C", str(raw),
              *(f"{name}/{part}" for part in parts)], log)
        (raw / name).rename(target)


def fetch_source(series, version, home):
    if not (home / "source").exists():
        unpack_source(series, version, home / "source", "the kernel's")


def fetch_kvm_source(series, version, home):
    """Of the kernel's source what our KVM is made of, unless all of it is there."""
    if not (home / "source").exists() and not (home / "kvm-source/Makefile").exists():
        shutil.rmtree(home / "kvm-source", ignore_errors=True)
        unpack_source(series, version, home / "kvm-source", "KVM's", KVM_SOURCE)


def kvm_source(home: Path) -> Path:
    """Where fetch_for_modules() has KVM's source below HOME."""
    return home / ("source" if (home / "source").exists() else "kvm-source")


def headers_folder(flavour: str) -> str:
    """Where fetch_for_modules() has the headers, below a version's folder in the cache."""
    return f"headers-{flavour}"


def headers_packages(flavour: str, name: str) -> tuple[list[str], str]:
    """The packages of the headers for the release NAME, and the common one of them."""
    base = name.removesuffix(f"-{FLAVOURS[flavour]}")
    common = f"linux-headers-{base}-common" + ("-rt" if flavour == "rt" else "")
    return [f"linux-headers-{name}", common, f"linux-kbuild-{base}"], common


def fetch_headers(version, flavour, name, home):
    """Headers as the packages have them, but for where they find each other."""
    target = home / headers_folder(flavour)
    if target.exists():
        return
    packages, common = headers_packages(flavour, name)
    with unfinished(home) as tmp:
        raw = tmp / "raw"
        raw.mkdir()
        download(packages, version, raw, home / f"headers-{flavour}.log")
        makefile = raw / f"usr/src/linux-headers-{name}/Makefile"
        makefile.write_text(makefile.read_text().replace(f"/usr/src/{common}/", f"../{common}/"))
        raw.rename(target)


def fetch_for_modules(series: str, wanted: str, flavour: str, asked: str) -> tuple[Path, str]:
    """Have KVM's source and the headers of one version; (its folder, the release).

    ASKED is the setting that asks for it.
    """
    with cache_lock():
        version = resolve(series, wanted, headers_folder(flavour), asked)
        home = home_of(version)
        home.mkdir(exist_ok=True)
        clean(home)
        name = release(series, version, flavour)
        fetch_kvm_source(series, version, home)
        fetch_headers(version, flavour, name, home)
    return home, name


def image_modules(raw: Path) -> list[Path]:
    """The modules of the image that lies unpacked in RAW: Debian 13 has all below usr."""
    found = [path for top in ("lib/modules", "usr/lib/modules")
             for path in sorted((raw / top).rglob("*.ko*"))]
    if not found:
        raise JobError(f"the kernel's image has no modules below {raw}; those of Debian 12 and"
                       " 13 are known")
    return found


def unpack_module(path: Path, where: Path) -> None:
    """Copy the module PATH to the folder WHERE, decompressed if Debian compressed it."""
    if path.suffix == ".xz":
        (where / path.stem).write_bytes(lzma.decompress(path.read_bytes()))
    else:
        shutil.copy(path, where)


def take_stock(raw, where):
    """Copy to WHERE Debian's own KVM, and what it needs, from the image in RAW."""
    for path in image_modules(raw):
        if path.name.split(".")[0] in STOCK_MODULES:
            unpack_module(path, where)
    for name in KVM_MODULES:
        if not (where / f"{name}.ko").exists():
            raise JobError(f"the kernel's image has no module {name}; take another FLAVOUR")


def keep_headers(raw, source, where):
    """Copy to WHERE the headers below RAW that this flavour has otherwise than SOURCE."""
    for top in sorted((raw / "usr/src").glob("linux-headers-*-common*")):
        for folder in ("include", "arch/x86/include"):
            for path in (top / folder).rglob("*.h"):
                name = path.relative_to(top)
                if not (source / name).exists() or \
                        (source / name).read_bytes() != path.read_bytes():
                    (where / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, where / name)


def modules_package(name: str) -> str:
    """The package that has the modules of the release NAME."""
    image = IMAGE.format(name)
    return image if offered(image) else MODULES.format(name)


def packages_of(flavour, name):
    """The packages that make a flavour; rt's headers tell how its source is patched."""
    names = [modules_package(name), f"linux-headers-{name}"]
    if IMAGE.format(name) not in names:
        names += [BINARY.format(name), f"linux-base-{name}"]
    if flavour == "rt":
        names.append("linux-headers-" + name.replace("-rt-amd64", "-common-rt"))
    return names


def kernel_file(raw, name, what):
    """The file WHAT, "vmlinuz" or "config", of the kernel NAME that lies unpacked in RAW."""
    modules = raw / f"usr/lib/modules/{name}"
    for path in (raw / f"boot/{what}-{name}", modules / f"{what}.unsigned", modules / what):
        if path.exists():
            return path
    raise JobError(f"Debian's packages of {name} have no {what} where those of Debian 12 and 13"
                   " have it")


def fetch_flavour(version, flavour, name, home):
    with unfinished(home) as tmp:
        raw, whole = tmp / "raw", tmp / "whole"
        raw.mkdir()
        download(packages_of(flavour, name), version, raw, home / f"{flavour}.log")
        (whole / "stock").mkdir(parents=True)
        keep_headers(raw, home / "source", whole / "headers")
        for what in ("vmlinuz", "config"):
            shutil.copy(kernel_file(raw, name, what), whole / what)
        shutil.copy(raw / f"usr/src/linux-headers-{name}/Module.symvers", whole)
        take_stock(raw, whole / "stock")
        (whole / "release").write_text(name + "\n")
        whole.rename(home / flavour)


def fetch(series: str, wanted: str, flavour: str) -> Path:
    """Have source and image of one version in the cache; return its folder.

    WANTED is a version such as 6.12.117, or "" for the newest.
    """
    if flavour not in FLAVOURS:
        raise JobError(f"FLAVOUR={flavour}: no such flavour; there is {', '.join(FLAVOURS)}")
    with cache_lock():
        version = resolve(series, wanted, flavour)
        home = home_of(version)
        home.mkdir(exist_ok=True)
        clean(home)
        fetch_source(series, version, home)
        if not (home / flavour).exists():
            fetch_flavour(version, flavour, release(series, version, flavour), home)
    return home
