# SPDX-License-Identifier: GPL-2.0-only
"""Each job has a folder here; the files beside these folders are what jobs share."""
