# SPDX-License-Identifier: GPL-2.0-only
"""Any job of ours in a Debian 13."""
