# SPDX-License-Identifier: GPL-2.0-only
"""Our KVM in a guest of KVM."""
