# SPDX-License-Identifier: GPL-2.0-only
"""Fetch Debian's kernel, lay the overlay on it, and compile."""
