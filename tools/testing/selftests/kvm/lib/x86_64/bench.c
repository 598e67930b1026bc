// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the benchmarks share: options, output, and where ioeventfds lie.
 */
#include <getopt.h>

#include "bench.h"

#define PORT_BASE	0x2000
#define MMIO_BASE	0xd0000000ul

const char * const layout_names[NR_LAYOUTS] = { "spread", "same" };

struct bench_options options = { .unit = "cycles", .samples = 512, .listener_cpu = -1 };
FILE *json;

static const struct bench_program *program;

/* The library's constructor prints on stdout, so this one has to run before it. */
static void __attribute__((constructor(101))) keep_stdout(void)
{
	json = fdopen(dup(STDOUT_FILENO), "w");
	if (!json || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		exit(1);
	setvbuf(json, NULL, _IOLBF, 0);
}

static void __noreturn usage_error(const char *what, const char *arg)
{
	fprintf(stderr, "%s: %s: '%s' (-h shows the options)\n", program->name, what, arg);
	exit(1);
}

static const struct {
	char letter;
	const char *text;
} option_help[] = {
	{ 'u', "UNIT        what the TSC counts, goes into the output (default: cycles)" },
	{ 's', "SAMPLES     per figure, 1 to 16384 (default: 512)" },
	{ 'n', "COUNT,...   how many ioeventfds are registered, 1 to 16384 (default: 1)" },
	{ 'z', "COUNT,...   how many coalesced zones come and go beside -n ioeventfds, of which\n"
	       "                  there may be none, 1 to 990 (default: 1)" },
	{ 'l', "LAYOUT,...  spread: each has its address; same: all have one, and DATAMATCH\n"
	       "                  values of their own (default: spread)" },
	{ 'w', "            with a thread asleep on the eventfd: case_listener is what the\n"
	       "                  guest pays, case_wake the way from there to the thread" },
	{ 'C', "CPU         with -w, where that thread runs (default: where the vCPU may)" },
	{ 'r', "            while two vCPUs ring" },
	{ 'o', "            all at once only, where KVM takes arrays of ioeventfds" },
	{ 'a', "NUMBER,...  of address spaces that the guest rings from in turn, 1 to 1024: each\n"
	       "                  has a top-level page table of its own with the same entries, and\n"
	       "                  has rung twice before samples count (default: 1)" },
	{ 'i', "            with PCIDs: each address space keeps its part of the TLB" },
	{ 'p', "NUMBER,...  of places with the same code that the guest rings from in turn, 1 to\n"
	       "                  1024; each has rung twice before samples count (default: 1)" },
	{ 'c', "CASE,...    cases to run (default: all):" },
};

static void __noreturn help(void)
{
	int i;

	fprintf(json, "usage: %s [OPTION...]\n", program->name);
	for (i = 0; i < ARRAY_SIZE(option_help); i++) {
		if (strchr(program->options, option_help[i].letter))
			fprintf(json, "  -%c  %s\n", option_help[i].letter, option_help[i].text);
	}
	for (i = 0; i < program->nr_cases; i++)
		fprintf(json, " %s", program->case_name(i));
	fprintf(json, "\n");
	exit(0);
}

static u32 parse_number(const char *arg, u32 min, u32 max)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || n < min || n > max)
		usage_error("not a number in range", arg);
	return n;
}

static void add_number(u32 *numbers, u32 *nr, const char *arg, u32 min, u32 max)
{
	if (*nr == MAX_COUNTS)
		usage_error("too many numbers", arg);
	numbers[(*nr)++] = parse_number(arg, min, max);
}

static void add_count(const char *arg)
{
	/* A benchmark of zones may run without any ioeventfd. */
	add_number(options.counts, &options.nr_counts, arg, !strchr(program->options, 'z'),
		   MAX_COUNT);
}

static void add_zones(const char *arg)
{
	add_number(options.zones, &options.nr_zones, arg, 1, MAX_ZONES);
}

static void add_spaces(const char *arg)
{
	add_number(options.spaces, &options.nr_spaces, arg, 1, MAX_ROUND);
}

static void add_places(const char *arg)
{
	add_number(options.places, &options.nr_places, arg, 1, MAX_ROUND);
}

