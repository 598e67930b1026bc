/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The differential test of stores: a case is run in two VMs that differ in
 * nothing but KVM_CAP_X86_PV_MMIO, and all that guest or VMM can see of it must
 * be the same.
 *
 * A case is a list of numbers, so that it can be drawn, printed and made
 * smaller without knowing what they mean.  0 is always the plainest choice.
 */
#ifndef SELFTEST_KVM_PV_MMIO_DIFF_H
#define SELFTEST_KVM_PV_MMIO_DIFF_H

#include "pv_mmio.h"

/*
 * A store is emulated and learned in the first run, served in the second, and
 * in the third all may be different.  The fourth shows what the third left.
 */
#define DIFF_RUNS	4
#define DIFF_CHANGES	2	/* the run that comes after the change */

enum diff_field {
	F_WIDTH,	/* of the fixed instruction, log2 */
	F_INSN,		/* 0: the fixed one; else one up to INSN_STORE */
	F_ENCODING,	/* for INSN_STORE, see store.c */
	F_VALUE,	/* RAX, and an immediate operand */
	F_PAGE,		/* enum diff_page */
	F_OFFSET,	/* in that page */
	F_OTHER,	/* where all other registers point to, enum diff_other */
	F_HIGH,		/* the address is in the upper half */
	F_CODE_HIGH,	/* and so is the code */
	F_MAP,		/* enum diff_map */
	F_MODE,		/* enum diff_mode */
	F_SEGMENTS,	/* enum diff_segments */
	F_RFLAGS,	/* on top of bit 1 */
	F_CR,		/* CR_* */
	F_SHADOW,	/* enum diff_shadow */
	F_DR7,		/* enum diff_dr7 */
	F_DEBUG,	/* enum diff_debug */
	F_EVENT,	/* enum diff_event */
	F_CROSS,	/* bytes of code before a page's end */
	F_CHANGE,	/* enum diff_change */
	F_NEW_INSN,	/* what the code is changed to */
	F_NEW_ENCODING,
	F_VMM,		/* enum diff_vmm */
	F_PRIMED,	/* the runs before the change are a plain store, enum diff_prime */
	NR_FIELDS
};

struct diff_case {
	u64 f[NR_FIELDS];
};

/* The guest's address space has them in this order; accesses may cross into the next. */
enum diff_page { P_BELL, P_VOID, P_ROM, P_RAM, P_BELL_AGAIN, P_IOAPIC, P_LAPIC, NR_PAGES };
enum diff_map { MAP_KERNEL, MAP_KERNEL_RO, MAP_USER, MAP_USER_RO, MAP_NONE, NR_MAPS };
enum diff_mode { M_64_KERNEL, M_64_USER, M_COMPAT_KERNEL, M_COMPAT_USER, M_PAE_KERNEL, NR_MODES };
/* What is unusual about DS or SS; 64-bit code ignores it. */
enum diff_segments {
	SEGMENTS_FLAT, DS_HAS_BASE, SS_HAS_BASE, DS_HAS_LIMIT, SS_HAS_LIMIT, DS_GROWS_DOWN,
	DS_IS_READ_ONLY, DS_IS_NULL, NR_SEGMENTS
};

enum diff_other { OTHER_SAME, OTHER_VOID, OTHER_RAM, OTHER_OFFSET, NR_OTHERS };
/* SHADOW_* are set by KVM_SET_VCPU_EVENTS, INSN_* by an instruction of the guest. */
enum diff_shadow { SHADOW_NONE, SHADOW_MOV_SS, SHADOW_STI, INSN_STI, INSN_MOV_SS, NR_SHADOWS };
enum diff_dr7 { DR7_NONE, DR7_DATA, DR7_STORE, DR7_NEXT, DR7_ELSEWHERE, NR_DR7S };
enum diff_debug { DEBUG_NONE, DEBUG_STEP, DEBUG_NEXT, DEBUG_STORE, DEBUG_IDLE, NR_DEBUGS };
enum diff_event { EVENT_NONE, EVENT_INTERRUPT, EVENT_TO_MMIO, NR_EVENTS };
enum diff_prime { NOT_PRIMED, PRIMED_KERNEL, PRIMED_USER, NR_PRIMES };
enum diff_vmm { VMM_NONE, VMM_ADDS_RAM, VMM_REMOVES_BELLS, VMM_DROPS_RAM, NR_VMMS };
/* The last three don't change the code; see diff_step(). */
enum diff_change {
	CHANGE_NONE, CHANGE_REWRITE, CHANGE_BACK, CHANGE_SPACE, CHANGE_PTE,
	CHANGE_CR3, CHANGE_DATA, CHANGE_ALIAS, NR_CHANGES
};

#define FLAG_TF		BIT(8)
#define FLAG_IF		BIT(9)
#define FLAG_DF		BIT(10)
#define FLAG_IOPL	(BIT(12) | BIT(13))
#define FLAG_AC		BIT(18)
#define STATUS_FLAGS	0x8d5

#define CR_NO_WP	BIT(0)
#define CR_SMAP		BIT(1)
#define CR_AM		BIT(2)
#define CR_PCID		BIT(3)

