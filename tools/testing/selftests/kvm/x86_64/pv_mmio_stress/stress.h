/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Several vCPUs ring doorbells while threads change everything that decides where
 * a ring goes.  The guest can tell where each of its rings went: to the VMM, to
 * RAM, refused, or else to an eventfd as a signal.  So the number of signals that
 * each eventfd must have got is known exactly, whatever happened.
 *
 * A thread announces each change in guest memory, before and after it.  A ring
 * during which nothing changes has exactly one valid outcome.  The guest notes
 * which states its rings met, and the test goes on until each doorbell has met all
 * that it can meet, so that coverage doesn't depend on chance.
 */
#ifndef SELFTEST_KVM_PV_MMIO_STRESS_H
#define SELFTEST_KVM_PV_MMIO_STRESS_H

#include <pthread.h>

#include "pv_mmio.h"

#define STRESS_VCPUS	3
#define STRESS_GPA	0xd0000000ul	/* one page, no memslot */
#define STRESS_PORT	0x2000
/* A page that is RAM, ROM or nothing by turns; its RAM is also at ALIAS_GPA. */
#define FICKLE_GPA	0xd0001000ul
#define ALIAS_GPA	0xd0100000ul

/* STORE is the fixed instruction, COMPILED_STORE one that the compiler chose. */
enum stress_how { STORE, COMPILED_STORE, HYPERCALL, PORT_OUT };

/* The outcome of a ring. */
enum stress_outcome { ANYTHING, SIGNAL, TO_VMM, TO_RAM, REFUSED, NR_OUTCOMES };

/* All states that a ring can meet and that decide where it goes. */
enum stress_state {
	CHANGING,
	/* How the doorbell's ioeventfd is registered; the last three don't match the ring. */
	ABSENT, MATCH, ALL_VALUES, ALL_LENGTHS, OTHER_VALUE, ALIKE_VALUE, OTHER_LENGTH, NR_REGS,
	/* It has just been removed, so a signal would be wrong. */
	REMOVED = NR_REGS,
	/* What is at the address. */
	NO_PAGE, RAM, ROM,
	/* The capabilities; the one for stores decides only how they are served. */
	HYPERCALLS_ON, HYPERCALLS_OFF, STORES_ON, STORES_OFF,
	NR_STATES
};

struct stress_bell {
	const char *name;
	enum stress_how how;
	u32 width;
	u32 cell;	/* index of its address in the page, or of its port */
	bool fickle;	/* in FICKLE_GPA, where each vCPU has its own address */
	u32 regs;	/* the states below NR_REGS that it takes by turns */
};

#define NR_STRESS_BELLS	18
extern const struct stress_bell stress_bells[NR_STRESS_BELLS];

/* What decides where a ring goes.  Each word is a counter, with a state as last byte. */
struct stress_words {
	u64 reg, page, hypercalls, stores;
};

/* What the guest notes for one vCPU, in its memory. */
struct stress_vcpu {
	u64 exits;	/* how many rings came to the VMM, and the last one */
	u64 exit_addr, exit_len, exit_value;
	u64 rings[NR_STRESS_BELLS];
	u64 outcomes[NR_STRESS_BELLS][NR_OUTCOMES];
	/*
	 * The words before the last ring, and the states that held during two
	 * rings in a row: KVM may learn from the first, and serve only the
	 * second in the fast path.
	 */
	struct stress_words words[NR_STRESS_BELLS];
	u64 met[NR_STRESS_BELLS];
	u64 mistakes;	/* wrong outcomes; the first one is below */
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

/* A doorbell as the host sees it; used only by the thread that changes it. */
struct stress_bell_state {
	int fd;
	enum stress_state reg;
	u64 signals, late;
};

#define NR_SERVED	2

/* The thread of one vCPU. */
struct stress_thread {
	struct stress *stress;
	struct kvm_vcpu *vcpu;
	pthread_t thread;
	int stats_fd;
	off_t served_offsets[NR_SERVED];
	/* At the vCPU's last exit: the word of stores, and how many KVM had served. */
	u64 stores_word, served;
	u64 checks, wrong_checks;	/* that none is served while off */
};

struct stress {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[STRESS_VCPUS];
	struct stress_thread threads[STRESS_VCPUS];
	struct stress_shared *shared;	/* the guest's, as the host sees it */
	struct stress_bell_state bells[NR_STRESS_BELLS];
	void *fickle_hva;
	int misfit_fd;			/* signalled if a ring doesn't miss */
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

/* A number below @n; from high bits, because the generator's low bits repeat soon. */
static inline u32 stress_random(struct kvm_random_state *rng, u32 n)
{
	return (kvm_random_u32(rng) >> 16) % n;
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

/*
 * Wait until vCPUs have rung doorbell @i so often.  How long that takes depends on
 * the machine, so no pause can stand for it.
 */
void stress_wait_for_rings(struct stress *s, u32 i, u64 rings);
/* After so many, some vCPU has rung @i and every other doorbell twice in a row. */
#define STRESS_TWO_RINGS	(2 * STRESS_VCPUS + 1)

u64 stress_count(const struct stress *s, u32 i, enum stress_outcome outcome);

u32 stress_missing(const struct stress *s, u32 i);
bool stress_has_met_all(const struct stress *s);
void stress_print_missing(const struct stress *s);

/* From then on, a thread that hangs ends the test, which says where it waits. */
void stress_watch(struct stress *s);
/* After the last thread; only a time limit is left then. */
void stress_unwatch(void);

/* At each exit of a vCPU: if stores were off since its last one, none was served. */
void stress_find_served(struct stress_thread *t);
void stress_check_served(struct stress_thread *t);

struct stress_disturber {
	const char *name;
	void (*step)(struct stress *s, struct kvm_random_state *rng);
	u32 pause_us;		/* the longest pause between two steps */
	u64 min_steps;
	u64 steps;
	struct stress *stress;
	pthread_t thread;
};

#define NR_DISTURBERS	6
extern struct stress_disturber stress_disturbers[NR_DISTURBERS];
void *stress_run_vcpu(void *stress_thread);

#endif /* SELFTEST_KVM_PV_MMIO_STRESS_H */
