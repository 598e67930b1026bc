# SPDX-License-Identifier: GPL-2.0-only
"""Make patches for a kernel's tree from the overlay, for "git am".

usage: series.py OUT TREE

TREE is a kernel's source, which isn't changed.  OUT gets a cover letter and a patch
for each step that steps.py describes; each of them builds on the ones before.
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import cocci, overlay
from pvmmio.build.cocci import OverlayError
from pvmmio.console import JobError, main, say
from pvmmio.jobs.bench import update
from pvmmio.jobs.modules.modules import SERIES
from pvmmio.jobs.series import steps as series_steps
from pvmmio.jobs.series.steps import FOLDER, OBJECTS


# Whatever the user's own configuration says.
PLAIN = ["-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null",
         "-c", "core.autocrlf=false", "-c", "diff.noprefix=false",
         "-c", "diff.mnemonicPrefix=false"]


def git(where, *arguments):
    run = subprocess.run(["git", "-C", str(where), *PLAIN, *arguments], capture_output=True,
                         text=True, check=False)
    if run.returncode:
        why = (run.stderr or run.stdout).strip().splitlines() or ["no reason given"]
        raise JobError(f"git {arguments[0]} failed: {why[-1]}")
    return run.stdout


def version_of(tree):
    """"6.12" of the kernel's source TREE."""
    try:
        version = overlay.series_of(tree)
    except OverlayError as error:
        raise JobError(f"TREE={error}") from None
    if version not in SERIES:
        raise JobError(f"TREE={tree}: that is Linux {version}; the series can be made for"
                       f" {', '.join(SERIES)}")
    return version


def is_git(tree):
    """Whether TREE is a working tree of its own, and not just somewhere in one."""
    run = subprocess.run(["git", "-C", str(tree), "rev-parse", "--show-toplevel"],
                         capture_output=True, text=True, check=False)
    return run.returncode == 0 and Path(run.stdout.strip()) == tree


def check_tree(tree, targets):
    """Refuse what the patches would be wrong for."""
    gone = [target for target, parts in targets.items() if not (tree / target).is_file()
            and any(map(overlay.is_hook, parts))]
    if gone:
        raise JobError(f"TREE={tree}: has no {gone[0]}; the hooks are for another version")
    there = [target for target, parts in targets.items() if (tree / target).exists()
             and not all(map(overlay.is_hook, parts))]
    if there:
        raise JobError(f"TREE={tree}: has {there[0]} already; take a branch without the series")
    if is_git(tree):
        # From the tree's top, and as they are.
        changed = git(tree, "status", "--porcelain", "-z", "--", *sorted(targets)).split("\0")
        if changed[0]:
            raise JobError(f"TREE={tree}: {changed[0][3:]} has local changes; commit or stash them")


class Text:
    """What the files of the series hold after the steps that ADDED some units."""

    def __init__(self, targets: overlay.Targets, tree: Path, version: str):
        self.targets, self.tree, self.version = targets, tree, version
        self.added: set[series_steps.Unit] = set()
        self.made: dict[tuple[str, frozenset[str]], bytes] = {}

    def pristine(self, target):
        path = self.tree / target
        return path.read_bytes() if path.is_file() else None

    def hooked(self, target: str, part: Path, rules: set[str]) -> bytes:
        """The kernel's file with the RULES only of the semantic patch PART."""
        key = (target, frozenset(rules))
        if key not in self.made:
            with tempfile.TemporaryDirectory() as tmp:
                patch = Path(tmp) / part.name
                patch.write_text(cocci.cut_rules(part.read_text(), rules))
                self.made[key] = cocci.apply(patch, self.tree / target, self.version)
        return self.made[key]

    def appended(self, target, part):
        text = overlay.without_tag(part)
        if target not in OBJECTS:
            return text if (target, None) in self.added else b""
        left_out, folder = OBJECTS[target]
        return series_steps.only_existing(
            text.decode(),
            lambda name: (folder + name.removeprefix(left_out), None) in self.added).encode()

    def of(self, target):
        """The text of TARGET by now; None if there is no such file."""
        text = self.pristine(target)
        for part in sorted(self.targets[target], key=lambda part: part.suffix != ".cocci"):
            rules = {rule for name, rule in self.added if name == target and rule}
            if part.suffix == ".cocci":
                text = self.hooked(target, part, rules) if rules else text
            elif part.suffix == ".append":
                text += self.appended(target, part)
            elif (target, None) in self.added:
                text = overlay.merged([part], self.tree / target, self.version)
        return text


def commit(where, texts, message):
    """A commit of the files that changed."""
    for target in texts.targets:
        text = texts.of(target)
        if text is not None:
            overlay.write_if_changed(where / target, text)
    git(where, "add", "--all")
    git(where, "commit", "--quiet", "--signoff", "--message", message)


def figures():
    """The table of the figures, as README has it."""
    section = (REPO / "README.md").read_text().split(update.BEGIN)[1].split(update.END)[0]
    rows = [[cell.strip() for cell in line.replace("`", "").strip("|").split("|")]
            for line in section.splitlines() if line.startswith("| ")]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                     for row in rows)


def fill_cover(path, message):
    subject, _, body = message.partition("\n\n")
    text = path.read_text()
    text = text.replace("*** SUBJECT HERE ***", subject)
    path.write_text(text.replace("*** BLURB HERE ***", body.format(table=figures()).strip()))


def author(tree):
    """Name and address of whoever signs the patches off."""
    try:
        return re.match("(.*) <(.*)>", git(tree, "var", "GIT_AUTHOR_IDENT")).groups()
    except JobError:
        raise JobError("git doesn't know who you are, and signs off by that: say git config"
                       " --global user.name and git config --global user.email") from None


def make_series(targets: overlay.Targets, tree: Path, version: str, repo: Path,
                out: Path) -> None:
    """Commit step by step in the empty repository REPO, and write its commits to OUT."""
    cover, steps = series_steps.read_steps(FOLDER)
    adds = series_steps.assign(steps, targets, version)
    texts = Text(targets, tree, version)
    git(repo, "init", "--quiet", "--initial-branch", "series")
    name, email = author(tree)
    git(repo, "config", "user.name", name)
    git(repo, "config", "user.email", email)
    commit(repo, texts, "the kernel")
    base = git(repo, "rev-parse", "HEAD").strip()
    for step, added in zip(steps, adds):
        say(f"series: {step.message.splitlines()[0]}")
        texts.added |= added
        commit(repo, texts, step.message)
    git(repo, "format-patch", "--quiet", "--cover-letter", "--no-renames", "--no-signature",
        "-o", str(out), f"{base}..HEAD")
    fill_cover(next(out.glob("0000-*")), cover)


def series(argv):
    out, tree = Path(argv[0]).resolve(), Path(argv[1]).expanduser().resolve()
    if not argv[1]:
        raise JobError("TREE= is empty; say TREE=~/linux, a kernel's source")
    try:
        version = version_of(tree)
        targets = overlay.overlay_files(REPO, version)
        check_tree(tree, targets)
        partial = out.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        with tempfile.TemporaryDirectory() as tmp:
            make_series(targets, tree, version, Path(tmp), partial)
    except OverlayError as error:
        raise JobError(str(error)) from None
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
    say(f"series: {len(list(out.iterdir())) - 1} patches and a cover letter; in a clean tree:"
        f" git am {out}/*-KVM-*")
    return 0


if __name__ == "__main__":
    main(series, sys.argv[1:], (2,), __doc__)
