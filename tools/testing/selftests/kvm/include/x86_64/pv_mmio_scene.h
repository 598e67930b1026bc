/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A scene is a guest program that rings a doorbell from one place until KVM
 * knows that place, and then does so again under a condition that makes the
 * same store something else.  It runs twice, with KVM_CAP_X86_PV_MMIO on and
 * off: guest and VMM must see the same.
 */
#ifndef SELFTEST_KVM_PV_MMIO_SCENE_H
#define SELFTEST_KVM_PV_MMIO_SCENE_H

#include "pv_mmio_case.h"

#define SCENE_CODE_GPA	0xc0000000ul	/* a memslot of its own */
#define SCENE_CODE_SLOT	10
#define SCENE_CODE_PAGES 4
#define FAR_GPA		(MMIO_GPA + PAGE_SIZE)
#define SCENE_VALUE	0x55667788ul
#define SCENE_RBX	0x5a5a5a5aul
#define SCENE_VECTOR	0x30
#define SCENE_GSI	5

#define NR_LEARNS	4
#define NR_SCENE_BELLS	2
#define SCENE_LOG_SIZE	16

/* GUEST_SYNC stages of guest_learn(); a scene's own come after them. */
enum { SCENE_LEARNT = 1, SCENE_KNOWN, SCENE_STAGE };

struct scene_log {
	u64 nr;
	u64 val[SCENE_LOG_SIZE];
};

/* What a run leaves to compare. */
struct scene_result {
	u64 rings[NR_SCENE_BELLS];
	u64 decodes;
	struct scene_log guest, host;
};

struct scene {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	bool feature_on;
	int stats_fd;
	off_t decodes_offset;
	int bells[NR_SCENE_BELLS];	/* the first is at MMIO_GPA, 4 bytes */
	void *code;			/* SCENE_CODE_GPA */
	u64 decodes_before;
	struct scene_result result;
};

struct scene_case {
	const char *name;
	void (*guest)(void);
	void (*setup)(struct scene *s);
	/* Called when the guest comes to SCENE_KNOWN and to each later stage. */
	void (*act)(struct scene *s, u64 stage);
	/* Returns false if the exit ends the scene. */
	bool (*handle_exit)(struct scene *s);
	void (*finish)(struct scene *s);
	/* Why this can't be run here, or NULL. */
	const char *(*lacks)(void);
	enum decode decode;	/* after SCENE_KNOWN */
	/* If not 0: the exact number; not checked where KVM shadows page tables. */
	u64 decodes;
	bool is_never_known;	/* the emulator does all of the stores */
	/*
	 * With shadow paging, decodes aren't compared: Bochs has no interrupt
	 * shadow then, and KVM decodes mov to CR3.
	 */
	bool only_tdp_tells;
	bool any_rings;		/* as many as with the capability off */
	bool any_log;
	u64 rings[NR_SCENE_BELLS];	/* after SCENE_KNOWN */
	struct scene_log log;	/* the guest's */
};

#define SCENE_LOG(...)							\
	.log = { .nr = sizeof((u64[]){ __VA_ARGS__ }) / sizeof(u64),	\
		 .val = { __VA_ARGS__ } }

struct scene_table {
	const struct scene_case *scenes;
	size_t nr;
};

/*
 * Runs the tables, and once more with five levels of page tables, if KVM has
 * them.  Ends the program here, because kselftest's counters are static to a file.
 */
void run_scene_tables(const struct scene_table *const *tables, size_t nr);

static inline void run_scenes(const struct scene_case *scenes, size_t nr)
{
	const struct scene_table table = { scenes, nr }, *const tables = &table;

	run_scene_tables(&tables, 1);
}

void scene_log(struct scene_log *log, u64 val);
void scene_set_bell(struct scene *s, int bell, u64 gpa, u32 len, u32 flags);
void scene_put_code(struct scene *s, u64 offset, const char *code, size_t len);
#define SCENE_PUT_CODE(s, offset, code)	\
	scene_put_code(s, offset, code, sizeof(code) - 1)
/* A store of EBX, where the first code stores EAX: the value tells which code ran. */
#define STORE_RBX_RET	"\x89\x1a\xc3"
/* Replaces the doorbell by two: SCENE_VALUE rings the first, SCENE_RBX the other. */
void scene_tell_values(struct scene *s);
u64 *scene_pte(struct scene *s, u64 gva, int level);
bool scene_has_five_levels(void);
/* The CR3 for page tables whose level-4 table is at @gpa. */
u64 scene_root(struct kvm_vm *vm, u64 gpa);
/* Makes the doorbell's eventfd an irqfd: it interrupts the guest with SCENE_VECTOR. */
void scene_connect_irq(struct scene *s);

