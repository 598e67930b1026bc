/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What pv-mmio finds out about a host.
 */
#ifndef PV_MMIO_HOST_H
#define PV_MMIO_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/utsname.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif

/* A module's parameter; text is empty if the module has no such one. */
enum parameter {
	KVM_PV_MMIO,
	KVM_HC_MMIO_WRITE_PARAMETER,
	KVM_MMIO_CACHING,
	VENDOR_PAGING,		/* ept or npt */
	VENDOR_NESTED,
	VENDOR_NRIPS,
	NR_PARAMETERS
};

enum vendor { VENDOR_UNKNOWN, VENDOR_INTEL, VENDOR_AMD };

struct host {
	struct utsname uts;
	enum vendor vendor;
	char vendor_id[13];
	unsigned int address_bits;
	bool has_virtualization;	/* VMX or SVM */
	bool on_hypervisor;
	bool is_rt;
	int api_version;
	/* By KVM_CHECK_EXTENSION on /dev/kvm, and on a VM. */
	int store_cap[2], hypercall_cap[2];
	/* On a VM: whether ioeventfds can post, and how many one call takes. */
	int post_cap, ioeventfds_cap;
	uint32_t features;		/* KVM_CPUID_FEATURES.EAX */
	char parameters[NR_PARAMETERS][16];
};

/* The module's name comes with it: "kvm" or that of the vendor's module. */
const char *parameter_module(const struct host *host, enum parameter p);
const char *parameter_name(const struct host *host, enum parameter p);
bool parameter_is_off(const struct host *host, enum parameter p);

/* Returns 0, or 1 after one line that says what is wrong and what to do. */
int host_probe(struct host *host);

void report_words(const struct host *host);
void report_json(const struct host *host);

#endif /* PV_MMIO_HOST_H */
