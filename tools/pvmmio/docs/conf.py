# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx, for the reference pages on their own; the kernel has a configuration too."""
project = "pv-mmio"
root_doc = "pv-mmio"
html_theme = "alabaster"
html_show_copyright = False
# Tables of figures have up to 104 columns of a fixed width: that wide are the pages.
html_theme_options = {"page_width": "1380px", "body_max_width": "none"}
html_static_path = ["static"]
html_css_files = ["wide.css"]
exclude_patterns = ["index.rst.append"]
highlight_language = "none"
