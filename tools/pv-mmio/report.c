// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the facts come to: for each way to ring how far it gets, and why no
 * further.
 */
#include <stdio.h>

#include <linux/kvm_pv_mmio.h>

#include "host.h"

#define HAS_BIT(host, bit)	(!!((host)->features & 1u << (bit)))

enum way { STORE, HYPERCALL, PORT, NR_WAYS };

enum state { FAST, SLOW, OFF };

static const struct {
	const char *key, *words;
	/* What it means to have come so far. */
	const char *states[3];
} ways[NR_WAYS] = {
	[STORE] = { "store", "store", {
		"on, in the exit fast path",
		"on, without decoding, but outside the exit fast path",
		"off: decoded each time, as stock KVM does it" } },
	[HYPERCALL] = { "hypercall", "hypercall", {
		"offered, in the exit fast path; off in each VM until its VMM enables it",
		"offered, but outside the exit fast path; off in each VM until its VMM enables it",
		"not offered" } },
	[PORT] = { "port", "out to a port", {
		"in the exit fast path", "outside the exit fast path",
		"as stock KVM does it" } },
};

static const char * const state_keys[] = { "fast", "slow", "off" };

#define BIT_OF(way)	(1u << (way))
#define ALL_WAYS	(BIT_OF(NR_WAYS) - 1)

static bool is_stock(const struct host *host)
{
	return !host->parameters[KVM_PV_MMIO][0] && host->store_cap[0] <= 0;
}

static bool store_is_off(const struct host *host)
{
	return parameter_is_off(host, KVM_PV_MMIO);
}

static bool hypercall_is_off(const struct host *host)
{
	return parameter_is_off(host, KVM_HC_MMIO_WRITE_PARAMETER);
}

static bool is_rt(const struct host *host)
{
	return host->is_rt;
}

static bool has_shadow_paging(const struct host *host)
{
	return parameter_is_off(host, VENDOR_PAGING);
}

static bool intel_without_misconfig(const struct host *host)
{
	return host->vendor == VENDOR_INTEL && !has_shadow_paging(host) &&
	       parameter_is_off(host, KVM_MMIO_CACHING);
}

/* The hypercall's bit is no host's to offer: a VMM sets it. */
static bool caps_disagree(const struct host *host)
{
	return host->store_cap[0] != host->store_cap[1] ||
	       host->hypercall_cap[0] != host->hypercall_cap[1] ||
	       (host->store_cap[0] == 1) != HAS_BIT(host, KVM_FEATURE_PV_MMIO) ||
	       HAS_BIT(host, KVM_FEATURE_HC_MMIO_WRITE);
}

/* Each says what is so, and after the colon what to do about it. */
static const struct {
	bool (*holds)(const struct host *host);
	unsigned int ways;
	enum state state;
	const char *why;
} reasons[] = {
	{ is_stock, ALL_WAYS, OFF,
	  "the KVM that is loaded has no pv-mmio: run make modules, then make load" },
	{ store_is_off, BIT_OF(STORE), OFF,
	  "kvm.ko was loaded with pv_mmio=0: take that out of /etc/modprobe.d, load again" },
	{ hypercall_is_off, BIT_OF(HYPERCALL), OFF,
	  "kvm.ko was loaded with hc_mmio_write=0: take that out of /etc/modprobe.d, load again" },
	{ caps_disagree, BIT_OF(STORE) | BIT_OF(HYPERCALL), OFF,
	  "capabilities and CPUID contradict each other: build kvm.ko and this together" },
	{ is_rt, ALL_WAYS, SLOW,
	  "this is a PREEMPT_RT kernel, where signalling may sleep: boot another" },
	{ has_shadow_paging, BIT_OF(STORE), SLOW,
	  "EPT or NPT is off: load kvm_intel with ept=1, or kvm_amd with npt=1" },
	{ intel_without_misconfig, BIT_OF(STORE), SLOW,
	  "kvm.mmio_caching is off: load kvm with mmio_caching=1" },
};

static bool applies(const struct host *host, enum way way, unsigned int reason)
{
	return reasons[reason].ways & BIT_OF(way) && reasons[reason].holds(host);
}

