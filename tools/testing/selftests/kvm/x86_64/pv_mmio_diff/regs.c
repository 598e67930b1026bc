// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state in which the vCPU of a differential case starts.
 */
#include "diff.h"

#define DIFF_PCID	0x123
#define SPOILT_BASE	PAGE_SIZE
/* The last doorbells are beyond it. */
#define SPOILT_LIMIT	(DATA_GVA + 8 * STATION_SIZE - 1)
/* Of kvm_segment.type. */
#define TYPE_WRITABLE	2
#define TYPE_DOWN	4

/* Where RBX, RSI and so on point to. */
static u64 other_address(const struct diff_case *c)
{
	struct diff_case other = *c;

	switch (c->f[F_OTHER]) {
	case OTHER_VOID:
		other.f[F_PAGE] = P_VOID;
		break;
	case OTHER_RAM:
		other.f[F_PAGE] = P_RAM;
		break;
	case OTHER_OFFSET:
		other.f[F_OFFSET] ^= 8;
		break;
	}
	return diff_gva(&other);
}

static bool is_user(const struct diff_case *c)
{
	return c->f[F_MODE] == M_64_USER || c->f[F_MODE] == M_COMPAT_USER;
}

bool diff_is_64bit(const struct diff_case *c)
{
	return c->f[F_MODE] == M_64_KERNEL || c->f[F_MODE] == M_64_USER;
}

struct kvm_regs diff_regs(const struct diff_case *c, u64 rip)
{
	const u64 rdx = diff_gva(c), other = other_address(c);
	struct kvm_regs regs = {
		.rax = c->f[F_VALUE],
		.rcx = DIFF_VALUE ^ c->f[F_VALUE],
		.rdx = rdx,
		.rbx = other, .rsi = other, .rdi = other, .rbp = other,
		.r8 = other, .r9 = other, .r10 = rdx, .r11 = ~0ull,
		.r12 = other, .r13 = other, .r14 = KERNEL_DS, .r15 = ~c->f[F_VALUE],
		.rsp = SYSTEM_PAGE_GVA(PG_USER_STACK) + PAGE_SIZE / 2,
		.rip = rip - diff_lead_len(c),
		/* A run ends with port I/O, so allow that in user mode. */
		.rflags = 2 | c->f[F_RFLAGS] | (is_user(c) ? FLAG_IOPL : 0),
	};
	struct diff_code code;

	diff_code(c, rip, &code);
	diff_aim(&code, rdx, &regs);
	return regs;
}

static struct kvm_segment segment(u16 selector, u8 type, bool l)
{
	return (struct kvm_segment) {
		.selector = selector, .dpl = selector & 3, .type = type, .limit = 0xffffffff,
		.present = 1, .s = 1, .g = 1, .l = l, .db = !l,
	};
}

/* Such as KVM can't take for the whole address space. */
static void spoil_segments(struct kvm_sregs *s, enum diff_segments how)
{
	struct kvm_segment *segment =
		how == SS_HAS_BASE || how == SS_HAS_LIMIT ? &s->ss : &s->ds;

	if (how == DS_HAS_BASE || how == SS_HAS_BASE)
		segment->base = SPOILT_BASE;
	if (how == DS_HAS_LIMIT || how == SS_HAS_LIMIT)
		segment->limit = SPOILT_LIMIT;
	if (how == DS_GROWS_DOWN) {
		segment->type |= TYPE_DOWN;
		segment->limit = PAGE_SIZE - 1;
	}
	if (how == DS_IS_READ_ONLY)
		segment->type &= ~TYPE_WRITABLE;
	if (how == DS_IS_NULL)
		*segment = (struct kvm_segment) { .unusable = 1 };
}

static void set_segments(struct kvm_sregs *s, const struct diff_case *c)
{
	const bool user = is_user(c);
	u16 cs;

	if (diff_is_64bit(c))
		cs = user ? USER_CS64 : KERNEL_CS64;
	else
		cs = user ? USER_CS32 : KERNEL_CS32;
	s->cs = segment(cs, 11, diff_is_64bit(c));
	s->ds = segment(user ? USER_DS : KERNEL_DS, 3, false);
	s->es = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	s->ss = s->ds;
	spoil_segments(s, c->f[F_SEGMENTS]);
}

static void set_tables(struct kvm_sregs *s, bool pae)
{
	s->gdt.base = SYSTEM_PAGE_GVA(PG_GDT);
	s->gdt.limit = PAGE_SIZE - 1;
	s->idt.base = SYSTEM_PAGE_GVA(pae ? PG_IDT32 : PG_IDT);
	s->idt.limit = pae ? 0x7ff : 0xfff;
	s->tr = (struct kvm_segment) {
		.base = SYSTEM_PAGE_GVA(pae ? PG_TSS32 : PG_TSS), .limit = 0x67,
		.selector = TSS_SELECTOR, .type = 11, .present = 1,
	};
}

static struct kvm_sregs case_sregs(struct diff_vm *v, const struct diff_case *c,
				   enum diff_space space)
{
	const bool pae = c->f[F_MODE] == M_PAE_KERNEL;
	struct kvm_sregs s = v->sregs;

