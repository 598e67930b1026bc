# SPDX-License-Identifier: GPL-2.0-only
"""Which of the kernel's own KVM selftests are worth a run in the lab, and which can't be."""
from pvmmio.lab.known import MACHINES

# What is nearest to the code that we hook: exits, the emulator, MMIO and ports,
# hypercalls, capabilities, CPUID, memslots, resets, SMM and nested guests.  By the
# newest kernel's names.
SHORT = """
    coalesced_io_test kvm_binary_stats_test cpuid_test cr4_cpuid_sync_test debug_regs
    exit_on_emulation_failure_test fix_hypercall_test hwcr_msr_test hyperv_cpuid
    hyperv_evmcs hyperv_extended_hypercalls hyperv_features hyperv_svm_test kvm_pv_test
    max_vcpuid_cap_test nested_close_kvm_test nested_dirty_log_test nested_exceptions_test
    nested_set_state_test nested_tsc_adjust_test nested_tsc_scaling_test platform_info_test
    pmu_counters_test pmu_event_filter_test set_boot_cpu_id set_sregs_test
    smaller_maxphyaddr_emulation_test smm_test state_test svm_int_ctl_test
    svm_nested_shutdown_test svm_nested_soft_inject_test svm_vmcall_test sync_regs_test
    triple_fault_event_test tsc_msrs_test userspace_io_test userspace_msr_exit_test
    vmx_apic_access_test vmx_exception_with_invalid_guest_state vmx_invalid_nested_guest_state
    vmx_msrs_test vmx_pmu_caps_test vmx_preemption_timer_test xapic_state_test xcr0_cpuid_test
    xen_vmcall_test
""".split()

# What those of them that have another name are called in Linux 6.12.
OLDER_NAMES = {
    "nested_close_kvm_test": "vmx_close_while_nested_test",
    "nested_dirty_log_test": "vmx_dirty_log_test",
    "nested_set_state_test": "vmx_set_nested_state_test",
    "nested_tsc_adjust_test": "vmx_tsc_adjust_test",
    "nested_tsc_scaling_test": "vmx_nested_tsc_scaling_test",
}

# Tests that are started on no machine, and why.  Each machine knows more.
UNFIT = {
    "recalc_apic_map_test": "runs into the time limit on stock modules, too",
    "hardware_disable_test": "forks 512 VMs with 16 threads each: hours in an emulator",
}


def short(known):
    """SHORT, by the names that tests have among the KNOWN."""
    return [OLDER_NAMES.get(name, name) if name not in known else name for name in SHORT]


def unfit(lab, test):
    """Why TEST isn't started on the machine LAB, or nothing."""
    return {**UNFIT, **MACHINES[lab].UNFIT_KERNEL_TESTS}.get(test, "")
