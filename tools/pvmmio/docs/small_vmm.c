// SPDX-License-Identifier: GPL-2.0-only
/*
 * A whole VMM, as small as it gets: one vCPU in 64-bit mode that rings two
 * doorbells, by store and by port, 100 times each.  It says how often each
 * eventfd was signalled, and what KVM counted.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/kvm_pv_mmio.h>

#define RAM_SIZE	0x200000u	/* one page of 2 MiB, from address 0 */
#define TABLES		0x1000u
#define CODE		0x8000u
#define DOORBELL	0x400000u	/* no RAM is there */
#define PORT		0x600u
#define END_PORT	0xf4
#define RINGS		100

/* AX is written to the address in RDI, and to the port in DX. */
static const uint8_t guest[] = {
	0xb9, RINGS, 0, 0, 0,	/*    mov $RINGS, %ecx */
	0x66, 0x89, 0x07,	/* 1: mov %ax, (%rdi) */
	0x66, 0xef,		/*    out %ax, %dx */
	0xff, 0xc9,		/*    dec %ecx */
	0x75, 0xf7,		/*    jnz 1b */
	0xe6, END_PORT,		/*    out %al, $END_PORT */
};

static int kvm_ioctl(int fd, unsigned long request, void *arg, const char *what)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		err(1, "%s", what);
	return ret;
}

/* The first 8 MiB are mapped to themselves, by pages of 2 MiB. */
static void make_page_tables(uint8_t *ram)
{
	uint64_t *pml4 = (uint64_t *)(ram + TABLES);
	uint64_t *pdpt = pml4 + 512, *pd = pdpt + 512;
	uint64_t i;

	/* 3: present, writable; 0x80: a large page. */
	pml4[0] = (TABLES + 0x1000) | 3;
	pdpt[0] = (TABLES + 0x2000) | 3;
	for (i = 0; i < 4; i++)
		pd[i] = i * RAM_SIZE | 0x83;
}

static void add_ram(int vm)
{
	struct kvm_userspace_memory_region slot = { .memory_size = RAM_SIZE };
	uint8_t *ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ram == MAP_FAILED)
		err(1, "no memory for the guest");
	memcpy(ram + CODE, guest, sizeof(guest));
	make_page_tables(ram);
	slot.userspace_addr = (uintptr_t)ram;
	kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot, "KVM_SET_USER_MEMORY_REGION");
}

/* The guest may use what KVM can offer on this host; 64-bit mode is a part of it. */
static void set_cpuid(int kvm, int vcpu)
{
	struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[256]; } cpuid;

	memset(&cpuid, 0, sizeof(cpuid));
	cpuid.head.nent = 256;
	kvm_ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid, "KVM_GET_SUPPORTED_CPUID");
	kvm_ioctl(vcpu, KVM_SET_CPUID2, &cpuid, "KVM_SET_CPUID2");
}

static void set_64_bit_mode(int vcpu)
{
	struct kvm_segment code = { .limit = ~0u, .selector = 8, .type = 11, .present = 1,
				    .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .limit = ~0u, .selector = 16, .type = 3, .present = 1,
				    .s = 1, .db = 1, .g = 1 };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rax = 1, .rdi = DOORBELL, .rdx = PORT };
	struct kvm_sregs sregs;

	kvm_ioctl(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.ss = data;
	sregs.cr3 = TABLES;
	sregs.cr4 = 1 << 5;			/* PAE */
	sregs.cr0 = 1u << 31 | 1 << 5 | 1;	/* PG, NE, PE */
	sregs.efer = 1 << 10 | 1 << 8;		/* LMA, LME */
	kvm_ioctl(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	kvm_ioctl(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

/* An eventfd that two bytes of value 1 signal; @flags say whether at a port. */
static int add_doorbell(int vm, uint64_t address, uint32_t flags)
{
	struct kvm_ioeventfd bell = { .addr = address, .len = 2, .datamatch = 1 };

	bell.fd = eventfd(0, EFD_NONBLOCK);
	if (bell.fd < 0)
		err(1, "eventfd");
	bell.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | flags;
	kvm_ioctl(vm, KVM_IOEVENTFD, &bell, "KVM_IOEVENTFD");
	return bell.fd;
}

static uint64_t signals(int fd)
{
	uint64_t count = 0;

	/* None is EAGAIN, and leaves @count as it is. */
	if (read(fd, &count, sizeof(count)) < 0)
		return 0;
	return count;
}

static void run(int kvm, int vcpu)
{
	int size = kvm_ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (run == MAP_FAILED)
		err(1, "no struct kvm_run");
	kvm_ioctl(vcpu, KVM_RUN, NULL, "KVM_RUN");
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != END_PORT)
		errx(1, "unexpected exit %u", run->exit_reason);
}

/* Each counter of the vCPU whose name has one of these words in it. */
static void print_counters(int vcpu)
{
	int fd = kvm_ioctl(vcpu, KVM_GET_STATS_FD, NULL, "KVM_GET_STATS_FD");
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	uint64_t value;
	size_t size;
	uint32_t i;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		err(1, "no statistics");
	size = sizeof(*desc) + header.name_size;
	desc = malloc(size);
	for (i = 0; desc && i < header.num_desc; i++) {
		if (pread(fd, desc, size, header.desc_offset + i * size) != (ssize_t)size ||
		    pread(fd, &value, sizeof(value), header.data_offset + desc->offset) !=
		    sizeof(value))
			err(1, "statistics");
		if (strstr(desc->name, "pv_mmio") || strstr(desc->name, "doorbell") ||
		    !strcmp(desc->name, "insn_emulation"))
			printf("%s %llu\n", desc->name, (unsigned long long)value);
	}
	free(desc);
	close(fd);
}

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, vcpu, store, port;
	uint64_t stores, ports;

	if (kvm < 0)
		err(1, "/dev/kvm");
	vm = kvm_ioctl(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	kvm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	add_ram(vm);
	store = add_doorbell(vm, DOORBELL, 0);
	port = add_doorbell(vm, PORT, KVM_IOEVENTFD_FLAG_PIO);
	vcpu = kvm_ioctl(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	set_cpuid(kvm, vcpu);
	set_64_bit_mode(vcpu);
	run(kvm, vcpu);

	printf("this KVM %s stores without decoding them\n",
	       ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_PV_MMIO) == 1 ?
	       "serves" : "doesn't serve");
	stores = signals(store);
	ports = signals(port);
	printf("by store: %llu signals\nby port: %llu signals\n",
	       (unsigned long long)stores, (unsigned long long)ports);
	print_counters(vcpu);
	return stores == RINGS && ports == RINGS ? 0 : 1;
}
