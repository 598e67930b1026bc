// SPDX-License-Identifier: GPL-2.0-only
/*
 * pv-mmio: what a host offers of cheap doorbells, and what its VMs rang.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "stats.h"

static const char usage[] =
	"usage: pv-mmio probe [--json]\n"
	"       pv-mmio stats [--prometheus]\n"
	"\n"
	"probe says what this host, its KVM and its CPU offer for doorbells: stores,\n"
	"hypercall and ports; why something is off or slow, and what to do about it.\n"
	"stats says of each VM what rang how, as root; with --prometheus as text for\n"
	"node_exporter's textfile collector.\n"
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
	return 0;
}

static int stats(bool prometheus)
{
	static const struct stats_source kernel = { "/sys/kernel/debug", "/proc" };

	return stats_report(&kernel, prometheus);
}

static const struct {
	const char *name, *option;
	int (*run)(bool with_option);
} commands[] = {
	{ "probe", "--json", probe },
	{ "stats", "--prometheus", stats },
};

/* What couldn't be written, to a full disk say, mustn't pass for told. */
static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;

	perror("pv-mmio: standard output");
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return finish(0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		bool option = argc == 3 && !strcmp(argv[2], commands[i].option);

		if (argc >= 2 && !strcmp(argv[1], commands[i].name) && (argc == 2 || option))
			return finish(commands[i].run(option));
	}

	fputs(usage, stderr);
	return 2;
}
