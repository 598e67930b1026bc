# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own KVM tests, stock beside patched."""
