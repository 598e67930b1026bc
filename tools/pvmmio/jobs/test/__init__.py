# SPDX-License-Identifier: GPL-2.0-only
"""All our tests: on the machines, on this host, and those of these tools."""
