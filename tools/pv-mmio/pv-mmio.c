// SPDX-License-Identifier: GPL-2.0-only
/*
 * pv-mmio: what a host offers of cheap doorbells.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"

static const char usage[] =
	"usage: pv-mmio probe [--json]\n"
	"\n"
	"Says what this host, its KVM and its CPU offer for doorbells: stores,\n"
	"hypercall and ports; why something is off or slow, and what to do about it.\n"
	"\n"
	"exit status: 0 told; 1 KVM couldn't be asked; 2 wrong usage\n";

static int probe(bool json)
{
	struct host host;

	if (host_probe(&host))
		return 1;

	if (json)
		report_json(&host);
	else
		report_words(&host);
	if (!fflush(stdout) && !ferror(stdout))
		return 0;

	perror("pv-mmio: standard output");
	return 1;
}

int main(int argc, char **argv)
{
	bool json = argc == 3 && !strcmp(argv[2], "--json");

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc >= 2 && !strcmp(argv[1], "probe") && (argc == 2 || json))
		return probe(json);

	fputs(usage, stderr);
	return 2;
}
