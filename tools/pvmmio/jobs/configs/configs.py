# SPDX-License-Identifier: GPL-2.0-only
"""Build KVM with our overlay in each configuration of matrix.py.

usage: configs.py BUILD SERIES VERSION [NAMES]

NAMES is "short" (the default), "all" or configurations.  One passes if KVM compiles and links
with the settings asked for and, under W=1, no warning is about our code.  All
lies in BUILD/configs, a folder for each flavour with the kernel's source and a
build folder for each configuration; what is built there is used again.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pvmmio.build import compiler, debian, kernel, packages
from pvmmio.build.overlay import write_if_changed
from pvmmio.console import JobError, main, step
from pvmmio.jobs.configs.matrix import MATRIX, SHORT
from pvmmio.tally import Tally

KVM = "arch/x86/kvm"
# Kbuild puts a module's objects beside its source, so each build has links to that.
SOURCES = (KVM, "virt/kvm")
OWN_SYMBOL = re.compile(r"\b\w*(pv_mmio|hc_mmio_write)\w*$", re.MULTILINE)


def link_source(source, tree):
    """Make TREE of hard links: the overlay renames over them, and builds go elsewhere."""
    if tree.exists():
        return
    partial = tree.with_name(tree.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    tree.parent.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["cp", "-al", source, partial], capture_output=True,
                      check=False).returncode:
        # The cache lies on another file system: the overlay makes a copy.
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.rename(tree)


def lay_source(home, flavour, where):
    """The kernel of FLAVOUR with our overlay in WHERE; the folder of its source."""
    source, origin = (home / "source").resolve(), where / "source"
    if not origin.exists() or origin.read_text() != str(source):
        shutil.rmtree(where, ignore_errors=True)
    tree = where / "linux"
    link_source(source, tree)
    kernel.lay_overlay(home, tree)
    kernel.lay_flavour(home / flavour, tree)
    write_if_changed(where / "release", (home / flavour / "release").read_bytes())
    return tree


def refused(config, asked):
    """Which of the settings ASKED the text of a .config doesn't have."""
    lines = set(config.splitlines())

    def has(setting):
        name = setting.partition("=")[0]
        if setting.endswith("=n"):
            return not lines & {f"CONFIG_{name}=y", f"CONFIG_{name}=m"}
        return f"CONFIG_{setting}" in lines
    return [setting for setting in asked if not has(setting)]


def configure(flavour_home, tree, out, wanted, log):
    """Have OUT configured and ready for modules; a change of settings starts it afresh."""
    config = (flavour_home / "config").read_text()
    config += "".join(f"CONFIG_{setting}\n" for setting in wanted.asked())
    stamp = out / "asked.config"
    if not stamp.exists() or stamp.read_text() != config:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        (out / ".config").write_text(config)
        shutil.copy(flavour_home / "Module.symvers", out)
        stamp.write_text(config)
    kernel.make(f"configuring {out.name}", tree, log, f"O={out}", *wanted.words,
               "olddefconfig", "modules_prepare")
    lost = refused((out / ".config").read_text(), wanted.asked())
    if lost:
        raise JobError(f"this kernel doesn't take {', '.join(lost)}")


def build_modules(tree, out, words, log):
    """Compile and link the modules, with every symbol they need known."""
    for name in SOURCES:
        (out / "module" / name).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-asn", tree / name, (out / "module" / name).parent], check=True)
    kernel.make(f"building {out.name}", tree, log, "-k", f"O={out}", *words, "W=1",
               f"M={out / 'module' / KVM}", "modules")
    return out / "module" / KVM / "kvm.ko"


def build_in(tree, out, words, log):
    """Compile what goes into the kernel, and link it as far as that goes without the kernel."""
    kernel.make(f"building {out.name}", tree, log, "-k", f"O={out}", *words, "W=1", f"{KVM}/")
    linked = out / "kvm-linked.o"
    step(f"linking {out.name}", ["ld", "-r", "-o", str(linked), "--whole-archive",
                                 f"{KVM}/built-in.a"], log.with_suffix(".link.log"), cwd=out)
    missing = own_symbols(linked, "-u")
    if missing:
        raise JobError(f"{', '.join(missing)}: nothing defines that")
    return linked


def own_symbols(binary, *options):
    run = subprocess.run(["nm", *options, binary], capture_output=True, text=True, check=True)
    return sorted({found.group() for found in OWN_SYMBOL.finditer(run.stdout)})


def judge(binary, wanted, log):
    """Raise an error for what a build that came to its end has wrong."""
    found = compiler.complaints(log.read_text(errors="replace"))
    if found:
        raise JobError("; ".join(found[:3]))
    if bool(own_symbols(binary)) == ("KVM_PV_MMIO=n" in wanted.settings):
        raise JobError(f"our code is {'' if own_symbols(binary) else 'not '}in {binary.name}")


def run_one(name, flavour_home, tree, logs):
    """Build the configuration NAME, or raise an error that says why that failed."""
    wanted, log, out = MATRIX[name], logs / f"{name}.log", tree.parent / name
    log.unlink(missing_ok=True)
    configure(flavour_home, tree, out, wanted, logs / f"{name}.configure.log")
    make = build_in if "KVM=y" in wanted.settings else build_modules
    try:
        binary = make(tree, out, wanted.words, log)
    except JobError as error:
        found = compiler.complaints(log.read_text(errors="replace")) if log.exists() else []
        raise JobError("; ".join(found[:3]) or str(error)) from None
    judge(binary, wanted, log)


def chosen(names):
    if names in ("", "short"):
        return list(SHORT)
    if names == "all":
        return list(MATRIX)
    unknown = [name for name in names.split() if name not in MATRIX]
    if unknown:
        raise JobError(f"CONFIGS: no configuration {', '.join(unknown)}; there is short, all,"
                       f" {', '.join(MATRIX)}")
    return names.split()


def configs(argv):
    where, (series, version) = Path(argv[0]).resolve() / "configs", argv[1:3]
    names, places, tally = chosen("".join(argv[3:])), {}, Tally()
    packages.install({package for name in names for package in MATRIX[name].packages})
    for flavour in sorted({MATRIX[name].flavour for name in names}):
        home = debian.fetch(series, version, flavour)
        places[flavour] = home / flavour, lay_source(home, flavour, where / flavour)
    for name in names:
        try:
            run_one(name, *places[MATRIX[name].flavour], where / "logs")
        except JobError as error:
            tally.add("FAIL", f"config {name}", str(error))
        else:
            tally.add("PASS", f"config {name}")
    return tally.finish()


if __name__ == "__main__":
    main(configs, sys.argv[1:], (3, 4), __doc__)
