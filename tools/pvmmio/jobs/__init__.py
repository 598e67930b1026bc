# SPDX-License-Identifier: GPL-2.0-only
"""What runs on the lab's machines; what all jobs share, and a folder for each."""
