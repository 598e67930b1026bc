// SPDX-License-Identifier: GPL-2.0-only
/*
 * The counters of each VM, from debugfs.  KVM's binary statistics have the same,
 * but are for the VMM: KVM refuses to open them for another process.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "stats.h"

enum metric { DOORBELLS, LEARNED, DECLINED, REFUSED, TURNS, UNPOSTED, EXITS, DECODED,
	      NR_METRICS };

static const struct {
	const char *name, *help, *words;
} metrics[NR_METRICS] = {
	[DOORBELLS] = { "pv_mmio_doorbells_total",
			"Doorbells, by way and by where KVM served them.", "doorbells" },
	[LEARNED] = { "pv_mmio_learned_total",
		      "Stores that were emulated, and whose place KVM has learned.",
		      "stores learned" },
	[DECLINED] = { "pv_mmio_declined_total",
		       "Stores at a known place that were left to the emulator.",
		       "stores declined" },
	[REFUSED] = { "pv_mmio_refused_total", "Hypercalls that returned an error.",
		      "hypercalls refused" },
	[TURNS] = { "pv_mmio_turns_total",
		    "Doorbells whose guest went on right after the world switch.",
		    "turned right after the world switch" },
	[UNPOSTED] = { "pv_mmio_ioeventfd_post_faults_total",
		       "Values that couldn't be stored where an ioeventfd wants them.",
		       "values not stored" },
	[EXITS] = { "pv_mmio_kvm_exits_total", "Exits of all kinds.", "exits of all kinds" },
	[DECODED] = { "pv_mmio_kvm_insn_emulation_total",
		      "Instructions that KVM emulated, doorbells or not.",
		      "instructions emulated" },
};

/* By metric; labels and words are empty for one that has a single counter. */
static const struct counter {
	enum metric metric;
	const char *file, *labels, *words;
} counters[] = {
	{ DOORBELLS, "pv_mmio_fast", "way=\"store\",stage=\"fast\"", "store fast" },
	{ DOORBELLS, "pv_mmio_slow", "way=\"store\",stage=\"slow\"", "store slow" },
	{ DOORBELLS, "hc_mmio_write_fast", "way=\"hypercall\",stage=\"fast\"", "hypercall fast" },
	{ DOORBELLS, "hc_mmio_write_slow", "way=\"hypercall\",stage=\"slow\"", "hypercall slow" },
	{ DOORBELLS, "pio_doorbell_fast", "way=\"port\",stage=\"fast\"", "port fast" },
	{ DOORBELLS, "mmio_doorbell_fast", "way=\"length0\",stage=\"fast\"", "length0 fast" },
	{ LEARNED, "pv_mmio_learned", "", "" },
	{ DECLINED, "pv_mmio_declined_state", "why=\"state\"", "state" },
	{ DECLINED, "pv_mmio_declined_address", "why=\"address\"", "address" },
	{ DECLINED, "pv_mmio_declined_ram", "why=\"ram\"", "ram" },
	{ DECLINED, "pv_mmio_declined_code", "why=\"code\"", "code" },
	{ REFUSED, "hc_mmio_write_refused", "", "" },
	{ TURNS, "pv_mmio_turns", "", "" },
	{ UNPOSTED, "ioeventfd_post_faults", "", "" },
	{ EXITS, "exits", "", "" },
	{ DECODED, "insn_emulation", "", "" },
};

#define NR_COUNTERS	ARRAY_SIZE(counters)

enum loaded { NO_KVM, STOCK_KVM, OUR_KVM };

struct vm {
	char name[32];		/* PID-FD, as KVM calls it */
	char comm[64], cgroup[512];
	unsigned long long counts[NR_COUNTERS];
};

struct vms {
	struct vm *vm;
	int nr;
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "pv-mmio: %s: %s\n", what, why);
	return 1;
}

/* What the file holds, cut to fit; -1 and errno if it can't be read. */
static int read_file(const char *path, char *text, int size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int n, reason;

	if (fd < 0)
		return -1;

	n = read(fd, text, size - 1);
	reason = errno;
	close(fd);
	errno = reason;
	if (n < 0)
		return -1;

	text[n] = '\0';
	return n;
}

/*
 * Whoever runs a VMM chooses its name, and a file of metrics with a byte in it
 * that is no text is lost as a whole; so is a terminal.
 */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* Is the file that made the VM still open?  Then the process is the VM's own. */
