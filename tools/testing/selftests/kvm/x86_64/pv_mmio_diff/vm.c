// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM of a differential case: its page tables, descriptors and devices.
 * All of them are there from the start, so that a case need only pick some.
 */
#include <assert.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "pv_mmio_case.h"
#include "diff.h"

#define ROM_SLOT	2
#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_AD		(BIT_ULL(5) | BIT_ULL(6))

#define BELL(at, len, values)	{ true, at, len, values }
#define POSTS(len, values, posts)	{ true, 0, len, values, posts }

const struct station stations[NR_STATIONS] = {
	{ "any value", { BELL(0, 1, 0), BELL(0, 2, 0), BELL(0, 4, 0), BELL(0, 8, 0) } },
	{ "nothing" },
	{ "length 0", { BELL(0, 0, 0) } },
	{ "DATAMATCH", { BELL(0, 1, 1), BELL(0, 2, 1), BELL(0, 4, 1), BELL(0, 8, 1) } },
	{ "several DATAMATCH",
	  { BELL(0, 1, DIFF_VALUES), BELL(0, 2, DIFF_VALUES), BELL(0, 4, DIFF_VALUES),
	    BELL(0, 8, DIFF_VALUES) } },
	{ "4 bytes", { BELL(0, 4, 0) } },
	{ "8 bytes over 4", { BELL(0, 8, 0), BELL(4, 4, 0) } },
	{ "length 0, then 4 bytes", { BELL(0, 0, 0), BELL(4, 4, 0) } },
	{ "coalesced, then any value", { BELL(0, 4, 0), BELL(0, 8, 0) }, COALESCED_FIRST },
	{ "any value, then coalesced", { BELL(0, 4, 0), BELL(0, 8, 0) }, COALESCED_LAST },
	{ "coalesced", {}, COALESCED_FIRST },
	{ "1 byte, 8 bytes of one value", { BELL(0, 1, 0), BELL(0, 8, 1) } },
	{ "any value at 8", { BELL(8, 1, 0), BELL(8, 2, 0), BELL(8, 4, 0), BELL(8, 8, 0) } },
	{ "DATAMATCH beyond its length", { BELL(0, 2, 1), BELL(0, 4, 1) }, .wide = true },
	{ "any value, posted",
	  { POSTS(1, 0, POST_SIGNAL), POSTS(2, 0, POST_SIGNAL), POSTS(4, 0, POST_SIGNAL),
	    POSTS(8, 0, POST_SIGNAL) } },
	{ "DATAMATCH, posted",
	  { POSTS(1, 1, POST_SIGNAL), POSTS(2, 1, POST_SIGNAL), POSTS(4, 1, POST_SIGNAL),
	    POSTS(8, 1, POST_SIGNAL) } },
	{ "any value, posted to nobody",
	  { POSTS(1, 0, POST_NOBODY), POSTS(2, 0, POST_NOBODY), POSTS(4, 0, POST_NOBODY),
	    POSTS(8, 0, POST_NOBODY) } },
	{ "posted to who is awake or asleep",
	  { POSTS(1, 0, POST_AWAKE), POSTS(2, 0, POST_ASLEEP), POSTS(4, 0, POST_AWAKE),
	    POSTS(8, 0, POST_ASLEEP) } },
	{ "posted to where nothing is",
	  { POSTS(1, 0, POST_LOST), POSTS(2, 0, POST_LOST_WAKE), POSTS(4, 1, POST_LOST),
	    POSTS(8, 0, POST_LOST_WAKE) } },
	/* These are at the page's last bytes, see station_gpa(). */
	{ "end of the page", { BELL(0, 8, 0), BELL(4, 4, 0), BELL(6, 2, 0), BELL(7, 1, 0) } },
};

static u64 station_gpa(unsigned int station)
{
	return station == NR_STATIONS - 1 ? DIFF_MMIO_GPA + PAGE_SIZE - 8 :
					    DIFF_MMIO_GPA + station * STATION_SIZE;
}

static void set_zone(struct diff_vm *v, unsigned int station, int when)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = station_gpa(station), .size = 8 };

	if (stations[station].zone == when)
		vm_ioctl(v->vm, KVM_REGISTER_COALESCED_MMIO, &zone);
}

