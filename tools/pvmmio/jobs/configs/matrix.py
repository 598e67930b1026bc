# SPDX-License-Identifier: GPL-2.0-only
"""The configurations of KVM with which our code has to be built."""
from dataclasses import dataclass

# Debug information takes half the time and has no say in what compiles.
ALWAYS = ("DEBUG_INFO_NONE=y",)


@dataclass(frozen=True)
class Configuration:
    """A flavour of Debian's, what is set otherwise there, and words for make."""
    settings: tuple = ()
    flavour: str = "cloud"
    words: tuple = ()
    packages: tuple = ()

    def asked(self):
        return ALWAYS + self.settings


# Without FTRACE nothing is left that selects TRACING, and no tracepoint is.
WITHOUT = {"xen": "KVM_XEN=n", "hyperv": "KVM_HYPERV=n", "smm": "KVM_SMM=n",
           "tracing": "FTRACE=n"}
BUILT_IN = ("KVM=y", "KVM_INTEL=y", "KVM_AMD=y")
LLVM, CLANG = ("LLVM=1",), ("clang", "lld", "llvm")

MATRIX = {
    "cloud": Configuration(),
    "generic": Configuration(flavour="generic"),
    "rt": Configuration(flavour="rt"),
    "no-pv-mmio": Configuration(("KVM_PV_MMIO=n",)),
    **{f"no-{name}": Configuration((setting,)) for name, setting in WITHOUT.items()},
    "least": Configuration(tuple(WITHOUT.values())),
    "intel": Configuration(("KVM_AMD=n",)),
    "amd": Configuration(("KVM_INTEL=n",)),
    "built-in": Configuration(BUILT_IN),
    "clang": Configuration(words=LLVM, packages=CLANG),
    "least-built-in-clang": Configuration((*WITHOUT.values(), *BUILT_IN), words=LLVM,
                                          packages=CLANG),
}
# For every change: as little as there can be of ours, then of KVM, which is linked the
# other way and built by the other compiler, as each configuration costs minutes.
SHORT = ("no-pv-mmio", "least-built-in-clang")
