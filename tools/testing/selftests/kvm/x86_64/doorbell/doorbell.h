/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VM that doorbell_bench measures in, what its guest does there, and what a
 * case says about that.
 */
#ifndef SELFTEST_KVM_DOORBELL_BENCH_H
#define SELFTEST_KVM_DOORBELL_BENCH_H

#include "bench.h"
#include "listener.h"

#define NR_WARMUP	16
/* What the VMM answers to a load. */
#define LOADED		0x5678
/* Each address space and each place is warm after two rounds through all. */
#define MAX_ACCESSES	(2 * MAX_ROUND + MAX_SAMPLES)

struct access_regs {
	u64 rax, rbx, rcx, rdx, rsi;
};

/* What the guest is to do. */
struct bench_guest {
	struct access_regs regs;
	u64 nr_accesses;
	u64 stops_every;	/* accesses; 0: never */
	u64 rewrites_at;	/* if not 0: a byte of the code to change before each access */
	/* Of top-level tables with the same entries; not loaded if there is only one. */
	u64 cr3[MAX_ROUND];
	u32 nr_spaces;
	u32 nr_places;
	u64 places[MAX_ROUND];	/* copies of the code that is measured */
};

extern struct bench_guest bench_guest;
extern u64 guest_result;	/* RAX after the last access */
extern u64 guest_nr_rewrites;
extern u32 guest_cycles[MAX_ACCESSES];
extern u64 guest_rang_at[MAX_ACCESSES];

void guest_ring(void);
void guest_ring_in_l2(void);

/* What a VM is like, for all cases that run in it. */
struct bench_shape {
	enum bus bus;
	enum layout layout;
	u32 count;		/* number of ioeventfds */
	u32 spaces, places;
};

struct bench_vm {
	struct bench_shape shape;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_regs start;
	struct kvm_coalesced_mmio_ring *ring;
	int stats_fd;
	off_t exits_offset;
	char *places;		/* the host's view of where they all lie */
	u64 addr;		/* of the doorbell, or of the VMM's device */
	int doorbell, bystanders;
	u64 nr_warmup, nr_samples, nr_accesses;
	u64 nr_exits, nr_signals, nr_coalesced;
	u16 slot;		/* where values are stored, and the word for WAKE */
	u32 word;
	struct doorbell_listener listener;
};

/* The code from @start to @end; @rewritten is a byte in it. */
struct bench_access {
	const char *start, *end, *rewritten;
};

struct bench_case {
	const char *name;
	const struct bench_access *access;	/* NULL: the hypercall instruction of this host */
	enum bus bus;		/* what the access rings */
	enum { EXITS_NEVER, EXITS_FOR_STORE, EXITS_FOR_LOAD, EXITS_FOR_OUT } exits;
	enum { NO_ZONE, MMIO_ZONE, PORT_ZONE } zone;	/* a coalesced zone at the address */
	/* Who stores the value in the slot, KVM or the VMM, and who is signalled. */
	enum { POSTS_NOTHING, POSTS_AND_SIGNALS, POSTS_ONLY, POSTS_AWAKE, POSTS_ASLEEP,
	       POSTS_BY_VMM } posts;
	bool in_l2;
	bool at_cpl3;
	bool turned_off;	/* KVM_CAP_X86_PV_MMIO, where it is offered */
	bool needs_hc_mmio_write;
	bool checks_result;
	s64 result;
	/* For accesses to KVM's own devices: did the device get the value? */
	bool (*arrived)(struct bench_vm *b);
	struct access_regs regs;	/* the address is added, see addr_in */
	enum { ADDR_NONE, ADDR_RBX, ADDR_RDX } addr_in;
};

void bench_vm_create(struct bench_vm *b, const struct bench_shape *shape);
void bench_vm_free(struct bench_vm *b);
/* From here on the vCPU is at CPL 3, and may access all that is mapped. */
void bench_vm_enter_user_mode(struct bench_vm *b);
/* Makes the guest run the code from @start to @end, copied to all places of the VM. */
void bench_vm_place(struct bench_vm *b, const char *start, const char *end);
/* What the guest loads into CR3 before its last access. */
u64 bench_vm_last_cr3(struct bench_vm *b);
/* After how many accesses the guest stops, for the host to look; 0: never. */
u64 bench_stops_every(const struct bench_case *c);
/* Runs all accesses of the case to the guest's end, and counts what comes of them. */
void bench_vm_run(struct bench_vm *b, const struct bench_case *c);
/* Between these two, the doorbell is one that posts, if the case says so. */
void bench_post_start(struct bench_vm *b, const struct bench_case *c);
void bench_post_stop(struct bench_vm *b, const struct bench_case *c);
void bench_post_by_vmm(struct bench_vm *b, u16 value);
/* Whether each access signals the doorbell's eventfd. */
bool bench_signals(const struct bench_case *c);
/* The vCPU's exits so far, as KVM counts them. */
u64 bench_vm_count_exits(struct bench_vm *b);

#endif /* SELFTEST_KVM_DOORBELL_BENCH_H */
