# SPDX-License-Identifier: GPL-2.0-only
"""Lay the mirrored tree on a copy of the kernel's source.

usage: overlay.py REPO SOURCE TREE

REPO is this project, SOURCE the unpacked kernel (never changed), TREE a copy
of it that is made or brought up to date.  Files are of three kinds:

  FILE          new, copied; it must not exist in SOURCE
  FILE.cocci    a semantic patch, applied to SOURCE's FILE with spatch
  FILE.append   lines added at the end of SOURCE's FILE

A file of TREE is written only when it would change, so that a build after it
is incremental; one that the overlay no longer touches gets SOURCE's text back.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pvmmio.build import cocci
from pvmmio.build.cocci import OverlayError

# What mirrors the kernel.  All else at the root belongs to the project.
MIRRORED = ("arch", "Documentation", "drivers", "include",
            "tools/testing/selftests", "virt")
# The top-level Kconfig is ours to read, but the kernel has its own there.
MOVED = {"Kconfig": "arch/x86/kvm/Kconfig.pv_mmio"}
STATE = ".overlay.json"


def overlay_files(repo, folders=MIRRORED):
    """Map each path in the kernel's tree, below FOLDERS, to the files that make it."""
    targets = {}
    for name, target in MOVED.items():
        if (repo / name).is_file():
            targets.setdefault(target, []).append(repo / name)
    for top in folders:
        for path in sorted((repo / top).rglob("*")):
            if path.is_file():
                target = str(path.relative_to(repo))
                for suffix in (".cocci", ".append"):
                    target = target.removesuffix(suffix)
                targets.setdefault(target, []).append(path)
    if not targets:
        raise OverlayError(f"{repo}: nothing to lay on the kernel; is this the project's root?")
    return targets


def digest(paths):
    """One hash over the contents of PATHS, absent files included."""
    total = hashlib.sha256()
    for path in paths:
        data = path.read_bytes() if path.is_file() else b"absent"
        total.update(hashlib.sha256(data).digest())
    return total.hexdigest()


def without_tag(part):
    """The lines of PART for the end of a file that has a licence tag already."""
    return b"".join(line for line in part.read_bytes().splitlines(keepends=True)
                    if b"SPDX-License-Identifier" not in line)


def merged(parts, original):
    """The text of a target that is made from PARTS over ORIGINAL."""
    by_kind = {part.suffix: part for part in parts}
    hooks = [by_kind.get(".cocci"), by_kind.get(".append")]
    new = [part for part in parts if part not in hooks]
    if new:
        if original.exists() or len(parts) > 1:
            raise OverlayError(f"{new[0]}: the kernel has this file already;"
                               " hook it with .cocci or .append")
        return new[0].read_bytes()
    if not original.is_file():
        raise OverlayError(f"{parts[0]}: this kernel has no {original.name} there;"
                           " the hook is for another version")
    text = original.read_bytes()
    if hooks[0]:
        text = cocci.apply(hooks[0], original)
    return text + without_tag(hooks[1]) if hooks[1] else text


def write_if_changed(path, data):
    """Put DATA at PATH by renaming, and only if it differs."""
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


def copy_source(source, tree):
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


def lay(repo, source, tree, folders=MIRRORED):
    """Bring TREE to SOURCE plus the overlay in REPO, or what of it is below FOLDERS."""
    targets = overlay_files(repo, folders)
    if not tree.exists():
        copy_source(source, tree)
    state_file = tree / STATE
    state = json.loads(state_file.read_text()) if state_file.exists() else {}
    wanted, changed = {}, 0
    tools = [Path(cocci.__file__), Path(__file__)]
    for target, parts in targets.items():
        wanted[target] = digest(parts + [source / target] + tools)
        laid = tree / target
        if state.get(target) == [wanted[target], digest([laid])]:
            continue
        changed += write_if_changed(laid, merged(parts, source / target))
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
            raise OverlayError(f"{source}: no kernel source there; unpack one first")
        lay(repo, source, tree)
    except (OverlayError, OSError) as error:
        print(f"overlay: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