#define DIFF_VALUE	0x1122334455667788ull
#define DIFF_VALUES	3	/* each station's DATAMATCH values count up */
#define STATION_SIZE	64
#define MAX_CODE	16
/* F_INSN counts from 1.  The number after the table is the store of F_ENCODING. */
#define NR_INSNS	49
#define INSN_STORE	(NR_INSNS + 1)

/* Cases are grouped by the first thing that deviates from the plain store. */
enum diff_kind {
	K_PLAIN, K_STORE, K_INSN, K_ADDRESS, K_MAP, K_MODE, K_CODE32, K_FLAGS, K_SHADOW,
	K_BREAKPOINT, K_DEBUG, K_EVENT, K_CROSS, K_REWRITE, K_REMAP, K_CR3, K_VMM, K_ALL, NR_KINDS
};

extern const char * const diff_kind_names[NR_KINDS];

/* What an ioeventfd does with the value.  LOST: what is at the address has gone. */
enum diff_post {
	POST_NOTHING, POST_SIGNAL, POST_NOBODY, POST_AWAKE, POST_ASLEEP, POST_LOST, POST_LOST_WAKE
};

/* The doorbells at one of the places in the MMIO page, which are called stations. */
struct station_bell {
	bool used;
	u32 at;		/* from the start of the station */
	u32 len;
	u32 values;	/* 0: any, else how many DATAMATCH values */
	enum diff_post posts;
};

struct station {
	const char *name;
	struct station_bell bells[4];
	enum { NOT_COALESCED, COALESCED_FIRST, COALESCED_LAST } zone;
	bool wide;	/* DATAMATCH values have bits that no store of that length has */
};

#define NR_STATIONS	20
#define STATION_AT_8	12	/* its doorbells are at offset 8 */
extern const struct station stations[NR_STATIONS];

#define MAX_BELLS_IN_ALL	96
#define MAX_DIFF_EXITS		8

struct diff_exit {
	u32 reason;	/* KVM_EXIT_MMIO, or 0 for an entry of the coalesced ring */
	u32 len;
	u32 is_write;
	u32 pad;
	u64 gpa;
	u64 data;
	u64 rip, rflags;	/* as the VMM sees them at the exit */
};

/* Where a bell posts, with what is on both sides of it. */
struct diff_slot {
	u64 before, value, after;
};

/* How a run ended, if not by an exit. */
#define END_HANGS	0x1000
#define END_ERRNO	0x2000

struct diff_run {
	struct kvm_regs regs;
	struct kvm_vcpu_events events;
	struct kvm_debug_exit_arch debug;
	struct diff_exit exits[MAX_DIFF_EXITS];
	u64 nr_exits;
	u64 end;
	u64 end_detail;
};

struct diff_result {
	struct diff_run runs[DIFF_RUNS];
	struct kvm_sregs sregs;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
	struct kvm_irqchip ioapic;
	u64 retired;
	u64 rings[MAX_BELLS_IN_ALL];
	u64 post_faults;
	struct diff_slot slots[MAX_BELLS_IN_ALL];
};

/* What code.c puts into the guest's memory. */
struct diff_code {
	u8 len;
	char bytes[MAX_CODE];
	/* A store's address, registers as x86 numbers them; NO_REG: none. */
	u8 base, index, shift;
	s64 disp;
};

#define NO_REG		0xff

struct diff_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	const char *name;
	char *system;		/* the host's address of SYSTEM_GPA */
	char *rom;
	struct kvm_coalesced_mmio_ring *ring;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
	struct kvm_irqchip ioapic;
	u32 counter_msr;
	int stats_fd;
	off_t decodes_offset, fast_offset, slow_offset, faults_offset;
	int epoll_fd;
	int bell_fds[MAX_BELLS_IN_ALL];
	struct diff_slot *slots;	/* one for each bell */
	u32 *words;		/* by enum diff_post */
	void *lost;		/* a page without access */
	unsigned int nr_bells, bells_of[NR_STATIONS];
	u64 loaded;		/* identifies the sregs that the vCPU has */
	bool is_stale;		/* the guest's handlers may have changed sregs or events */
	bool is_broken;		/* can't be reset for another case: see run_once() */
};

struct diff_pair {
	struct diff_vm stock, pv;
	struct diff_result stock_result, pv_result;
	unsigned int next_slot, next_crossing, nr_places;
	bool has_counter;	/* of retired instructions, in the guest */
	bool counted;		/* that counter was seen to count */
	bool memory_differs;
	bool posted, post_faulted;	/* some case had such a store */
	/* From VMs freed so far: decodes saved, stores served in the fast path and elsewhere. */
	u64 saved, fast, slow;
};

/* The guest's physical memory, and where its kernel's half is mapped. */
#define SYSTEM_GPA	0xc0000000ul
#define SYSTEM_GVA	0x40000000ul
#define DATA_GVA	0x40200000ul	/* a window for each map */
#define DATA_WINDOW	0x200000ul
/* The upper half, as far as sign-extended 32-bit addresses reach it. */
#define HIGH_HALF	0xffffffff80000000ul
#define DIFF_ROM_GPA	0xc8000000ul
#define DIFF_MMIO_GPA	0xd0000000ul
#define DIFF_IOAPIC_GPA	0xfec00000ul
#define DIFF_LAPIC_GPA	0xfee00000ul

