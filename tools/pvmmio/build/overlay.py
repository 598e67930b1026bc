# SPDX-License-Identifier: GPL-2.0-only
"""Lay the mirrored tree on a copy of the kernel's source.

usage: overlay.py REPO SOURCE TREE

REPO is this project, SOURCE the unpacked kernel (never changed), TREE a copy
of it that is made or brought up to date.  Files are of three kinds:

  FILE          new, copied; it must not exist in SOURCE
  FILE.cocci    a semantic patch, applied to SOURCE's FILE with spatch
  FILE.append   lines added at the end of SOURCE's FILE

MAINTAINERS alone is one entry, which goes to its place in SOURCE's list.

All are for the newest kernel known.  An older one takes a file from
versions/SERIES instead, if that has one of the same path.

A file of TREE is written only when it would change, so that a build after it
is incremental; one that the overlay no longer touches gets SOURCE's text back.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from pvmmio.build import cocci
from pvmmio.build.cocci import OverlayError

MAINTAINERS = "MAINTAINERS"
# What mirrors the kernel.  All else at the root belongs to the project.
MIRRORED = ("arch", "Documentation", "drivers", "include", MAINTAINERS,
            "tools/testing/selftests", "virt")
# The top-level Kconfig is ours to read, but the kernel has its own there.
MOVED = {"Kconfig": "arch/x86/kvm/Kconfig.pv_mmio"}
# Which entry ours comes after.  The kernel's list is in alphabetical order, but some of its
# entries aren't, so a search for the place could end at one of those.
ABOVE = "KERNEL VIRTUAL MACHINE FOR X86 (KVM/x86)"
# Which kernels our code is for; the last one has no folder in "versions".
SERIES = ("6.12", "7.3")
VERSIONS = "versions"
SELFTESTS = "tools/testing/selftests/kvm"
STATE = ".overlay.json"
# From each path in the kernel's tree to the files of the overlay that make it.
Targets = dict[str, list[Path]]


def arch(series: str) -> str:
    """How SERIES calls the folders of x86's selftests, which are "x86_64" here."""
    return "x86_64" if series == "6.12" else "x86"


def target_of(name: str, series: str) -> str:
    """The path in the tree of SERIES that the overlay's file NAME makes."""
    for suffix in (".cocci", ".append"):
        name = name.removesuffix(suffix)
    if name.startswith(SELFTESTS):
        name = name.replace("/x86_64/", f"/{arch(series)}/", 1)
    return MOVED.get(name, name)


def series_of(source: Path) -> str:
    """"6.12" of the kernel's SOURCE, if our code is for it."""
    try:
        text = (source / "Makefile").read_text()
        found = dict(re.findall(r"^(VERSION|PATCHLEVEL) = (\d+)$", text, re.MULTILINE))
        series = f"{found['VERSION']}.{found['PATCHLEVEL']}"
    except (OSError, KeyError, UnicodeDecodeError):
        raise OverlayError(f"{source}: no kernel's source is there; unpack one first") from None
    if series not in SERIES:
        raise OverlayError(f"{source}: that is Linux {series}; our code is for"
                           f" {' and '.join(SERIES)}")
    return series


def overlay_files(repo: Path, series: str, folders: Iterable[str] = MIRRORED) -> Targets:
    """Map each path in the tree of SERIES, below FOLDERS, to the files that make it."""
    found = {name: repo / name for name in MOVED if (repo / name).is_file()}
    for base in (repo, repo / VERSIONS / series):
        for top in (base / folder for folder in folders):
            for path in filter(Path.is_file, [top, *sorted(top.rglob("*"))]):
                found[str(path.relative_to(base))] = path
    targets: Targets = {}
    for name, path in found.items():
        targets.setdefault(target_of(name, series), []).append(path)
    if not targets:
        raise OverlayError(f"{repo}: nothing to lay on the kernel; is this the project's root?")
    return targets


def is_hook(part: Path) -> bool:
    """Whether PART changes a file of the kernel's, and makes none of its own."""
    return part.suffix in (".cocci", ".append") or part.name == MAINTAINERS


def own_files(repo: Path, series: str, folders: Iterable[str] = MIRRORED) -> list[str]:
    """The paths in the tree of SERIES, below FOLDERS, of files that the kernel doesn't have."""
    return [target for target, parts in overlay_files(repo, series, folders).items()
            if not any(map(is_hook, parts))]


