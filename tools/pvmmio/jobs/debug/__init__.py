# SPDX-License-Identifier: GPL-2.0-only
"""Our selftests on kernels that look for bugs."""
