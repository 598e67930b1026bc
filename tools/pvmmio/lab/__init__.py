# SPDX-License-Identifier: GPL-2.0-only
"""The emulated machines: boot a kernel there and run a command."""
