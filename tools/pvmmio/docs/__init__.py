# SPDX-License-Identifier: GPL-2.0-only
"""The reference pages, and whether what they print holds."""