static void add_layout(const char *arg)
{
	int i;

	for (i = 0; i < NR_LAYOUTS; i++) {
		if (!strcmp(arg, layout_names[i])) {
			options.layouts |= BIT(i);
			return;
		}
	}
	usage_error("no such layout", arg);
}

static void select_case(const char *arg)
{
	int i;

	for (i = 0; i < program->nr_cases; i++) {
		if (!strcmp(arg, program->case_name(i))) {
			options.selected |= BIT_ULL(i);
			return;
		}
	}
	usage_error("no such case", arg);
}

static void split_list(char *list, void (*handle)(const char *item))
{
	char *item;

	while ((item = strsep(&list, ",")))
		handle(item);
}

static const char *parse_unit(const char *arg)
{
	const char *c;

	for (c = arg; *c; c++) {
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			usage_error("not a plain word", arg);
	}
	return arg;
}

static void parse_option(int opt, char **argv)
{
	switch (opt) {
	case 'h':
		help();
	case 'u':
		options.unit = parse_unit(optarg);
		break;
	case 's':
		options.samples = parse_number(optarg, 1, MAX_SAMPLES);
		break;
	case 'n':
		split_list(optarg, add_count);
		break;
	case 'z':
		split_list(optarg, add_zones);
		break;
	case 'l':
		split_list(optarg, add_layout);
		break;
	case 'w':
		options.listener = true;
		break;
	case 'C':
		options.listener_cpu = parse_number(optarg, 0, MAX_CPU);
		break;
	case 'r':
		options.ringing = true;
		break;
	case 'o':
		options.at_once_only = true;
		break;
	case 'a':
		split_list(optarg, add_spaces);
		break;
	case 'i':
		options.pcid = true;
		break;
	case 'p':
		split_list(optarg, add_places);
		break;
	case 'c':
		split_list(optarg, select_case);
		break;
	default:
		usage_error("unknown option or missing argument", argv[optind - 1]);
	}
}

static void add_defaults(void)
{
	if (!options.nr_counts)
		add_count("1");
	if (!options.nr_zones)
		add_zones("1");
	if (!options.nr_spaces)
		add_spaces("1");
	if (!options.nr_places)
		add_places("1");
	if (!options.layouts)
		add_layout("spread");
	if (!options.selected)
		options.selected = ~0ull;
}

void bench_parse(const struct bench_program *which, int argc, char **argv)
{
	int opt;

	program = which;
	opterr = 0;
	while ((opt = getopt(argc, argv, program->options)) != -1)
		parse_option(opt, argv);
	if (optind < argc)
		usage_error("unexpected argument", argv[optind]);
	if (options.nr_spaces && options.nr_places)
		usage_error("not together with -a", "-p");
	if (options.listener_cpu >= 0 && !options.listener)
		usage_error("only together with -w", "-C");
	add_defaults();
}

/* Real BARs are pages apart, so these addresses are; ports are too few for that. */
u64 bench_addr(enum bus bus, enum layout layout, u32 i)
{
	u64 base = bus == PORT ? PORT_BASE : MMIO_BASE;
	u64 stride = bus == PORT ? 2 : PAGE_SIZE;

	return layout == SAME ? base : base + i * stride;
}

u64 bench_other_value(enum layout layout, u32 i)
{
	return layout == SAME ? (u16)(VALUE + 1 + i) : VALUE;
}

struct kvm_ioeventfd bench_ioeventfd_args(enum bus bus, int fd, u64 addr, u64 value, u32 flags)
{
	struct kvm_ioeventfd args = { .addr = addr, .fd = fd, .flags = flags };

	if (bus == MMIO_ANY_LENGTH)
		return args;

	args.len = bus == MMIO_LONG ? 4 : 2;
	args.datamatch = value;
	args.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (bus == PORT)
		args.flags |= KVM_IOEVENTFD_FLAG_PIO;
	return args;
}

void bench_ioeventfd(struct kvm_vm *vm, enum bus bus, int fd, u64 addr, u64 value, u32 flags)
{
	struct kvm_ioeventfd args = bench_ioeventfd_args(bus, fd, addr, value, flags);

	vm_ioctl(vm, KVM_IOEVENTFD, &args);
}
