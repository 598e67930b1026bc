# SPDX-License-Identifier: GPL-2.0-only
"""This boots a kernel on an emulated machine, and runs a command there."""
