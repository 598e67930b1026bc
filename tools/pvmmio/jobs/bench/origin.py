# SPDX-License-Identifier: GPL-2.0-only
"""Which sources a figure is of: what is measured, and what measures it."""
import hashlib
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import overlay

MEASURED = ("arch", "include", "virt", "tools/testing/selftests")
SCRIPTS = [Path(__file__).with_name(name) for name in ("in-lab", "profile-in-lab")]


def tree():
    """Return a short name for the sources as they are now; each change makes another one."""
    total = hashlib.sha256()
    paths = {path for series in overlay.SERIES for parts in
             overlay.overlay_files(REPO, series, MEASURED).values() for path in parts}
    for path in sorted([*paths, *SCRIPTS]):
        total.update(f"{path.relative_to(REPO)} {overlay.digest([path])}\n".encode())
    return total.hexdigest()[:12]
