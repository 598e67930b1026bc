// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module as built for a kernel without livepatch, to see it refuse.  Only
 * the layout of struct module is that of the kernel under test, or it
 * wouldn't let the module in.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#undef CONFIG_LIVEPATCH

#include "virtio_pci_pv_notify.c"