#define NR_CODE_PAGES	64
/* Sets of page tables: the case's own, one with other code, one with other devices. */
enum { SET_OWN, SET_CODE, SET_DATA, NR_SETS };
/* Top-level tables; SPACE_COPY's is one of SET_OWN. */
enum diff_space { SPACE_OWN, SPACE_CODE, SPACE_DATA, SPACE_COPY, NR_SPACES };
/* Pages of the guest's physical memory, from SYSTEM_GPA on. */
enum {
	PG_PML4, PG_PAE = PG_PML4 + NR_SPACES, PG_PDPT = PG_PAE + NR_SPACES,
	PG_PD = PG_PDPT + NR_SETS, PG_PT = PG_PD + NR_SETS, PG_DATA_PT = PG_PT + 2,
	PG_OTHER_DATA_PT = PG_DATA_PT + NR_MAPS, PG_GDT = PG_OTHER_DATA_PT + NR_MAPS,
	PG_TSS, PG_TSS32, PG_IDT, PG_IDT32, PG_STUBS, PG_STACK, PG_USER_STACK, PG_RAM,
	PG_SPARE, PG_CODE = 64, PG_OTHER_CODE = PG_CODE + NR_CODE_PAGES,
	NR_SYSTEM_PAGES = PG_OTHER_CODE + NR_CODE_PAGES,
};

#define SYSTEM_PAGE_GVA(page)	(SYSTEM_GVA + (page) * PAGE_SIZE)
#define SYSTEM_PAGE_GPA(page)	(SYSTEM_GPA + (page) * PAGE_SIZE)
#define SYSTEM_PAGE(v, page)	((v)->system + (page) * PAGE_SIZE)

#define KERNEL_CS64	0x08
#define KERNEL_DS	0x10
#define KERNEL_CS32	0x18
#define USER_CS32	0x23
#define USER_DS		0x2b
#define USER_CS64	0x33
#define TSS_SELECTOR	0x40

/* Ports without devices, at the end of the code and of exception handlers. */
#define END_PORT	0x90
#define VECTOR_PORT	0xc0	/* plus the vector */
#define OTHER_PORT	0xe0
#define RETURN_VECTOR	0x50	/* its handler returns */
#define MMIO_VECTOR	0x51	/* so does this one's, its stack is MMIO */

/* gen.c */
u64 diff_random(u64 *state);
void diff_make_possible(struct diff_case *c);
enum diff_kind diff_generate(struct diff_case *c, u64 seed, u64 index);

/* report.c */
void diff_print_case(const struct diff_case *c);
void diff_print_runs(const struct diff_result *result);
void diff_print_differences(struct diff_pair *p);
bool diff_shrink(struct diff_pair *p, struct diff_case *c);

/* vm.c */
void diff_vm_create(struct diff_vm *v, bool pv);
void diff_vm_free(struct diff_vm *v);
void diff_vm_bell(struct diff_vm *v, unsigned int station, bool on);
u64 diff_gva(const struct diff_case *c);
/* The PTE of a page of code, in all spaces but the one with other code. */
u64 *diff_code_pte(struct diff_vm *v, unsigned int page);

/* regs.c */
bool diff_is_64bit(const struct diff_case *c);
struct kvm_regs diff_regs(const struct diff_case *c, u64 rip);
void diff_set_sregs(struct diff_vm *v, const struct diff_case *c, enum diff_space space);
void diff_set_events(struct diff_vm *v, const struct diff_case *c);
void diff_set_debug(struct diff_vm *v, const struct diff_case *c, u64 rip, bool on);

/* store.c */
void diff_store(const struct diff_case *c, u64 rip, struct diff_code *code);
void diff_aim(const struct diff_code *code, u64 target, struct kvm_regs *regs);

/* code.c */
void diff_code(const struct diff_case *c, u64 rip, struct diff_code *code);
struct diff_case diff_step(const struct diff_case *c, int run);
u64 diff_next_offset(struct diff_pair *p, u64 crossing);
u64 diff_rip(const struct diff_case *c, u64 offset);
enum diff_space diff_space(const struct diff_case *c, int run);
void diff_place_code(struct diff_vm *v, const struct diff_case *c, int run, u64 offset);
unsigned int diff_lead_len(const struct diff_case *c);

/* run.c */
void diff_pair_create(struct diff_pair *p);
void diff_pair_free(struct diff_pair *p);
bool diff_case_differs(struct diff_pair *p, const struct diff_case *c);
/* How many fewer decodes the VM with the capability needed. */
u64 diff_saved(struct diff_pair *p);
/* How many stores it served in the exit fast path, and elsewhere. */
u64 diff_fast(struct diff_pair *p);
u64 diff_slow(struct diff_pair *p);

#endif /* SELFTEST_KVM_PV_MMIO_DIFF_H */
