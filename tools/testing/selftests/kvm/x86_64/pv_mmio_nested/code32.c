// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stores of L2's 32-bit code: L2's own segments decide whether they are known ones.
 */
#include "nested.h"

#define BASE		0x1000	/* of segments that have one */
/*
 * mov %eax,LOW_GVA; in 64-bit code that's relative to the next instruction, and the
 * address is RELATIVE_GVA.
 */
#define STORE_LOW	"\x89\x05\x00\x00\x00\x70\xcb"
#define STORE_LEN	6
#define LOW_GVA		0x70000000ul
#define RELATIVE_GVA	(SCENE_CODE_GPA + STORE_LEN + LOW_GVA)

/* After those that the library has. */
enum { FLAT_CODE = 32, BASED_CODE, LONG_CODE, FLAT_DATA, BASED_DATA, SHORT_DATA };
#define SELECTOR(nr)	((nr) * sizeof(u64))

static const struct {
	int nr;
	u64 descriptor;
} segments[] = {
	{ FLAT_CODE,	0x00cf9b000000ffff },
	{ BASED_CODE,	0x00cf9b001000ffff },
	{ LONG_CODE,	0x00af9b000000ffff },
	{ FLAT_DATA,	0x00cf93000000ffff },
	{ BASED_DATA,	0x00cf93001000ffff },
	/* All but the last page. */
	{ SHORT_DATA,	0x00cf93000000fffe },
};

/* Code to call with a DS of its own; the first two members are what lcall takes. */
struct far_code {
	u32 eip;
	u16 cs;
	u16 ds;
};

/* Has the prototype of guest_store_fn; @arg is the far_code, which ends with lret. */
static u64 store_far(u64 gva, u64 value, u64 arg)
{
	u16 ds;

	asm volatile("mov %%ds, %[ds]\n\t"
		     "mov %c[new_ds](%[far]), %%ds\n\t"
		     "lcall *(%[far])\n\t"
		     "mov %[ds], %%ds"
		     : "+a"(value), [ds] "=&r"(ds)
		     : "d"(gva), [far] "r"(arg), [new_ds] "i"(offsetof(struct far_code, ds))
		     : "memory");
	return value;
}

/* L2 makes the store known in flat segments, then does it in other ones. */
static void l2_store_in(u32 eip, int code, int data)
{
	struct far_code flat = { SCENE_CODE_GPA, SELECTOR(FLAT_CODE), SELECTOR(FLAT_DATA) };
	struct far_code other = { eip, SELECTOR(code), SELECTOR(data) };

	guest_learn(store_far, (u64)&flat);
	guest_log(store_far(MMIO_GPA, SCENE_VALUE, (u64)&other));
	GUEST_DONE();
}

static void l2_flat(void)
{
	l2_store_in(SCENE_CODE_GPA, FLAT_CODE, FLAT_DATA);
}

/* The known place, by another EIP. */
static void l2_cs_has_base(void)
{
	l2_store_in(SCENE_CODE_GPA - BASE, BASED_CODE, FLAT_DATA);
}

/* The known place with its registers, but the store goes to FAR_GPA. */
static void l2_ds_has_base(void)
{
	l2_store_in(SCENE_CODE_GPA, FLAT_CODE, BASED_DATA);
}

static void l2_ds_has_limit(void)
{
	l2_store_in(SCENE_CODE_GPA, FLAT_CODE, SHORT_DATA);
}

/* The known bytes, which mean another address there. */
static void l2_is_64bit(void)
{
	l2_store_in(SCENE_CODE_GPA, LONG_CODE, FLAT_DATA);
}

static void guest_flat(void)
{
	l1_prepare(l2_flat);
	l1_end();
}

static void guest_flat_without_tdp(void)
{
	l1_use_tdp(false);
	guest_flat();
}

static void guest_cs_has_base(void)
{
	l1_prepare(l2_cs_has_base);
	l1_end();
}

static void guest_ds_has_base(void)
{
	l1_prepare(l2_ds_has_base);
	l1_end();
}

static void guest_ds_has_limit(void)
{
	l1_prepare(l2_ds_has_limit);
	l1_end();
}

static void guest_64bit(void)
{
	l1_prepare(l2_is_64bit);
	l1_end();
}

static void create(struct scene *s)
{
	struct kvm_sregs sregs;
	u64 *gdt;
	int i;

	l2_create(s->vm);
	vcpu_sregs_get(s->vcpu, &sregs);
	gdt = addr_gva2hva(s->vm, sregs.gdt.base);
	for (i = 0; i < ARRAY_SIZE(segments); i++)
		gdt[segments[i].nr] = segments[i].descriptor;
	SCENE_PUT_CODE(s, 0, "\x89\x02\xcb");
	scene_set_bell(s, 1, FAR_GPA, 4, 0);
}

static void create_low(struct scene *s)
{
	create(s);
	SCENE_PUT_CODE(s, 0, STORE_LOW);
	virt_pg_map(s->vm, LOW_GVA, MMIO_GPA);
	virt_pg_map(s->vm, RELATIVE_GVA & PAGE_MASK, FAR_GPA);
	scene_set_bell(s, 1, FAR_GPA + RELATIVE_GVA % PAGE_SIZE, 4, 0);
}

#define SCENE_32(...)	.lacks = l2_lacks_cpu, SCENE_LOG(SCENE_VALUE), __VA_ARGS__

static const struct scene_case scenes[] = {
	{ "from L2's 32-bit code", guest_flat, create,
	  SCENE_32(.decode = DECODE_NEVER, .rings = { 1 }) },
	{ "from L2's 32-bit code, L1 without nested paging", guest_flat_without_tdp, create,
	  SCENE_32(.decode = DECODE_NEVER, .rings = { 1 }) },
	{ "L2's CS has a base", guest_cs_has_base, create,
	  SCENE_32(.decode = DECODE_ALWAYS, .rings = { 1 }) },
	{ "L2's DS has a base", guest_ds_has_base, create,
	  SCENE_32(.decode = DECODE_ALWAYS, .rings = { 0, 1 }) },
	{ "L2's DS has a limit", guest_ds_has_limit, create,
	  SCENE_32(.decode = DECODE_ALWAYS, .rings = { 1 }) },
	{ "64-bit code where L2's 32-bit store was", guest_64bit, create_low,
	  SCENE_32(.decode = DECODE_ALWAYS, .rings = { 0, 1 }) },
};

const struct scene_table nested_code32_scenes = { scenes, ARRAY_SIZE(scenes) };