def digest(paths: Iterable[Path]) -> str:
    """One hash over the contents of PATHS, absent files included."""
    total = hashlib.sha256()
    for path in paths:
        data = path.read_bytes() if path.is_file() else b"absent"
        total.update(hashlib.sha256(data).digest())
    return total.hexdigest()


def without_tag(part: Path) -> bytes:
    """The lines of PART for the end of a file that has a licence tag already."""
    return b"".join(line for line in part.read_bytes().splitlines(keepends=True)
                    if b"SPDX-License-Identifier" not in line)


def with_entry(part: Path, original: Path) -> bytes:
    """The list of maintainers ORIGINAL with the entry PART after the one that is ABOVE."""
    above, title, below = original.read_bytes().partition(f"\n\n{ABOVE}\n".encode())
    entry, end, below = below.partition(b"\n\n")
    if not end:
        raise OverlayError(f"{part}: this kernel's list has no entry {ABOVE}")
    return above + title + entry + end + without_tag(part) + b"\n" + below


def merged(parts: Sequence[Path], original: Path, series: str) -> bytes:
    """The text of a target that is made from PARTS over ORIGINAL, a file of SERIES."""
    by_kind = {part.suffix: part for part in parts}
    new = [part for part in parts if not is_hook(part)]
    if new:
        if original.exists() or len(parts) > 1:
            raise OverlayError(f"{new[0]}: the kernel has this file already;"
                               " hook it with .cocci or .append")
        return new[0].read_bytes()
    if not original.is_file():
        raise OverlayError(f"{parts[0]}: this kernel has no {original.name} there;"
                           " the hook is for another version")
    if original.name == MAINTAINERS:
        return with_entry(parts[0], original)
    hook, end = by_kind.get(".cocci"), by_kind.get(".append")
    text = cocci.apply(hook, original, series) if hook else original.read_bytes()
    return text + without_tag(end) if end else text


def write_if_changed(path: Path, data: bytes) -> bool:
    """Put DATA at PATH by renaming, and only if it differs; return whether it did."""
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as tmp:
        tmp.write(data)
    os.chmod(tmp.name, 0o644)
    os.replace(tmp.name, path)
    return True


def restore(source, tree, target):
    """Give TARGET back what SOURCE has there."""
    if (source / target).is_file():
        write_if_changed(tree / target, (source / target).read_bytes())
    else:
        (tree / target).unlink(missing_ok=True)


def copy_source(source: Path, tree: Path) -> None:
    """Make TREE, under another name until it is whole."""
    print(f"overlay: copying {source} to {tree}", flush=True)
    partial = tree.with_name(tree.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    copy = subprocess.run(["cp", "-a", "--reflink=auto", source, partial],
                          capture_output=True, text=True, check=False)
    if copy.returncode:
        raise OverlayError(f"copying the kernel's source failed: {copy.stderr.strip()}")
    partial.rename(tree)


def lay(repo: Path, source: Path, tree: Path, folders: Iterable[str] = MIRRORED) -> None:
    """Bring TREE to SOURCE plus the overlay in REPO, or what of it is below FOLDERS."""
    series = series_of(source)
    targets = overlay_files(repo, series, folders)
    if not tree.exists():
        copy_source(source, tree)
    state_file = tree / STATE
    state = json.loads(state_file.read_text()) if state_file.exists() else {}
    wanted, changed = {}, 0
    tools = [Path(cocci.__file__), Path(__file__)]
    for target, parts in targets.items():
        wanted[target] = f"{series} {digest(parts + [source / target] + tools)}"
        laid = tree / target
        if state.get(target) == [wanted[target], digest([laid])]:
            continue
        changed += write_if_changed(laid, merged(parts, source / target, series))
    for target in state.keys() - wanted.keys():
        restore(source, tree, target)
        changed += 1
    state = {target: [key, digest([tree / target])] for target, key in wanted.items()}
    write_if_changed(state_file, json.dumps(state, indent=1).encode())
    print(f"overlay: {len(wanted)} files laid on {tree}, {changed} of them changed")


def main(argv):
    if len(argv) != 4:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    repo, source, tree = (Path(arg).resolve() for arg in argv[1:])
    try:
        if not (source / "virt/kvm/kvm_main.c").is_file():
            raise OverlayError(f"{source}: no kernel's source is there; unpack one first")
        lay(repo, source, tree)
    except (OverlayError, OSError) as error:
        print(f"overlay: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