static bool has_vm_open(const char *proc, const char *vm)
{
	char path[128], target[32];
	const char *fd = strchr(vm, '-') + 1;
	int n;

	snprintf(path, sizeof(path), "%s/%.*s/fd/%s", proc, (int)(fd - 1 - vm), vm, fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;

	target[n] = '\0';
	return !strcmp(target, "anon_inode:kvm-vm");
}

/* The name of the cgroup; of version 1's the one that systemd keeps processes by. */
static void read_cgroup(const char *path, char *cgroup, int size)
{
	static const char * const prefixes[] = { "0::", "1:name=systemd:" };
	char text[4096], *line, *rest = text;

	if (read_file(path, text, sizeof(text)) < 0)
		return;

	while ((line = strsep(&rest, "\n"))) {
		for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
			int skip = strlen(prefixes[i]);

			if (!strncmp(line, prefixes[i], skip) && strcmp(line + skip, "/"))
				snprintf(cgroup, size, "%s", line + skip);
		}
	}
	make_printable(cgroup);
}

/* Who runs the VM; nothing, if that process has closed it or is gone. */
static void read_owner(const char *proc, struct vm *vm)
{
	int digits = strcspn(vm->name, "-");
	char path[128];

	if (!has_vm_open(proc, vm->name))
		return;

	snprintf(path, sizeof(path), "%s/%.*s/comm", proc, digits, vm->name);
	if (read_file(path, vm->comm, sizeof(vm->comm)) < 0)
		vm->comm[0] = '\0';
	/* It ends with a newline, and may have others. */
	if (vm->comm[0])
		vm->comm[strlen(vm->comm) - 1] = '\0';
	make_printable(vm->comm);
	snprintf(path, sizeof(path), "%s/%.*s/cgroup", proc, digits, vm->name);
	read_cgroup(path, vm->cgroup, sizeof(vm->cgroup));
}

static int complain_of_file(const char *path)
{
	fprintf(stderr, "pv-mmio: %s: %s; %s\n", path, strerror(errno),
		errno == EPERM ?
		"a kernel that is locked down, as under Secure Boot, shows nobody these files" :
		errno == EACCES ? "run this as root" : "see dmesg");
	return 1;
}

/* Returns 0, -1 if the VM has just gone, or 1 as stats_report() does. */
static int read_counters(const char *kvm, struct vm *vm)
{
	char path[256], text[32];

	for (size_t i = 0; i < NR_COUNTERS; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", kvm, vm->name, counters[i].file);
		if (read_file(path, text, sizeof(text)) < 0)
			return errno == ENOENT ? -1 : complain_of_file(path);

		vm->counts[i] = strtoull(text, NULL, 10);
	}
	return 0;
}

/* KVM's folder for each VM is PID-FD. */
static int is_vm(const struct dirent *entry)
{
	const char *name = entry->d_name;
	size_t pid = strspn(name, "0123456789");
	size_t fd = name[pid] == '-' ? strspn(name + pid + 1, "0123456789") : 0;

	return pid && fd && !name[pid + 1 + fd] && pid + 1 + fd < sizeof(((struct vm *)0)->name);
}

static int read_vms(const struct stats_source *from, const char *kvm, struct vms *vms,
		    struct dirent **entries, int nr)
{
	int r;

	vms->vm = calloc(nr + 1, sizeof(*vms->vm));
	if (!vms->vm)
		return complain("out of memory", "free some");

	for (int i = 0; i < nr; i++) {
		struct vm *vm = &vms->vm[vms->nr];

		memset(vm, 0, sizeof(*vm));
		/* It fits, says is_vm(). */
		memccpy(vm->name, entries[i]->d_name, '\0', sizeof(vm->name) - 1);
		read_owner(from->proc, vm);
		r = read_counters(kvm, vm);
		if (r > 0)
			return r;
		if (!r)
			vms->nr++;
	}
	return 0;
}

static int find_vms(const struct stats_source *from, const char *kvm, struct vms *vms)
{
	struct dirent **entries;
	int nr = scandir(kvm, &entries, is_vm, versionsort);
	int r;

	if (nr < 0)
		return complain_of_file(kvm);

	r = read_vms(from, kvm, vms, entries, nr);
	while (nr--)
		free(entries[nr]);
	free(entries);
	return r;
}

static bool exists(const char *folder, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return !access(path, F_OK);
}

