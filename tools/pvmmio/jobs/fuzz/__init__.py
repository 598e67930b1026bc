# SPDX-License-Identifier: GPL-2.0-only
"""Tests that run for as long as told."""
