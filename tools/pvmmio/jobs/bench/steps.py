# SPDX-License-Identifier: GPL-2.0-only
"""Which step of a doorbell an instruction belongs to, by the function it was inlined from."""
import re
import subprocess
from pathlib import Path

from pvmmio.console import JobError

# Each of our functions that is a step; what they call is part of it.
STEPS = {
    "may it turn": ("svm_may_turn", "vmx_may_turn", "kvm_pv_mmio_may_turn",
                    "kvm_pv_mmio_may_reenter",
                    "kvm_pv_mmio_count_turn", "svm_pv_mmio_may_be_doorbell",
                    "vmx_pv_mmio_may_be_doorbell"),
    "state of the CPU": ("svm_pv_mmio_cpu", "vmx_pv_mmio_cpu", "kvm_pv_mmio_is_store",
                         "kvm_pv_mmio_may_skip", "kvm_pv_mmio_may_skip_access"),
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
# Which module has the vendor's code, and which of its functions has steps of ours
# inside and is the kernel's else.
VENDORS = {"amd": ("kvm-amd.ko", "svm_vcpu_run"), "intel": ("kvm-intel.ko", "vmx_vcpu_run")}
OURS = re.compile(r"(svm|vmx)_(store|hc|out|fast_mmio)_fastpath$"
                  r"|__(svm|vmx)_pv_mmio_(turn|fastpath)$")
REST = "the rest of our code"
RETURN = "returns, hardened"
THUNKS = re.compile(r"(srso|retbleed)_|.*_return_thunk$")
OUTSIDE = "exit and entry, KVM's own"


def parse_addr2line(text):
    """Chains of functions, innermost first, by address, from `addr2line -a -i -f`."""
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
    """Where FUNCTION is in MODULE's .text."""
    done = subprocess.run(["nm", module], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        value, kind, name = line.rsplit(None, 2) if line[0] != " " else (None, None, None)
        if name == function and kind in "tT":
            return int(value, 16)
    raise JobError(f"{module} has no function {function}")


class Steps:
    """Names the steps in LAB's vendor module in FOLDER, which has debug information."""

    def __init__(self, lab, folder):
        name, self.host = VENDORS[lab]
        self.module = Path(folder) / name
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
        # Innermost first: what a step calls may be a step of its own.
        for name in [*self.chains.get((function, offset), ()), function]:
            if name in STEP_OF:
                return STEP_OF[name]
        return REST if OURS.match(function) else OUTSIDE

    def count(self, where):
        """How many instructions of WHERE, a list of (function, offset), are of which step."""
        functions = {function for function, _ in where
                     if OURS.match(function) or function == self.host}
        for function in functions:
            self.learn(function, sorted({offset for name, offset in where if name == function}))
        counts = dict.fromkeys([OUTSIDE, RETURN, *STEPS, REST], 0)
        for function, offset in where:
            counts[self.step(function, offset)] += 1
        return counts
