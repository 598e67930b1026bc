# SPDX-License-Identifier: GPL-2.0-only
"""This finds the step of a doorbell that an instruction belongs to.

The function from which the compiler inlined an instruction tells that.
"""
import re
import subprocess
from collections import namedtuple
from pathlib import Path

from pvmmio.console import JobError

# These functions of ours are steps; what they call is part of a step.
STEPS = {
    "may it turn": ("svm_may_turn", "vmx_may_turn", "kvm_pv_mmio_may_turn",
                    "kvm_pv_mmio_may_decide", "kvm_pv_mmio_may_complete",
                    "kvm_pv_mmio_may_reenter",
                    "kvm_pv_mmio_count_turn", "svm_pv_mmio_may_be_doorbell",
                    "vmx_pv_mmio_may_be_doorbell"),
    "state of the CPU": ("svm_pv_mmio_cpu", "vmx_pv_mmio_cpu", "kvm_pv_mmio_is_store",
                         "kvm_pv_mmio_completes_silently"),
    "registers of the hypercall": ("hc_parse", "hc_check", "hc_trace"),
    "turned on": ("kvm_pv_mmio_store_enabled", "kvm_hc_mmio_write_enabled",
                  "kvm_xen_hypercall_enabled", "kvm_hv_hypercall_enabled"),
    "address in its page": ("kvm_pv_mmio_crosses_page", "kvm_vcpu_is_legal_gpa"),
    "known code": ("kvm_pv_mmio_may_know", "kvm_pv_mmio_place", "kvm_pv_mmio_site_recall",
                   "kvm_pv_mmio_site_move"),
    "address and value": ("kvm_pv_mmio_insn_address", "kvm_pv_mmio_insn_value"),
    "ioeventfd: look up": ("kvm_ioeventfd_may_find", "kvm_ioeventfd_find",
                          "kvm_ioeventfd_find_wildcard"),
    "ioeventfd: not in the LAPIC's page": ("kvm_pv_mmio_is_lapic",),
    "ioeventfd: no RAM there": ("kvm_pv_mmio_ring", "kvm_pv_mmio_is_mmio"),
    "SRCU": ("kvm_vcpu_srcu_read_lock", "kvm_vcpu_srcu_read_unlock", "__srcu_read_lock",
             "__srcu_read_unlock"),
    "signal the eventfd": ("eventfd_signal", "eventfd_signal_mask", "_raw_spin_lock_irqsave",
                           "_raw_spin_unlock_irqrestore"),
    "complete the instruction": ("kvm_pv_mmio_retire",),
}
STEP_OF = {name: step for step, names in STEPS.items() for name in names}
# The CPU vendor's module has one function of the kernel's that has steps of ours inside, the
# host; each exit begins, and each entry ends, in one of the entries.
Vendor = namedtuple("Vendor", "host entries")
VENDORS = {"kvm-amd": Vendor("svm_vcpu_run", ("__svm_vcpu_run",)),
           "kvm-intel": Vendor("vmx_vcpu_run", ("vmx_vmexit", "__vmx_vcpu_run"))}
OURS = re.compile(r"(svm|vmx)_(store|assisted_store|hc|out)_turn$"
                  r"|__(svm|vmx)_pv_mmio_fastpath$")
REST = "the rest of our code"
RETURN = "returns, hardened"
THUNKS = re.compile(r"(srso|retbleed)_|.*_return_thunk$")
OUTSIDE = "exit and entry, KVM's own"


def parse_addr2line(text):
    """Return the chain of functions, innermost first, of each address of `addr2line -a -i -f`."""
    chains, chain = {}, []
    lines = text.splitlines()
    index = 0
    while index < len(lines):
        if lines[index].startswith("0x"):
            chain = chains.setdefault(int(lines[index], 16), [])
            index += 1
        else:
            chain.append(lines[index])
            index += 2  # A function, and the line that says where.
    return chains


def start_of(module, function):
    """Return where FUNCTION is in MODULE's .text."""
    done = subprocess.run(["nm", module], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        value, kind, name = line.rsplit(None, 2) if line[0] != " " else (None, None, None)
        if name == function and kind in "tT":
            return int(value, 16)
    raise JobError(f"{module} has no function {function}")


class Steps:
    """Steps are found in the vendor's MODULE in FOLDER, by its debug information."""

    def __init__(self, module, folder):
        self.host = VENDORS[module].host
        self.module = Path(folder) / f"{module}.ko"
        self.chains = {}

    def learn(self, function, offsets):
        start = start_of(self.module, function)
        done = subprocess.run(["addr2line", "-a", "-i", "-f", "-j", ".text", "-e", self.module],
                              input="".join(f"{start + offset:#x}\n" for offset in offsets),
                              capture_output=True, text=True, check=True)
        for address, chain in parse_addr2line(done.stdout).items():
            self.chains[function, address - start] = chain

    def step(self, function, offset):
        if THUNKS.match(function):
            return RETURN
        # The innermost function comes first, as what a step calls may be a step itself.
        for name in [*self.chains.get((function, offset), ()), function]:
            if name in STEP_OF:
                return STEP_OF[name]
        return REST if OURS.match(function) else OUTSIDE

    def count(self, where):
        """Count the instructions of WHERE, a list of (function, offset), by step."""
        functions = {function for function, _ in where
                     if OURS.match(function) or function == self.host}
        for function in functions:
            self.learn(function, sorted({offset for name, offset in where if name == function}))
        counts = dict.fromkeys([OUTSIDE, RETURN, *STEPS, REST], 0)
        for function, offset in where:
            counts[self.step(function, offset)] += 1
        return counts