static enum state state_of(const struct host *host, enum way way)
{
	enum state state = FAST;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++)
		if (applies(host, way, i) && reasons[i].state > state)
			state = reasons[i].state;

	return state;
}

static void words_for_way(const struct host *host, enum way way)
{
	unsigned int i;

	printf("%s: %s\n", ways[way].words, ways[way].states[state_of(host, way)]);
	for (i = 0; i < ARRAY_SIZE(reasons); i++)
		if (applies(host, way, i))
			printf("    because %s\n", reasons[i].why);
}

void report_words(const struct host *host)
{
	int i;

	printf("kernel: Linux %s%s\n", host->uts.release, host->is_rt ? ", PREEMPT_RT" : "");
	printf("CPU: %s, %u address bits%s\n", host->vendor_id, host->address_bits,
	       host->on_hypervisor ? ", on a hypervisor" : "");
	printf("KVM: API version %d, %s\n", host->api_version,
	       is_stock(host) ? "without pv-mmio" : "with pv-mmio");
	printf("capabilities on /dev/kvm and on a VM: store %d %d, hypercall %d %d\n",
	       host->store_cap[0], host->store_cap[1], host->hypercall_cap[0],
	       host->hypercall_cap[1]);
	printf("ioeventfds: payload %d, at most %d in one call\n", host->post_cap,
	       host->ioeventfds_cap);
	printf("CPUID bit for guests: store %d; the hypercall's is set by VMMs\n",
	       HAS_BIT(host, KVM_FEATURE_PV_MMIO));
	printf("parameters:");
	for (i = 0; i < NR_PARAMETERS; i++)
		if (host->parameters[i][0])
			printf(" %s.%s=%s", parameter_module(host, i), parameter_name(host, i),
			       host->parameters[i]);
	printf("\n\n");
	for (i = 0; i < NR_WAYS; i++)
		words_for_way(host, i);
}

/* Quoted; what the kernel says may hold anything. */
static void json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			putchar(*text);
	}
	putchar('"');
}

static const char *json_bool(bool value)
{
	return value ? "true" : "false";
}

static void json_for_way(const struct host *host, enum way way)
{
	const char *comma = "";
	unsigned int i;

	printf("    \"%s\": {\"state\": \"%s\", \"why\": [", ways[way].key,
	       state_keys[state_of(host, way)]);
	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (!applies(host, way, i))
			continue;
		printf("%s", comma);
		json_string(reasons[i].why);
		comma = ", ";
	}
	printf("]}%s\n", way + 1 < NR_WAYS ? "," : "");
}

static void json_parameters(const struct host *host)
{
	const char *comma = "";
	int i;

	printf("  \"parameters\": {");
	for (i = 0; i < NR_PARAMETERS; i++) {
		if (!host->parameters[i][0])
			continue;
		printf("%s\"%s.%s\": ", comma, parameter_module(host, i), parameter_name(host, i));
		json_string(host->parameters[i]);
		comma = ", ";
	}
	printf("},\n");
}

void report_json(const struct host *host)
{
	int i;

	printf("{\n  \"kernel\": ");
	json_string(host->uts.release);
	printf(",\n  \"preempt_rt\": %s,\n  \"cpu\": {\"vendor\": ", json_bool(host->is_rt));
	json_string(host->vendor_id);
	printf(", \"address_bits\": %u, \"hypervisor\": %s},\n", host->address_bits,
	       json_bool(host->on_hypervisor));
	printf("  \"kvm\": {\"api_version\": %d, \"pv_mmio\": %s},\n", host->api_version,
	       json_bool(!is_stock(host)));
	printf("  \"capabilities\": {\"store\": [%d, %d], \"hypercall\": [%d, %d]},\n",
	       host->store_cap[0], host->store_cap[1], host->hypercall_cap[0],
	       host->hypercall_cap[1]);
	printf("  \"ioeventfds\": {\"payload\": %d, \"at_once\": %d},\n", host->post_cap,
	       host->ioeventfds_cap);
	printf("  \"cpuid\": {\"store\": %s},\n",
	       json_bool(HAS_BIT(host, KVM_FEATURE_PV_MMIO)));
	json_parameters(host);
	printf("  \"ways\": {\n");
	for (i = 0; i < NR_WAYS; i++)
		json_for_way(host, i);
	printf("  }\n}\n");
}
