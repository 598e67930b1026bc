// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's decoder of plain stores as a program, for test_insn.py.
 *
 * usage: insn 16|32|64 SIZE <CODE
 *
 * CODE is a row of slots of SIZE bytes, each with an instruction at its start;
 * the first one's address is 0.  For each slot it prints kind and length; of a
 * store also the text that objdump has for it, its address and its value, with
 * registers that hold multiples of REGISTER.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u32 u32;
typedef __s32 s32;
typedef __s64 s64;
typedef __u64 u64;

#include "pv_mmio_insn.c"

#define REGISTER	0x123456789abcdf1ULL
#define MAX_SLOT	64

static const char *const names[4][16] = {
	{ "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil",
	  "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b" },
	{ "ax", "cx", "dx", "bx", "sp", "bp", "si", "di",
	  "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w" },
	{ "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi",
	  "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d" },
	{ "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	  "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" },
};

static unsigned long regs[16];

/*
 * The code ends where an allocation ends, so that AddressSanitizer sees whoever
 * reads beyond it.
 */
static void decode(const u8 *code, int n, enum kvm_pv_mmio_mode mode,
		   struct kvm_pv_mmio_insn *insn)
{
	static u8 *block;
	u8 *copy;

	if (!block)
		block = malloc(KVM_PV_MMIO_INSN_MAX);
	copy = block + KVM_PV_MMIO_INSN_MAX - n;
	memcpy(copy, code, n);
	kvm_pv_mmio_decode(copy, n, mode, insn);
}

static bool same(const struct kvm_pv_mmio_insn *a,
		 const struct kvm_pv_mmio_insn *b)
{
	if (a->kind != b->kind || a->len != b->len)
		return false;

	return a->kind != KVM_PV_MMIO_INSN_STORE ||
	       (a->width == b->width && a->src == b->src &&
		a->base == b->base && a->index == b->index &&
		a->shift == b->shift && a->imm == b->imm && a->disp == b->disp);
}

/* No byte less will do, and more make no difference. */
static bool needs_all(const u8 *code, enum kvm_pv_mmio_mode mode,
		      const struct kvm_pv_mmio_insn *whole)
{
	const struct kvm_pv_mmio_insn none = { KVM_PV_MMIO_INSN_OTHER };
	struct kvm_pv_mmio_insn insn;
	int n;

	for (n = 1; n < (whole->len ?: KVM_PV_MMIO_INSN_MAX); n++) {
		decode(code, n, mode, &insn);
		if (!same(&insn, &none))
			return false;
	}
	if (whole->len)
		decode(code, n, mode, &insn);
	else
		decode(code, KVM_PV_MMIO_INSN_MAX, mode, &insn);
	return same(&insn, whole);
}

static void print_address(const struct kvm_pv_mmio_insn *insn,
			  enum kvm_pv_mmio_mode mode)
{
	const char *const *reg = names[mode == KVM_PV_MMIO_MODE_64 ? 3 : 2];
	bool negative = (s64)insn->disp < 0;

	if (insn->base == KVM_PV_MMIO_NO_REG &&
	    insn->index == KVM_PV_MMIO_NO_REG) {
		printf("0x%llx",
		       insn->disp & kvm_pv_mmio_address_mask(mode));
		return;
	}
	if (insn->disp)
		printf("%s0x%llx", negative ? "-" : "",
		       negative ? -insn->disp : insn->disp);
	putchar('(');
	if (insn->base == KVM_PV_MMIO_REG_RIP)
		printf("%%rip");
	else if (insn->base != KVM_PV_MMIO_NO_REG)
		printf("%%%s", reg[insn->base]);
	if (insn->index != KVM_PV_MMIO_NO_REG)
		printf(",%%%s,%d", reg[insn->index], 1 << insn->shift);
	putchar(')');
}

static void print_store(const struct kvm_pv_mmio_insn *insn,
			enum kvm_pv_mmio_mode mode, unsigned long rip)
{
	u64 address = kvm_pv_mmio_insn_address(insn, regs, rip) &
		      kvm_pv_mmio_address_mask(mode);
	u64 value = kvm_pv_mmio_insn_value(insn, regs);
	int log = __builtin_ctz(insn->width);

	if (insn->src == KVM_PV_MMIO_NO_REG)
		printf(" mov%c $0x%llx,", "bwlq"[log], value);
	else
		printf(" mov %%%s,", names[log][insn->src]);
	print_address(insn, mode);
	if (insn->base == KVM_PV_MMIO_REG_RIP)
		printf(" # 0x%llx", address);
	printf("\t%llx\t%llx", address, value);
}

static void print_insn(const u8 *code, enum kvm_pv_mmio_mode mode,
		       unsigned long rip)
{
	static const char *const kinds[] = { "OTHER", "STORE", "LOAD" };
	struct kvm_pv_mmio_insn insn;

	/* With a byte more than an instruction can have. */
	kvm_pv_mmio_decode(code, KVM_PV_MMIO_INSN_MAX + 1, mode, &insn);
	printf("%s %d", kinds[insn.kind], insn.len);
	if (insn.kind == KVM_PV_MMIO_INSN_STORE)
		print_store(&insn, mode, rip);
	puts(needs_all(code, mode, &insn) ? "" : " and another with less bytes");
}

int main(int argc, char **argv)
{
	static u8 slot[MAX_SLOT];
	enum kvm_pv_mmio_mode mode;
	unsigned long rip = 0;
	int i, size;

	if (argc != 3)
		return 2;
	/* 16, 32 and 64 are 0, 1 and 2. */
	mode = atoi(argv[1]) / 32;
	size = atoi(argv[2]);
	if (size <= KVM_PV_MMIO_INSN_MAX || size > MAX_SLOT)
		return 2;

	for (i = 0; i < 16; i++)
		regs[i] = (i + 1) * REGISTER;
	for (; fread(slot, size, 1, stdin); rip += size)
		print_insn(slot, mode, rip);
	return 0;
}
