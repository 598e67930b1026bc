# SPDX-License-Identifier: GPL-2.0-only
"""A stock guest and a stock QEMU on our KVM, with real I/O."""
