# SPDX-License-Identifier: GPL-2.0-only
"""What doorbells cost, and the page about it."""