static int is_no_dot(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The folder is there without debugfs on it, too. */
static int check_debugfs(const char *path)
{
	struct dirent **entries;
	int nr = scandir(path, &entries, is_no_dot, NULL);
	bool empty = !nr;

	if (nr < 0)
		return complain_of_file(path);

	while (nr--)
		free(entries[nr]);
	free(entries);
	if (!empty)
		return 0;

	return complain(path, "debugfs isn't mounted: mount -t debugfs none /sys/kernel/debug");
}

/* Returns 1 if nothing can be told. */
static int check_kvm(const struct stats_source *from, const char *kvm, enum loaded *loaded)
{
	if (check_debugfs(from->debugfs))
		return 1;

	*loaded = NO_KVM;
	if (!exists(from->debugfs, "kvm"))
		return 0;

	*loaded = STOCK_KVM;
	if (!exists(kvm, counters[0].file))
		return 0;

	*loaded = OUR_KVM;
	for (size_t i = 0; i < NR_COUNTERS; i++)
		if (!exists(kvm, counters[i].file))
			return complain(counters[i].file,
					"KVM has no such counter; build kvm.ko and this together");
	return 0;
}

/* In quotes, as Prometheus reads it. */
static void print_label(const char *name, const char *value)
{
	printf("%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putchar('\\');
		putchar(*value);
	}
	putchar('"');
}

static void print_sample(const struct vm *vm, int i)
{
	printf("%s{", metrics[counters[i].metric].name);
	print_label("vm", vm->name);
	putchar(',');
	print_label("comm", vm->comm);
	putchar(',');
	print_label("cgroup", vm->cgroup);
	printf("%s%s} %llu\n", *counters[i].labels ? "," : "", counters[i].labels, vm->counts[i]);
}

static void print_head(const char *name, const char *help, const char *type)
{
	printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* All that belongs to one metric has to stand together. */
static void print_metric(const struct vms *vms, enum metric metric)
{
	print_head(metrics[metric].name, metrics[metric].help, "counter");
	for (int v = 0; v < vms->nr; v++)
		for (size_t i = 0; i < NR_COUNTERS; i++)
			if (counters[i].metric == metric)
				print_sample(&vms->vm[v], i);
}

static void print_prometheus(const struct vms *vms, enum loaded loaded)
{
	print_head("pv_mmio_loaded", "Whether a KVM is loaded that has pv-mmio.", "gauge");
	printf("pv_mmio_loaded %d\n", loaded == OUR_KVM);
	if (loaded != OUR_KVM)
		return;

	print_head("pv_mmio_vms", "VMs that there are.", "gauge");
	printf("pv_mmio_vms %d\n", vms->nr);
	for (enum metric metric = 0; vms->nr && metric < NR_METRICS; metric++)
		print_metric(vms, metric);
}

static void print_words(const struct vm *vm)
{
	const char *owner = *vm->comm ? vm->comm : "its process has closed it";

	printf("VM %s: %s%s%s\n", vm->name, owner, *vm->cgroup ? " in " : "", vm->cgroup);
	for (enum metric metric = 0; metric < NR_METRICS; metric++) {
		const char *before = ": ";

		printf("    %s", metrics[metric].words);
		for (size_t i = 0; i < NR_COUNTERS; i++) {
			if (counters[i].metric != metric)
				continue;
			printf("%s%llu%s%s", before, vm->counts[i],
			       *counters[i].words ? " " : "", counters[i].words);
			before = ", ";
		}
		putchar('\n');
	}
}

static int print_all_words(const struct vms *vms, enum loaded loaded)
{
	if (loaded == NO_KVM)
		return complain("no KVM is loaded", "modprobe kvm_intel, or kvm_amd");
	if (loaded == STOCK_KVM)
		return complain("the KVM that is loaded has no pv-mmio",
				"run make modules, then make load");
	if (!vms->nr)
		puts("no VM runs");
	for (int i = 0; i < vms->nr; i++)
		print_words(&vms->vm[i]);
	return 0;
}

int stats_report(const struct stats_source *from, bool prometheus)
{
	struct vms vms = { 0 };
	enum loaded loaded;
	char kvm[128];
	int r;

	snprintf(kvm, sizeof(kvm), "%s/kvm", from->debugfs);
	r = check_kvm(from, kvm, &loaded);
	if (!r && loaded == OUR_KVM)
		r = find_vms(from, kvm, &vms);
	if (!r && prometheus)
		print_prometheus(&vms, loaded);
	else if (!r)
		r = print_all_words(&vms, loaded);
	free(vms.vm);
	return r;
}
