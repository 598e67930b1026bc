/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Several vCPUs ring doorbells while threads change all that decides where a
 * ring goes.  The guest itself can tell where each of its rings went: to the
 * VMM, to RAM, refused, or else as a signal to an eventfd.  So the signals
 * that all eventfds must have got are known exactly, whatever happened.
 *
 * Who changes something says so in guest memory, before and after.  A ring
 * during which all stays as it is has only one way to go, and must take it.
 * The guest notes what its rings met, and the test goes on until each
 * doorbell has met all that it can meet: nothing is left to luck.
 */
#ifndef SELFTEST_KVM_PV_MMIO_STRESS_H
#define SELFTEST_KVM_PV_MMIO_STRESS_H

#include <pthread.h>

#include "pv_mmio.h"

#define STRESS_VCPUS	3
#define STRESS_GPA	0xd0000000ul	/* one page, no memslot */
#define STRESS_PORT	0x2000
/* One page that is RAM, ROM or nothing by turns, and its RAM at another place. */
#define FICKLE_GPA	0xd0001000ul
#define ALIAS_GPA	0xd0100000ul

/* By the fixed instruction of the width, or by one that the compiler chose. */
enum stress_how { STORE, COMPILED_STORE, HYPERCALL, PORT_OUT };

/* What becomes of a ring. */
enum stress_outcome { ANYTHING, SIGNAL, TO_VMM, TO_RAM, REFUSED, NR_OUTCOMES };

/* All that a ring can meet and that decides where it goes. */
enum stress_state {
	CHANGING,
	/* How the doorbell's ioeventfd is registered; the last three miss the ring. */
	ABSENT, MATCH, ALL_VALUES, ALL_LENGTHS, OTHER_VALUE, ALIKE_VALUE, OTHER_LENGTH, NR_REGS,
	/* It was until just now, and a signal would be one too many. */
	REMOVED = NR_REGS,
	/* What is at the address. */
	NO_PAGE, RAM, ROM,
	/* The capabilities; that of stores decides how they are served. */
	HYPERCALLS_ON, HYPERCALLS_OFF, STORES_ON, STORES_OFF,
	NR_STATES
};

struct stress_bell {
	const char *name;
	enum stress_how how;
	u32 width;
	u32 cell;	/* which of the page's addresses, or of the ports */
	bool fickle;	/* in FICKLE_GPA, where each vCPU has its own address */
	u32 regs;	/* bits below NR_REGS that it takes by turns */
};

#define NR_STRESS_BELLS	18
extern const struct stress_bell stress_bells[NR_STRESS_BELLS];

/* All that decides where a ring goes: a word is a counter with a state as its last byte. */
struct stress_words {
	u64 reg, page, hypercalls, stores;
};

/* Of one vCPU, in guest memory. */
struct stress_vcpu {
	u64 exits;	/* how many rings came to the VMM, and the last one */
	u64 exit_addr, exit_len, exit_value;
	u64 rings[NR_STRESS_BELLS];
	u64 outcomes[NR_STRESS_BELLS][NR_OUTCOMES];
	/*
	 * Ahead of the last ring, and bits of what held for two in a row: it
	 * may take one for KVM to learn what lets the next take the fast path.
	 */
	struct stress_words words[NR_STRESS_BELLS];
	u64 met[NR_STRESS_BELLS];
	u64 mistakes;	/* and the first one */
	u64 bell, expected, got;
};

struct stress_shared {
	u64 stop;
	u64 bells[NR_STRESS_BELLS];
	u64 page;
	u64 hypercalls;
	u64 stores;
	struct stress_vcpu vcpus[STRESS_VCPUS];
};

extern struct stress_shared stress_shared;

/* A doorbell as the host sees it; its churner's alone. */
struct stress_bell_state {
	int fd;
	enum stress_state reg;
	u64 signals, late;
};

#define NR_SERVED	2

/* Of one vCPU. */
struct stress_thread {
	struct stress *stress;
	struct kvm_vcpu *vcpu;
	pthread_t thread;
	int stats_fd;
	off_t served_offsets[NR_SERVED];
	/* When the vCPU last exited: the word, and how many stores were served. */
	u64 stores_word, served;
	u64 checks, wrong_checks;	/* that none is while they are off */
};

struct stress {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[STRESS_VCPUS];
	struct stress_thread threads[STRESS_VCPUS];
	struct stress_shared *shared;	/* the guest's, as the host sees it */
	struct stress_bell_state bells[NR_STRESS_BELLS];
	void *fickle_hva;
	int misfit_fd;			/* of all that a ring has to miss */
	u64 interrupts, resets;		/* of vCPUs */
	u64 lives, wrong_lives;		/* of other VMs */
	u64 guest_rings;		/* of other VMs, on our first eventfd */
	u32 seed;
	bool stop;
};

static inline enum stress_state stress_word_state(u64 word)
{
	return word & 0xff;
}

static inline bool stress_is_signalled(enum stress_state reg)
{
	return reg == MATCH || reg == ALL_VALUES || reg == ALL_LENGTHS;
}

/* Below @n; the generator's low bits repeat too soon. */
static inline u32 stress_random(struct guest_random_state *rng, u32 n)
{
	return (guest_random_u32(rng) >> 16) % n;
}

u64 stress_addr(const struct stress_bell *bell, u32 vcpu);
u64 stress_value(u32 bell);
u64 stress_value_alike(u32 bell);
void guest_stress(u64 vcpu);
void guest_short_life(u64 rings);
void stress_word_set(u64 *word, enum stress_state state);

void stress_create(struct stress *s);
void stress_free(struct stress *s);
void stress_change_bell(struct stress *s, u32 i, enum stress_state reg, bool wait);
void stress_renew_fd(struct stress *s, u32 i);
void stress_take(struct stress *s, u32 i);
u64 stress_count(const struct stress *s, u32 i, enum stress_outcome outcome);

u32 stress_missing(const struct stress *s, u32 i);
bool stress_has_met_all(const struct stress *s);
void stress_print_missing(const struct stress *s);

/* At each exit of a vCPU: if stores were off since its last one, none was served. */
void stress_find_served(struct stress_thread *t);
void stress_check_served(struct stress_thread *t);

struct stress_disturber {
	const char *name;
	void (*step)(struct stress *s, struct guest_random_state *rng);
	u32 pause_us;		/* at most, between two steps */
	u64 min_steps;
	u64 steps;
	struct stress *stress;
	pthread_t thread;
};

#define NR_DISTURBERS	6
extern struct stress_disturber stress_disturbers[NR_DISTURBERS];
void *stress_run_vcpu(void *stress_thread);

#endif /* SELFTEST_KVM_PV_MMIO_STRESS_H */
