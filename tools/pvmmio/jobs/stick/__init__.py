# SPDX-License-Identifier: GPL-2.0-only
"""An image to boot on anybody's hardware, which measures there."""
