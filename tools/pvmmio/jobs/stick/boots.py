# SPDX-License-Identifier: GPL-2.0-only
"""Boot the image on emulated machines, and read back what it measured.

usage: boots.py BUILT IMAGE [SCENES]

BUILT is a folder that pvmmio/build/kernel.py made, and IMAGE what image.py made of it.
SCENES is "short" (the default), "all", or names of those in scenes.py.
"""
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pvmmio.build import packages
from pvmmio.console import JobError, main
from pvmmio.jobs.stick import image, scenes
from pvmmio.tally import Tally


def chosen(names):
    """The scenes that NAMES are, the longest first."""
    if names in ("", "short"):
        return scenes.SHORT
    if names == "all":
        return tuple(scenes.SCENES)
    unknown = [name for name in names.split() if name not in scenes.SCENES]
    if unknown:
        raise JobError(f"TESTS: no scene {', '.join(unknown)}; there is short, all,"
                       f" {', '.join(scenes.SCENES)}")
    return tuple(names.split())


def play(name, stage, tally):
    """Boot what the scene NAME wants, and check what came of it."""
    boot, checks = scenes.SCENES[name](stage)
    boot.run(stage.folder / name)
    for what, check in checks.items():
        complaint = boot.error or check(boot)
        tally.add("FAIL" if complaint else "PASS", f"stick {name}: {what}", complaint)


def run(argv):
    built, stick = Path(argv[0]).resolve(), Path(argv[1]).resolve()
    names = chosen(argv[2] if len(argv) > 2 else "")
    packages.install((*image.NEEDED, "ovmf"))
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="boots.", dir=stick.parent) as tmp:
        stage = scenes.Stage(built, stick, Path(tmp))
        try:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for played in [pool.submit(play, name, stage, tally) for name in names]:
                    played.result()
        finally:
            keep_logs(stage.folder, stick.parent / "lab")
    return tally.finish()


def keep_logs(folder, where):
    for log in folder.glob("*/console.log"):
        place = where / f"stick-{log.parent.name}"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, place)


if __name__ == "__main__":
    main(run, sys.argv[1:], (2, 3), __doc__)
