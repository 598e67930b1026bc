# SPDX-License-Identifier: GPL-2.0-only
"""The Debian package of our modules, built on each host by DKMS."""
