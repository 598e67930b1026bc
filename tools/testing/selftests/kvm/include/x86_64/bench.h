/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmarks share: options, output, and where ioeventfds lie.
 */
#ifndef SELFTEST_KVM_BENCH_H
#define SELFTEST_KVM_BENCH_H

#include "pv_mmio.h"

#define MAX_SAMPLES	16384
#define MAX_COUNT	16384
#define MAX_COUNTS	16
/* A bus holds at most 1000 devices other than ioeventfds, some of them KVM's own. */
#define MAX_ZONES	990
#define MAX_CPU		1023	/* the last that cpu_set_t holds */
#define MAX_ROUND	1024	/* address spaces or places of code */
#define VALUE		0x1234

/* Where ioeventfds are; all but the last kind match a value.  MMIO_LONG has 4 bytes. */
enum bus { NO_DOORBELL, PORT, MMIO, MMIO_LONG, MMIO_ANY_LENGTH, NR_BUSES };

/* Each ioeventfd has its own address, or all share one and differ in DATAMATCH. */
enum layout { SPREAD, SAME, NR_LAYOUTS };

extern const char * const layout_names[NR_LAYOUTS];

struct bench_options {
	const char *unit;
	u32 samples;
	u32 counts[MAX_COUNTS];
	u32 nr_counts;
	u32 zones[MAX_COUNTS];
	u32 nr_zones;
	u32 spaces[MAX_COUNTS];	/* numbers of address spaces */
	u32 nr_spaces;
	u32 places[MAX_COUNTS];	/* numbers of places of code */
	u32 nr_places;
	u32 layouts;		/* a bit for each */
	u64 selected;		/* a bit for each case */
	bool listener;
	int listener_cpu;	/* -1: wherever the vCPU may run */
	bool ringing;
	bool at_once_only;
	bool pcid;
};

struct bench_program {
	const char *name;
	const char *options;	/* for getopt */
	const char *(*case_name)(int i);
	int nr_cases;
};

extern struct bench_options options;

/* Gets one JSON object per line and nothing else: the library prints elsewhere. */
extern FILE *json;

void bench_parse(const struct bench_program *program, int argc, char **argv);

u64 bench_addr(enum bus bus, enum layout layout, u32 i);
/* The DATAMATCH of the @i-th of many ioeventfds at one address; never VALUE. */
u64 bench_other_value(enum layout layout, u32 i);
/* @flags is 0 or KVM_IOEVENTFD_FLAG_DEASSIGN. */
struct kvm_ioeventfd bench_ioeventfd_args(enum bus bus, int fd, u64 addr, u64 value, u32 flags);
void bench_ioeventfd(struct kvm_vm *vm, enum bus bus, int fd, u64 addr, u64 value, u32 flags);

/* Length 0 matches any value, so an address has room for only one such ioeventfd. */
static inline bool bench_layout_holds(enum bus bus, enum layout layout, u32 count)
{
	return bus != MMIO_ANY_LENGTH || layout == SPREAD || count == 1;
}

#endif /* SELFTEST_KVM_BENCH_H */