	set_segments(&s, c);
	set_tables(&s, pae);
	s.cr0 = X86_CR0_PE | X86_CR0_NE | X86_CR0_PG | X86_CR0_ET;
	if (!(c->f[F_CR] & CR_NO_WP))
		s.cr0 |= X86_CR0_WP;
	if (c->f[F_CR] & CR_AM)
		s.cr0 |= X86_CR0_AM;
	s.cr4 = X86_CR4_PAE | X86_CR4_OSFXSR;
	if ((c->f[F_CR] & CR_SMAP) && kvm_cpu_has(X86_FEATURE_SMAP))
		s.cr4 |= X86_CR4_SMAP;
	s.efer = pae ? EFER_NX : EFER_NX | EFER_LME | EFER_LMA;
	s.cr3 = SYSTEM_PAGE_GPA((pae ? PG_PAE : PG_PML4) + space);
	if (!pae && (c->f[F_CR] & CR_PCID) && kvm_cpu_has(X86_FEATURE_PCID)) {
		s.cr4 |= X86_CR4_PCIDE;
		s.cr3 |= DIFF_PCID;
	}
	s.cr2 = 0;
	return s;
}

/* Setting sregs takes long.  Most cases have those of the case before. */
void diff_set_sregs(struct diff_vm *v, const struct diff_case *c, enum diff_space space)
{
	u64 wanted = 1 | c->f[F_MODE] << 8 | c->f[F_CR] << 16 | (u64)space << 24 |
		     c->f[F_SEGMENTS] << 32;

	if (!v->is_stale && v->loaded == wanted)
		return;

	v->vcpu->run->s.regs.sregs = case_sregs(v, c, space);
	v->vcpu->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	v->loaded = wanted;
}

static void set_mmio_stack(struct diff_vm *v, const struct diff_case *c)
{
	*(u64 *)(SYSTEM_PAGE(v, PG_TSS) + 0x2c) = (diff_gva(c) & ~0xfull) + 16;
}

void diff_set_events(struct diff_vm *v, const struct diff_case *c)
{
	struct kvm_vcpu_events *events = &v->vcpu->run->s.regs.events;

	const bool sets_shadow = c->f[F_SHADOW] == SHADOW_MOV_SS ||
				 c->f[F_SHADOW] == SHADOW_STI;

	if (!v->is_stale && !sets_shadow && !c->f[F_EVENT])
		return;

	*events = v->events;
	events->flags = KVM_VCPUEVENT_VALID_SHADOW;
	if (sets_shadow)
		events->interrupt.shadow = c->f[F_SHADOW];
	if (c->f[F_EVENT]) {
		events->interrupt.injected = 1;
		events->interrupt.nr = RETURN_VECTOR;
	}
	if (c->f[F_EVENT] == EVENT_TO_MMIO) {
		events->interrupt.nr = MMIO_VECTOR;
		set_mmio_stack(v, c);
	}
	v->vcpu->run->kvm_dirty_regs |= KVM_SYNC_X86_EVENTS;
}

static u64 next_insn(const struct diff_case *c, u64 rip)
{
	struct diff_code code;

	diff_code(c, rip, &code);
	return rip + code.len;
}

static void set_dr7(struct diff_vm *v, const struct diff_case *c, u64 rip)
{
	struct kvm_debugregs regs = v->debugregs;

	switch (c->f[F_DR7]) {
	case DR7_DATA:
		regs.db[0] = diff_gva(c);
		regs.dr7 |= 0x10002;
		break;
	case DR7_STORE:
		regs.db[1] = rip;
		regs.dr7 |= 0x4;
		break;
	case DR7_NEXT:
		regs.db[2] = next_insn(c, rip);
		regs.dr7 |= 0x20;
		break;
	case DR7_ELSEWHERE:
		regs.db[3] = SYSTEM_PAGE_GVA(PG_SPARE);
		regs.dr7 |= 0x40;
		break;
	}
	vcpu_debugregs_set(v->vcpu, &regs);
}

static void set_guest_debug(struct diff_vm *v, const struct diff_case *c, u64 rip)
{
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE };

	switch (c->f[F_DEBUG]) {
	case DEBUG_STEP:
		debug.control |= KVM_GUESTDBG_SINGLESTEP;
		break;
	case DEBUG_NEXT:
		debug.control |= KVM_GUESTDBG_USE_HW_BP;
		debug.arch.debugreg[0] = next_insn(c, rip);
		debug.arch.debugreg[7] = 0x402;
		break;
	case DEBUG_STORE:
		debug.control |= KVM_GUESTDBG_USE_HW_BP;
		debug.arch.debugreg[0] = rip;
		debug.arch.debugreg[7] = 0x402;
		break;
	}
	vcpu_guest_debug_set(v->vcpu, &debug);
}

/* Sets the breakpoints of the guest and of the VMM. */
void diff_set_debug(struct diff_vm *v, const struct diff_case *c, u64 rip, bool on)
{
	struct kvm_guest_debug none = {};

	if (c->f[F_DR7] && on)
		set_dr7(v, c, rip);
	else if (c->f[F_DR7] || (c->f[F_RFLAGS] & FLAG_TF))
		vcpu_debugregs_set(v->vcpu, &v->debugregs);

	if (c->f[F_DEBUG] && on)
		set_guest_debug(v, c, rip);
	else if (c->f[F_DEBUG])
		vcpu_guest_debug_set(v->vcpu, &none);
}
