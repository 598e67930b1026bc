// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ask the CPU, sysfs and KVM.  Nothing is changed; the VM that is asked has no
 * memory and no vCPU, and is gone at once.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/kvm_pv_mmio.h>

#include "host.h"

#define KVM_CPUID_FEATURES	0x40000001
#define MAX_CPUID_ENTRIES	256

static const struct {
	const char *module, *intel, *amd;
} parameters[NR_PARAMETERS] = {
	[KVM_PV_MMIO] = { "kvm", "pv_mmio", "pv_mmio" },
	[KVM_HC_MMIO_WRITE_PARAMETER] = { "kvm", "hc_mmio_write", "hc_mmio_write" },
	[KVM_MMIO_CACHING] = { "kvm", "mmio_caching", "mmio_caching" },
	[VENDOR_PAGING] = { NULL, "ept", "npt" },
	[VENDOR_NESTED] = { NULL, "nested", "nested" },
	/* Intel's CPUs always tell. */
	[VENDOR_NRIPS] = { NULL, "", "nrips" },
};

const char *parameter_module(const struct host *host, enum parameter p)
{
	if (parameters[p].module)
		return parameters[p].module;

	return host->vendor == VENDOR_AMD ? "kvm_amd" : "kvm_intel";
}

const char *parameter_name(const struct host *host, enum parameter p)
{
	return host->vendor == VENDOR_AMD ? parameters[p].amd : parameters[p].intel;
}

bool parameter_is_off(const struct host *host, enum parameter p)
{
	return host->parameters[p][0] == 'N' || host->parameters[p][0] == '0';
}

/* The first line of a file; empty if there is none. */
static void read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "r");

	line[0] = '\0';
	if (!file)
		return;
	if (!fgets(line, size, file))
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	fclose(file);
}

static void read_parameters(struct host *host)
{
	char path[128];
	int p;

	for (p = 0; p < NR_PARAMETERS; p++) {
		snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s",
			 parameter_module(host, p), parameter_name(host, p));
		read_line(path, host->parameters[p], sizeof(host->parameters[p]));
	}
}

static void read_cpu(struct host *host)
{
	uint32_t eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	memcpy(host->vendor_id, (uint32_t[]){ ebx, edx, ecx }, 12);
	if (!strcmp(host->vendor_id, "GenuineIntel"))
		host->vendor = VENDOR_INTEL;
	else if (!strcmp(host->vendor_id, "AuthenticAMD") ||
		 !strcmp(host->vendor_id, "HygonGenuine"))
		host->vendor = VENDOR_AMD;

	__cpuid(1, eax, ebx, ecx, edx);
	host->on_hypervisor = ecx & 1u << 31;
	host->has_virtualization = ecx & 1u << 5;
	if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && host->vendor == VENDOR_AMD)
		host->has_virtualization = ecx & 1u << 2;
	if (__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx))
		host->address_bits = eax & 0xff;
}

static void read_kernel(struct host *host)
{
	char realtime[4];

	uname(&host->uts);
	read_line("/sys/kernel/realtime", realtime, sizeof(realtime));
	host->is_rt = realtime[0] == '1' || strstr(host->uts.version, "PREEMPT_RT");
}

static int complain(const char *what, const char *remedy)
{
	fprintf(stderr, "pv-mmio: %s: %s; %s\n", what, strerror(errno), remedy);
	return 1;
}

static int open_kvm(const struct host *host)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm >= 0)
		return kvm;

	if (errno == EACCES || errno == EPERM)
		complain("/dev/kvm", "run this as root, or as a member of the group kvm");
	else if (!host->has_virtualization && host->on_hypervisor)
		complain("/dev/kvm",
			 "this VM's CPU shows no VMX or SVM: let its hypervisor nest others");
	else if (!host->has_virtualization)
		complain("/dev/kvm", "this CPU shows no VMX or SVM: turn it on in the firmware");
	else if (host->vendor == VENDOR_AMD)
		complain("/dev/kvm", "load KVM: modprobe kvm_amd");
	else
		complain("/dev/kvm", "load KVM: modprobe kvm_intel");
	return -1;
}

static int ask_cpuid(struct host *host, int kvm)
{
	struct kvm_cpuid2 *cpuid;
	unsigned int i;
	int r;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return complain("KVM_GET_SUPPORTED_CPUID", "free some memory");

	cpuid->nent = MAX_CPUID_ENTRIES;
	r = ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	for (i = 0; !r && i < cpuid->nent; i++)
		if (cpuid->entries[i].function == KVM_CPUID_FEATURES)
			host->features = cpuid->entries[i].eax;
	free(cpuid);
	return r ? complain("KVM_GET_SUPPORTED_CPUID", "see dmesg, and load KVM again") : 0;
}

static void ask_caps(struct host *host, int fd, int on)
{
	host->store_cap[on] = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_PV_MMIO);
	host->hypercall_cap[on] = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_HC_MMIO_WRITE);
}

static int ask_kvm(struct host *host, int kvm)
{
	int vm;

	host->api_version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	ask_caps(host, kvm, 0);
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return complain("KVM_CREATE_VM", "dmesg may tell why");

	ask_caps(host, vm, 1);
	host->post_cap = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD_POST);
	host->ioeventfds_cap = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFDS);
	close(vm);
	return ask_cpuid(host, kvm);
}

int host_probe(struct host *host)
{
	int kvm, r;

	memset(host, 0, sizeof(*host));
	read_cpu(host);
	read_kernel(host);
	kvm = open_kvm(host);
	if (kvm < 0)
		return 1;

	read_parameters(host);
	r = ask_kvm(host, kvm);
	close(kvm);
	return r;
}
