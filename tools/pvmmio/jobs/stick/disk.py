# SPDX-License-Identifier: GPL-2.0-only
"""What is on the image's own partition: settings go there, results come from there."""
import json
import struct
import subprocess
import tempfile
from pathlib import Path

from pvmmio.console import JobError
from pvmmio.jobs.stick import image

SECTOR = 512
FAT = 0x0c
FILLERS = [1 << power for power in range(24, 8, -1)]


def fat_at(path):
    """Where in the image PATH the partition of FAT starts."""
    with open(path, "rb") as disk:
        table = disk.read(SECTOR)[446:510]
    for entry in (table[index:index + 16] for index in range(0, 64, 16)):
        if entry[4] == FAT:
            return struct.unpack("<I", entry[8:12])[0] * SECTOR
    raise JobError(f"{path} has no partition for results")


def place(path):
    """How mtools are told of it."""
    return ["-i", f"{path}@@{fat_at(path)}"]


def put_settings(path, settings):
    with tempfile.NamedTemporaryFile("w") as out:
        # As an editor on Windows ends lines.
        out.write("".join(f"{name}={value}\r\n" for name, value in settings.items()))
        out.flush()
        image.run(["mcopy", "-o", *place(path), out.name, "::settings"])


def fill(path):
    """Leave no room: what fails to fit is what this is for."""
    with tempfile.NamedTemporaryFile() as filler:
        for size in FILLERS:
            filler.truncate(size)
            subprocess.run(["mcopy", *place(path), filler.name, f"::filler.{size}"],
                           capture_output=True, check=False)


def results(path):
    """(JSON, text) of each boot, by the number of its folder."""
    found = {}
    with tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run(["mcopy", "-s", "-n", *place(path), "::results", tmp],
                              capture_output=True, check=False)
        if done.returncode:
            return found
        for folder in sorted(Path(tmp, "results").iterdir()):
            try:
                found[folder.name] = (json.loads((folder / "results.json").read_text()),
                                      (folder / "results.txt").read_text())
            except (OSError, ValueError):
                found[folder.name] = None
    return found
