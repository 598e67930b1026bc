// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode assists: the bytes of the instruction that an AMD CPU hands over with
 * a nested page fault, and when KVM takes its word for what is there.
 *
 * No emulator has them.  So this needs a kvm-amd with a fake of them, see
 * svm_pv_mmio_assists.h, which says whatever it's told to: also what is no longer
 * in memory, by which the test sees that KVM hasn't looked there.
 */
#include <fcntl.h>

#include "pv_mmio_case.h"

#define PARAMETERS	"/sys/module/kvm_amd/parameters/"
#define MAX_BYTES	15
#define EAX_VALUE	0x55667788u
#define EBX_VALUE	0x5a5a5a5au
#define STORE_EAX	"\x89\x02"		/* mov %eax,(%rdx) */
#define STORE_EBX	"\x89\x1a"
#define ZEROS		"\0\0"
/* movq $imm,disp(%rdx,%rsi,1), as long as plain stores are. */
#define LONG_STORE	"\x48\xc7\x84\x32\x00\x01\x00\x00\x44\x33\x22\x11"
#define LONG_LEN	(sizeof(LONG_STORE) - 1)
#define LONG_VALUE	0x11223344u
#define LONG_DISP	0x100

/* By what KVM comes to the instruction: what the CPU says, or memory. */
enum known_by { BY_ASSISTS, BY_MEMORY_FAST, BY_MEMORY_SLOW, BY_NOBODY };

static const struct assists_case {
	const char *name;
	bool is_absent;		/* The CPU hasn't any: what it says is nothing. */
	u8 said;		/* so many bytes */
	const char *said_code;
	const char *code;	/* in memory by then; STORE_EAX was learned */
	enum known_by known_by;
	u32 value;		/* that is stored */
} assists_cases[] = {
	{ "no assists, where memory has changed", true, MAX_BYTES, STORE_EAX, STORE_EBX,
	  BY_NOBODY, EBX_VALUE },
	{ "no assists", true, MAX_BYTES, STORE_EAX, STORE_EAX, BY_MEMORY_FAST, EAX_VALUE },
	{ "no bytes, where memory has changed", false, 0, STORE_EAX, STORE_EBX, BY_NOBODY,
	  EBX_VALUE },
	{ "no bytes", false, 0, STORE_EAX, STORE_EAX, BY_MEMORY_FAST, EAX_VALUE },
	{ "too few bytes, where memory has changed", false, 1, STORE_EAX, STORE_EBX, BY_NOBODY,
	  EBX_VALUE },
	{ "too few bytes", false, 1, STORE_EAX, STORE_EAX, BY_MEMORY_FAST, EAX_VALUE },
	{ "bytes of other code, as in memory", false, MAX_BYTES, STORE_EBX, STORE_EBX, BY_NOBODY,
	  EBX_VALUE },
	{ "bytes of other code, and memory is back", false, MAX_BYTES, STORE_EBX, STORE_EAX,
	  BY_MEMORY_SLOW, EAX_VALUE },
	{ "bytes that are 0", false, MAX_BYTES, ZEROS, STORE_EAX, BY_MEMORY_SLOW, EAX_VALUE },
	{ "bytes that are 0, where memory has changed", false, MAX_BYTES, ZEROS, STORE_EBX,
	  BY_NOBODY, EBX_VALUE },
	{ "bytes of the code", false, MAX_BYTES, STORE_EAX, STORE_EAX, BY_ASSISTS, EAX_VALUE },
	{ "bytes of the code and none after it", false, 2, STORE_EAX, STORE_EAX, BY_ASSISTS,
	  EAX_VALUE },
	{ "bytes of the code, and memory isn't asked", false, MAX_BYTES, STORE_EAX, STORE_EBX,
	  BY_ASSISTS, EAX_VALUE },
};

static void set_parameter(const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, O_WRONLY);
	TEST_ASSERT(fd >= 0 && write(fd, text, strlen(text)) == strlen(text),
		    "%s must take %s, errno %d", path, text, errno);
	close(fd);
}

/* What the CPU says from now on: @nr are the guest's, of all @bytes. */
static void say(u8 nr, const u8 *bytes)
{
	char text[128];
	int i, len;

	len = snprintf(text, sizeof(text), "%u", nr);
	for (i = 0; i < MAX_BYTES; i++)
		len += snprintf(text + len, sizeof(text) - len, ",%u", bytes[i]);
	set_parameter("fake_assists", text);
}

static void say_code(u8 nr, const char *code, size_t len)
{
	u8 bytes[MAX_BYTES];

	memset(bytes, 0x90, sizeof(bytes));
	memcpy(bytes, code, len);
	say(nr, bytes);
}

static void say_nothing(void)
{
	say_code(0, "", 0);
}

static struct access_case store_of(u32 value, enum cpu_mode mode)
{
	return (struct access_case) {
		CODE(STORE_EAX), .mode = mode,
		.regs = { .rax = EAX_VALUE, .rbx = EBX_VALUE, .rdx = MMIO_GPA },
		.bells = {
			{ DATAMATCH, 4, value == EAX_VALUE, MMIO_GPA, EAX_VALUE },
			{ DATAMATCH, 4, value == EBX_VALUE, MMIO_GPA, EBX_VALUE },
		},
	};
}

