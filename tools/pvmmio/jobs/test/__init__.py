# SPDX-License-Identifier: GPL-2.0-only
"""This job runs all our tests: on the machines, on this host, and those of these tools."""
