# SPDX-License-Identifier: GPL-2.0-only
"""Our KVM modules for a host's kernel."""
