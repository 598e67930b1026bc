# SPDX-License-Identifier: GPL-2.0-only
"""What "make bench LAB=host" measured, in the same form as the stick's results."""
import json
import subprocess
from pathlib import Path

from pvmmio.console import JobError, say

FORMAT = "pv-mmio-bench 1"
GUEST = Path(__file__).with_name("guest")


def machine():
    """What this machine is, as the stick finds it out."""
    done = subprocess.run(["sh", GUEST / "facts", GUEST], capture_output=True, text=True,
                          check=False)
    try:
        return json.loads("{" + done.stdout + "}")
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing of use"])[-1]
        raise JobError(f"LAB=host: can't tell what this machine is: {last}") from None


def load(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def merge(before, facts, rows, scale):
    """Stock and ours are loaded one after the other: keep the other's of the same machine."""
    if before.get("format") != FORMAT or before.get("machine") != facts:
        before = {}
    kvm = rows[0]["kvm"]
    old = {name: [row for row in before.get(name, ()) if row["kvm"] != kvm]
           for name in ("rows", "scale")}
    rows = [{"round": 1, **row} for row in rows]
    return {"format": FORMAT, "machine": facts, "refused": [], "tests": [],
            "rows": old["rows"] + rows, "scale": old["scale"] + list(scale)}


def write(path, rows, scale):
    """Keep ROWS and SCALE beside those of the other KVM; what the file has then."""
    merged = merge(load(path), machine(), rows, scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(merged, indent=0) + "\n")
    partial.rename(path)
    say(f"the same for the page on hardware: {path}")
    return merged