static void set_bells(struct case_vm *cvm, const struct access_case *c)
{
	int i;

	for (i = 0; i < MAX_BELLS && c->bells[i].kind; i++)
		ioeventfd_set(cvm->vm, cvm->bell_fds[i], c->bells[i].gpa, c->bells[i].len,
			      KVM_IOEVENTFD_FLAG_DATAMATCH, c->bells[i].value);
}

/* KVM knows the code at the address that this returns. */
static u64 learn(struct case_vm *cvm, struct access_case *c, const char *name)
{
	u64 rip;

	case_vm_create(cvm, NULL);
	case_begin(name);
	set_bells(cvm, c);
	say_nothing();
	rip = case_place_code(cvm, c);
	case_set_mode(cvm, c->mode);
	run_case_once(cvm, c, rip);
	run_case_once(cvm, c, rip);
	return rip;
}

static void run_known_by(struct case_vm *cvm, const struct access_case *c, u64 rip,
			 enum known_by known_by)
{
	u64 fast = read_vcpu_stat(cvm->stats_fd, cvm->fast_offset);
	u64 slow = read_vcpu_stat(cvm->stats_fd, cvm->slow_offset);
	u64 decodes = count_decodes(cvm);

	run_case_once(cvm, c, rip);
	case_expect(read_vcpu_stat(cvm->stats_fd, cvm->fast_offset) - fast,
		    known_by == BY_ASSISTS || known_by == BY_MEMORY_FAST, "pv_mmio_fast");
	case_expect(read_vcpu_stat(cvm->stats_fd, cvm->slow_offset) - slow,
		    known_by == BY_MEMORY_SLOW, "pv_mmio_slow");
	case_expect(count_decodes(cvm) - decodes, known_by == BY_NOBODY, "insn_emulation");
}

static void test_case(const struct assists_case *assists)
{
	struct access_case c = store_of(EAX_VALUE, CPL0_64BIT);
	struct case_vm cvm;
	u64 rip;

	set_parameter("has_fake_assists", assists->is_absent ? "0" : "1");
	rip = learn(&cvm, &c, assists->name);
	memcpy(addr_gpa2hva(cvm.vm, rip), assists->code, sizeof(STORE_EAX) - 1);
	say_code(assists->said, assists->said_code, sizeof(STORE_EAX) - 1);
	c = store_of(assists->value, CPL0_64BIT);
	run_known_by(&cvm, &c, rip, assists->known_by);
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "%s\n", assists->name);
}

/* Each byte of the code counts, and none of those after it. */
static void test_each_byte(void)
{
	struct access_case c = {
		CODE(LONG_STORE),
		.regs = { .rdx = MMIO_GPA - LONG_DISP },
		.bells = { { DATAMATCH, 8, 1, MMIO_GPA, LONG_VALUE } },
	};
	u8 bytes[MAX_BYTES];
	struct case_vm cvm;
	u64 rip;
	int i;

	set_parameter("has_fake_assists", "1");
	rip = learn(&cvm, &c, "each byte");
	for (i = 0; i < MAX_BYTES; i++) {
		memset(bytes, 0x90, sizeof(bytes));
		memcpy(bytes, LONG_STORE, LONG_LEN);
		bytes[i] ^= 1;
		say(MAX_BYTES, bytes);
		run_known_by(&cvm, &c, rip, i < LONG_LEN ? BY_MEMORY_SLOW : BY_ASSISTS);
	}
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "each byte of a long store\n");
}

/* Page tables say nothing more either, so it's known in each address space. */
static void test_address_space(enum cpu_mode mode, const char *name)
{
	struct access_case c = store_of(EAX_VALUE, mode);
	u64 rip, copy;
	struct case_vm cvm;

	set_parameter("has_fake_assists", "1");
	rip = learn(&cvm, &c, name);
	say_code(MAX_BYTES, STORE_EAX, sizeof(STORE_EAX) - 1);
	copy = vm_alloc_page_table(cvm.vm);
	memcpy(addr_gpa2hva(cvm.vm, copy), addr_gpa2hva(cvm.vm, cvm.sregs.cr3), PAGE_SIZE);
	cvm.sregs.cr3 = copy;
	case_set_mode(&cvm, c.mode);
	run_known_by(&cvm, &c, rip, BY_ASSISTS);
	case_vm_free(&cvm);
	ksft_test_result(case_passed(), "%s\n", name);
}

static const char *lacks_fake(void)
{
	if (access(PARAMETERS "fake_assists", W_OK))
		return "there's no kvm-amd with a fake of them";
	if (!store_has_fast_path(CPL0_64BIT))
		return "no store has a fast path here";
	return NULL;
}

#define NR_OTHER_TESTS	3

int main(void)
{
	const char *lacks;
	int i;

	ksft_print_header();
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_PV_MMIO));

	lacks = lacks_fake();
	if (lacks) {
		ksft_set_plan(1);
		ksft_test_result_skip("decode assists: %s\n", lacks);
		ksft_finished();
	}

	ksft_set_plan(ARRAY_SIZE(assists_cases) + NR_OTHER_TESTS);
	for (i = 0; i < ARRAY_SIZE(assists_cases); i++)
		test_case(&assists_cases[i]);
	test_each_byte();
	test_address_space(CPL0_64BIT, "the kernel's code in another address space");
	test_address_space(CPL3_64BIT, "user space's code in another address space");
	say_nothing();
	set_parameter("has_fake_assists", "0");
	ksft_finished();
}
