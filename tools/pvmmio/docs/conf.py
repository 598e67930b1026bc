# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx, for the reference pages on their own; the kernel has a configuration too."""
project = "pv-mmio"
root_doc = "pv-mmio"
html_theme = "alabaster"
html_show_copyright = False
exclude_patterns = ["index.rst.append"]
highlight_language = "none"
