# SPDX-License-Identifier: GPL-2.0-only
"""Build our KVM against a kernel's headers alone.

The tree that the overlay is laid on has KVM's own folders and what is hooked, nothing
else: configuration, symbol versions and all other headers are those of Debian's
linux-headers.  So the modules are those that the whole source would make, in the time
that KVM takes.
"""
import os
import shutil
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import debian, kernel, overlay
from pvmmio.build.cocci import OverlayError
from pvmmio.console import JobError, step

KVM_FOLDERS = ("arch/x86/kvm", "virt/kvm")
LAID = ("arch", "include", "virt")
# Kbuild reads it instead of the Makefile beside it, which is the kernel's and looks for
# KVM below the source.  Our headers come before those that they replace; what Kconfig
# would ask has its default.
KBUILD = """# SPDX-License-Identifier: GPL-2.0-only
kvm-tree := $(abspath $(src)/../../..)
headers-tree := $(srctree)
LINUXINCLUDE := -I$(kvm-tree)/arch/x86/include -I$(kvm-tree)/include \\
		-I$(kvm-tree)/include/uapi -I$(kvm-tree)/virt/kvm $(LINUXINCLUDE)
CONFIG_KVM_PV_MMIO := y
subdir-ccflags-y += -DCONFIG_KVM_PV_MMIO=1
srctree := $(kvm-tree)
include $(kvm-tree)/arch/x86/kvm/Makefile
srctree := $(headers-tree)
"""


def copy_kvm(source, tree):
    """Make TREE of KVM's folders, under another name until it is whole."""
    partial = tree.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name in KVM_FOLDERS:
        shutil.copytree(source / name, partial / name)
    shutil.rmtree(tree, ignore_errors=True)
    partial.rename(tree)


def lay(source: Path, tree: Path) -> None:
    """Bring TREE up to date; another SOURCE than last time starts afresh."""
    origin = tree.parent / "source"
    if not tree.exists() or not origin.exists() or origin.read_text() != str(source):
        origin.unlink(missing_ok=True)
        copy_kvm(source, tree)
        origin.write_text(str(source))
    try:
        overlay.lay(REPO, source, tree, LAID)
    except OverlayError as error:
        raise JobError(str(error)) from None
    overlay.write_if_changed(tree / "arch/x86/kvm/Kbuild", KBUILD.encode())


def compile_modules(headers, release, tree, log):
    """Compile by the kernel's own Makefile, which knows release and compiler."""
    step(f"building KVM for {release}",
         ["make", f"-j{os.cpu_count()}", "-C", str(headers / f"usr/src/linux-headers-{release}"),
          f"M={tree / 'arch/x86/kvm'}", "modules"], log)


def build(home: Path, flavour: str, release: str, out: Path) -> None:
    """Fill OUT with "kvm/patched", our modules for RELEASE, and "tools".

    HOME and RELEASE are what debian.fetch_for_modules() returned.
    """
    tree, logs = out / "linux", out / "logs"
    out.mkdir(parents=True, exist_ok=True)
    lay(debian.kvm_source(home), tree)
    compile_modules(home / debian.headers_folder(flavour), release, tree, logs / "modules.log")
    for module in kernel.built_modules(tree):
        kernel.place(module, out / "kvm/patched" / module.name)
    kernel.build_tools(["-idirafter", str(REPO / "include/uapi")], out / "tools", logs)
