# SPDX-License-Identifier: GPL-2.0-only
"""Our code in kernels that are configured otherwise."""
