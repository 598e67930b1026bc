# SPDX-License-Identifier: GPL-2.0-only
"""A series of patches for the kernel, made from the overlay."""
