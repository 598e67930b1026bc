# SPDX-License-Identifier: GPL-2.0-only
"""The machines that there are; all that is known about one is in its own file."""
from pvmmio.lab import bochs, qemu

MACHINES = {"intel": bochs, "amd": qemu}
