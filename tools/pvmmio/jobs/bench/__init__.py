# SPDX-License-Identifier: GPL-2.0-only
"""This job measures what doorbells cost, and writes the page about it."""