/* At these addresses something else gets a store first, or it never gets to KVM's bus. */
static void create_shadowed_bells(struct diff_vm *v)
{
	static const u64 gpas[] = {
		DIFF_LAPIC_GPA + 0x80, DIFF_LAPIC_GPA + 0xf0, DIFF_LAPIC_GPA + 0x20,
		DIFF_IOAPIC_GPA, DIFF_IOAPIC_GPA + 0x10, SYSTEM_PAGE_GPA(PG_RAM), DIFF_ROM_GPA,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(gpas); i++)
		ioeventfd_set(v->vm, v->bell_fds[v->nr_bells++], gpas[i], 4, 0, 0);
	/* This one crosses into the next page. */
	ioeventfd_set(v->vm, v->bell_fds[v->nr_bells++], DIFF_MMIO_GPA + PAGE_SIZE - 2, 4, 0, 0);
}

static u64 wake_addr(struct diff_vm *v, enum diff_post posts)
{
	return posts == POST_LOST_WAKE ? (u64)v->lost : (u64)&v->words[posts];
}

static void set_bell(struct diff_vm *v, unsigned int station, const struct station_bell *bell,
		     unsigned int nr, u32 value, u32 flags)
{
	const bool wakes = bell->posts == POST_AWAKE || bell->posts == POST_ASLEEP ||
			   bell->posts == POST_LOST_WAKE;
	const u64 mask = WIDTH_MASK(stations[station].wide ? 8 : bell->len ?: 8);
	struct kvm_ioeventfd_post args = {
		.datamatch = (DIFF_VALUE + value) & mask,
		.addr = station_gpa(station) + bell->at,
		.len = bell->len,
		.fd = bell->posts == POST_NOBODY ? -1 : v->bell_fds[nr],
		.flags = flags | (bell->values ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
	};

	if (bell->posts)
		args.flags |= KVM_IOEVENTFD_FLAG_POST | (wakes ? KVM_IOEVENTFD_FLAG_WAKE : 0);
	args.post_addr = bell->posts == POST_LOST ? (u64)v->lost : (u64)&v->slots[nr].value;
	args.wake_addr = wake_addr(v, bell->posts);
	vm_ioctl(v->vm, KVM_IOEVENTFD, (struct kvm_ioeventfd *)&args);
}

static unsigned int set_bells(struct diff_vm *v, unsigned int station, unsigned int first,
			      u32 flags)
{
	const struct station_bell *bell = stations[station].bells;
	unsigned int i;
	u32 value;

	for (i = 0; i < ARRAY_SIZE(stations->bells); i++, bell++) {
		if (!bell->used)
			break;
		for (value = 0; value < max_t(u32, bell->values, 1); value++)
			set_bell(v, station, bell, first++, value, flags);
	}
	return first;
}

void diff_vm_bell(struct diff_vm *v, unsigned int station, bool on)
{
	unsigned int i, first = 0;

	for (i = 0; i < station; i++)
		first += v->bells_of[i];
	set_bells(v, station, first, on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void *map_page(int protection)
{
	void *page = mmap(NULL, PAGE_SIZE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TEST_ASSERT(page != MAP_FAILED, "mmap() must succeed, errno %d", errno);
	return page;
}

/* Both VMs' slots lie in the same process. */
static void create_slots(struct diff_vm *v)
{
	static_assert(sizeof(struct diff_slot) * MAX_BELLS_IN_ALL <= PAGE_SIZE,
		      "all slots must fit into their page");

	v->slots = map_page(PROT_READ | PROT_WRITE);
	v->words = map_page(PROT_READ | PROT_WRITE);
	v->lost = map_page(PROT_NONE);
	v->words[POST_ASLEEP] = 1;
}

static void free_slots(struct diff_vm *v)
{
	munmap(v->slots, PAGE_SIZE);
	munmap(v->words, PAGE_SIZE);
	munmap(v->lost, PAGE_SIZE);
}

static void create_devices(struct diff_vm *v)
{
	struct epoll_event event = { .events = EPOLLIN };
	unsigned int i, end;

	v->epoll_fd = epoll_create1(0);
	for (i = 0; i < MAX_BELLS_IN_ALL; i++) {
		v->bell_fds[i] = eventfd_create();
		event.data.u32 = i;
		epoll_ctl(v->epoll_fd, EPOLL_CTL_ADD, v->bell_fds[i], &event);
	}
	for (i = 0; i < NR_STATIONS; i++) {
		set_zone(v, i, COALESCED_FIRST);
		end = set_bells(v, i, v->nr_bells, 0);
		v->bells_of[i] = end - v->nr_bells;
		v->nr_bells = end;
		set_zone(v, i, COALESCED_LAST);
	}
	create_shadowed_bells(v);
	TEST_ASSERT(v->nr_bells <= MAX_BELLS_IN_ALL, "there must be an eventfd for every bell");
}

u64 diff_gva(const struct diff_case *c)
{
	u64 gva = DATA_GVA + c->f[F_MAP] * DATA_WINDOW + c->f[F_PAGE] * PAGE_SIZE + c->f[F_OFFSET];

	return c->f[F_HIGH] ? gva + HIGH_HALF : gva;
}

static const u64 data_gpas[NR_PAGES] = {
	[P_BELL] = DIFF_MMIO_GPA, [P_VOID] = DIFF_MMIO_GPA + PAGE_SIZE,
	[P_ROM] = DIFF_ROM_GPA, [P_RAM] = SYSTEM_PAGE_GPA(PG_RAM),
	[P_BELL_AGAIN] = DIFF_MMIO_GPA, [P_IOAPIC] = DIFF_IOAPIC_GPA,
	[P_LAPIC] = DIFF_LAPIC_GPA,
};

static u64 *table(struct diff_vm *v, unsigned int page)
{
	return (u64 *)SYSTEM_PAGE(v, page);
}

static u64 pointer(unsigned int page)
{
	return SYSTEM_PAGE_GPA(page) | PTE_AD | PTE_U | PTE_W | PTE_P;
}

static void map_system(struct diff_vm *v, u64 *pt, unsigned int code)
{
	unsigned int i;

	for (i = 0; i < PG_CODE; i++)
		pt[i] = pointer(i) & ~PTE_U;
	pt[PG_USER_STACK] |= PTE_U;
	for (i = 0; i < NR_CODE_PAGES; i++)
		pt[PG_CODE + i] = pointer(code + i);
}

/* @turn: by how many pages they are rotated. */
static void map_data(struct diff_vm *v, u64 *pt, enum diff_map map, unsigned int turn)
{
	u64 flags = map == MAP_NONE ? 0 : PTE_P | PTE_AD;
	int i;

	if (map == MAP_KERNEL || map == MAP_USER)
		flags |= PTE_W;
	if (map == MAP_USER || map == MAP_USER_RO)
		flags |= PTE_U;
	for (i = 0; i < NR_PAGES; i++)
		pt[i] = data_gpas[(i + turn) % NR_PAGES] | flags;
}

static void create_set(struct diff_vm *v, unsigned int set)
{
	const unsigned int data = set == SET_DATA ? PG_OTHER_DATA_PT : PG_DATA_PT;
	const unsigned int pt = PG_PT + (set == SET_CODE);
	unsigned int map;

	table(v, PG_PDPT + set)[SYSTEM_GVA >> 30] = pointer(PG_PD + set);
	table(v, PG_PDPT + set)[(SYSTEM_GVA + HIGH_HALF) >> 30 & 511] = pointer(PG_PD + set);
	table(v, PG_PD + set)[0] = pointer(pt);
	for (map = 0; map < NR_MAPS; map++)
		table(v, PG_PD + set)[1 + map] = pointer(data + map);
}

/* For long mode and for PAE. */
static void create_space(struct diff_vm *v, enum diff_space space, unsigned int set)
{
	table(v, PG_PML4 + space)[0] = pointer(PG_PDPT + set);
	table(v, PG_PML4 + space)[511] = pointer(PG_PDPT + set);
	table(v, PG_PAE + space)[SYSTEM_GVA >> 30] = SYSTEM_PAGE_GPA(PG_PD + set) | PTE_P;
}

static void create_page_tables(struct diff_vm *v)
{
	static const u8 sets[NR_SPACES] = {
		[SPACE_OWN] = SET_OWN, [SPACE_CODE] = SET_CODE, [SPACE_DATA] = SET_DATA,
		[SPACE_COPY] = SET_OWN,
	};
	unsigned int i;

	for (i = 0; i < NR_SPACES; i++)
		create_space(v, i, sets[i]);
	for (i = 0; i < NR_SETS; i++)
		create_set(v, i);
	map_system(v, table(v, PG_PT), PG_CODE);
	map_system(v, table(v, PG_PT + 1), PG_OTHER_CODE);
	for (i = 0; i < NR_MAPS; i++) {
		map_data(v, table(v, PG_DATA_PT + i), i, 0);
		map_data(v, table(v, PG_OTHER_DATA_PT + i), i, P_RAM);
	}
}

u64 *diff_code_pte(struct diff_vm *v, unsigned int page)
{
	return table(v, PG_PT) + PG_CODE + page;
}

static void create_gdt(struct diff_vm *v)
{
	u64 *gdt = table(v, PG_GDT);

	gdt[KERNEL_CS64 / 8] = 0x00af9b000000ffffull;
	gdt[KERNEL_DS / 8] = 0x00cf93000000ffffull;
	gdt[KERNEL_CS32 / 8] = 0x00cf9b000000ffffull;
	gdt[USER_CS32 / 8] = 0x00cffb000000ffffull;
	gdt[USER_DS / 8] = 0x00cff3000000ffffull;
	gdt[USER_CS64 / 8] = 0x00affb000000ffffull;
}

static void create_stub(char *stub, unsigned int vector, bool is_64bit)
{
	const u8 port = vector < 32 ? VECTOR_PORT + vector : OTHER_PORT;

	if (vector == RETURN_VECTOR || vector == MMIO_VECTOR)
		memcpy(stub, is_64bit ? "\x48\xcf" : "\xcf", 2);	/* iret */
	else
		memcpy(stub, (u8 []) { 0xe6, port }, 2);
}

static void create_gates(struct diff_vm *v)
{
	u64 *idt = table(v, PG_IDT), *idt32 = table(v, PG_IDT32), stub;
	unsigned int vector, at;

	for (vector = 0; vector < 256; vector++) {
		at = vector * 8;
		stub = SYSTEM_PAGE_GVA(PG_STUBS) + at;
		create_stub(SYSTEM_PAGE(v, PG_STUBS) + at, vector, true);
		create_stub(SYSTEM_PAGE(v, PG_STUBS) + at + 4, vector, false);
		idt[2 * vector] = (stub & 0xffff) | KERNEL_CS64 << 16 | (stub >> 16) << 48 |
				  0x8e00ull << 32 | (vector == MMIO_VECTOR ? 2ull : 1ull) << 32;
		stub += 4;
		idt32[vector] = (stub & 0xffff) | KERNEL_CS32 << 16 | (stub >> 16) << 48 |
				0x8e00ull << 32;
	}
	/* IST1, where every handler of long mode has its stack. */
	*(u64 *)(SYSTEM_PAGE(v, PG_TSS) + 0x24) = SYSTEM_PAGE_GVA(PG_STACK + 1);
}

static void create_memory(struct diff_vm *v)
{
	vm_userspace_mem_region_add(v->vm, VM_MEM_SRC_ANONYMOUS, SYSTEM_GPA, 1, NR_SYSTEM_PAGES, 0);
	vm_userspace_mem_region_add(v->vm, VM_MEM_SRC_ANONYMOUS, DIFF_ROM_GPA, ROM_SLOT, 1,
				    KVM_MEM_READONLY);
	v->system = addr_gpa2hva(v->vm, SYSTEM_GPA);
	v->rom = addr_gpa2hva(v->vm, DIFF_ROM_GPA);
	create_page_tables(v);
	create_gdt(v);
	create_gates(v);
}

void diff_vm_create(struct diff_vm *v, bool pv)
{
	memset(v, 0, sizeof(*v));
	v->name = pv ? "pv" : "stock";
	v->vm = vm_create_with_one_vcpu(&v->vcpu, NULL);
	vm_enable_cap(v->vm, KVM_CAP_X86_PV_MMIO, pv);
	create_memory(v);
	create_slots(v);
	create_devices(v);
	v->ring = (void *)v->vcpu->run + vm_check_cap(v->vm, KVM_CAP_COALESCED_MMIO) * PAGE_SIZE;
	v->stats_fd = vcpu_get_stats_fd(v->vcpu);
	v->decodes_offset = find_vcpu_stat(v->stats_fd, "insn_emulation");
	v->fast_offset = find_vcpu_stat(v->stats_fd, "pv_mmio_fast");
	v->slow_offset = find_vcpu_stat(v->stats_fd, "pv_mmio_slow");
	v->faults_offset = find_vcpu_stat(v->stats_fd, "ioeventfd_post_faults");
	vcpu_sregs_get(v->vcpu, &v->sregs);
	vcpu_events_get(v->vcpu, &v->events);
	vcpu_debugregs_get(v->vcpu, &v->debugregs);
	vcpu_ioctl(v->vcpu, KVM_GET_LAPIC, &v->lapic);
	v->ioapic.chip_id = KVM_IRQCHIP_IOAPIC;
	vm_ioctl(v->vm, KVM_GET_IRQCHIP, &v->ioapic);
	v->is_stale = true;
}

void diff_vm_free(struct diff_vm *v)
{
	int i;

	for (i = 0; i < MAX_BELLS_IN_ALL; i++)
		close(v->bell_fds[i]);
	close(v->epoll_fd);
	close(v->stats_fd);
	kvm_vm_free(v->vm);
	free_slots(v);
}
