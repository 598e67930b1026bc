# SPDX-License-Identifier: GPL-2.0-only
"""Our modules and Debian's tools in a booted Debian."""