/* The guest's side. */
extern struct scene_log guest_scene_log;

static inline void guest_log(u64 val)
{
	scene_log(&guest_scene_log, val);
}

/*
 * The store of EAX to @gva, each from one place of its own:
 *   popf	@arg are the RFLAGS
 *   sti	in the shadow of sti; guest_plain_sti: without
 *   movss	in the shadow of a load of SS; guest_plain_movss: without
 *   stack	@arg is the stack pointer, interrupts are on
 *   code	@arg is the address of code that ends with ret; returns RAX
 */
typedef u64 guest_store_fn(u64 gva, u64 value, u64 arg);
guest_store_fn guest_store_popf, guest_store_sti, guest_plain_sti;
guest_store_fn guest_store_movss, guest_plain_movss;
guest_store_fn guest_store_stack, guest_store_code;
/* The addresses of their stores, and of the next instructions. */
extern const char guest_popf_insn[], guest_popf_end[], guest_sti_end[];
extern const char guest_movss_end[];

/*
 * "out" to SCENE_PORT, and the hypercall that does a write to MMIO_GPA: with
 * @rflags, or in the shadow of sti.
 */
#define SCENE_PORT	0x8f0
void guest_out_popf(u64 rflags, u64 port);
void guest_out_sti(u64 unused, u64 port);
void guest_vmcall_popf(u64 rflags, u64 gpa, u64 nr);
void guest_vmmcall_popf(u64 rflags, u64 gpa, u64 nr);
void guest_vmcall_sti(u64 unused, u64 gpa, u64 nr);
void guest_vmmcall_sti(u64 unused, u64 gpa, u64 nr);
extern const char guest_out_popf_end[], guest_out_sti_end[];
extern const char guest_vmcall_popf_end[], guest_vmmcall_popf_end[];
extern const char guest_vmcall_sti_end[], guest_vmmcall_sti_end[];
static inline const char *lacks_vmcall(void)
{
	return host_cpu_is_amd ? "AMD's CPUs have vmmcall" : NULL;
}

static inline const char *lacks_vmmcall(void)
{
	return host_cpu_is_amd ? NULL : "Intel's CPUs have vmcall";
}

/* Lets them ring the first doorbell, which the store has, too. */
void scene_offer_other_ways(struct scene *s);

/* Makes the place known.  The host expects exactly this number of rings. */
static inline void guest_learn(guest_store_fn *store, u64 arg)
{
	int i;

	for (i = 0; i < NR_LEARNS; i++)
		store(MMIO_GPA, SCENE_VALUE, arg);
	GUEST_SYNC(SCENE_LEARNT);
	store(MMIO_GPA, SCENE_VALUE, arg);
	GUEST_SYNC(SCENE_KNOWN);
}

/*
 * Pages and page tables, for L1 and for L2.  guest_store_smap() stores to a user
 * page three times.  Only the second store is allowed, the others log a fault.
 */
#define SCENE_USER_GVA	0xd1000000ul	/* of MMIO_GPA */
const char *lacks_smap(void);
void make_user_page(struct scene *s);
void guest_store_smap(void);
#define PF_PRESENT_WRITE	3
#define SMAP_LOG	SCENE_LOG(PF_VECTOR, PF_PRESENT_WRITE, SCENE_USER_GVA, \
				  PF_VECTOR, PF_PRESENT_WRITE, SCENE_USER_GVA)

/* Two pages of code, with different stores at the same offset. */
#define SCENE_CODE_GVA	0xd1600000ul
void put_code_in_second_page(struct scene *s);
/* Several equal ones: wherever KVM keeps what it knows of each, it must tell them apart. */
#define SCENE_OTHER_ROOTS	8
extern u64 guest_other_cr3s[SCENE_OTHER_ROOTS];
/* Makes the first of copied tables, in which SCENE_CODE_GVA is the second page. */
void make_other_tables(struct scene *s);
/* Makes all others, as copies of the first. */
void copy_other_root(struct scene *s);
void guest_switch_cr3(void);
/* Moves the memslot to other memory with other code; the old memory isn't changed. */
void vmm_moves_code(struct scene *s, u64 stage);

static inline void guest_set_cr3(u64 cr3)
{
	asm volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

/* Exception handler: log vector, error code and CR2; return from the code. */
void guest_log_fault(struct ex_regs *regs);

#endif /* SELFTEST_KVM_PV_MMIO_SCENE_H */
