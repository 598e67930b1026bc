# SPDX-License-Identifier: GPL-2.0-only
"""KVM's decoder of plain stores on this host, with sanitizers, beside objdump."""
import random
import re
import subprocess
import tempfile
import unittest
from collections import Counter
from itertools import product
from pathlib import Path

from pvmmio import REPO
from pvmmio.jobs.test import sanitized

MACHINES = {64: "i386:x86-64", 32: "i386", 16: "i8086"}
SLOT = 16
LONGEST = 15
SEED = 0x5eed
# As insn.c has it.
REGISTER = 0x123456789abcdf1
MASKS = {64: 2**64 - 1, 32: 2**32 - 1}

BYTES = "al cl dl bl spl bpl sil dil".split() + [f"r{n}b" for n in range(8, 16)]
QUADS = "rax rcx rdx rbx rsp rbp rsi rdi".split() + [f"r{n}" for n in range(8, 16)]
WORDS = [name[1:] for name in QUADS[:8]] + [f"{name}w" for name in QUADS[8:]]
LONGS = [f"e{name}" for name in WORDS[:8]] + [f"{name}d" for name in QUADS[8:]]
NUMBERS = {f"%{name}": number for names in (BYTES, WORDS, LONGS, QUADS)
           for number, name in enumerate(names)}
WIDTHS = {f"%{name}": width for names, width in
          ((BYTES, 1), (WORDS, 2), (LONGS, 4), (QUADS, 8)) for name in names}
# What an address may be made of, by mode.
REGISTERS = {64: {f"%{name}": (number + 1) * REGISTER for number, name in enumerate(QUADS)},
             32: {f"%{name}": (number + 1) * REGISTER for number, name in enumerate(LONGS[:8])}}
INDICES = {64: {None, *REGISTERS[64]} - {"%rsp"}, 32: {None, *REGISTERS[32]} - {"%esp"}}
NO_INDEX = {64: "%riz", 32: "%eiz"}
BASES = {64: INDICES[64] | {"%rip"}, 32: INDICES[32]}
GPRS = set(NUMBERS) | {"%ah", "%ch", "%dh", "%bh"}
RSP = {name for name, number in NUMBERS.items() if number == 4}

# What objdump has for prefixes that it doesn't show in an operand.
PREFIX_WORD = re.compile(r"(?:rex(?:\.\w+)?|data16|data32|addr16|addr32|lock|repn?z?|bnd|notrack"
                         r"|xacquire|xrelease|[c-gs]s)$")
HARMLESS = re.compile(r"(?:(?:rex(?:\.\w+)?|data16) )*")
STORE = re.compile(r"mov(?:abs)?(?P<suffix>[bwlq]?) (?P<src>%\w+|\$\w+),"
                   r"(?P<disp>-?0x\w+)?"
                   r"(?:\((?P<base>%[er]\w+)?(?:,(?P<index>%[er]\w+),(?P<scale>\d))?\))?"
                   r"(?P<note> # 0x\w+)?$")
SUFFIXES = {"b": 1, "w": 2, "l": 4, "q": 8}
TO_REGISTER = re.compile(r"(?:mov|movabs|movsxd|movz[bw][wlq]|movs[bwl][wlq]|movbe|cmov\w+|add|or"
                         r"|adc|sbb|and|sub|xor|imul|bsf|bsr|tzcnt|lzcnt)$")
ANYWHERE = re.compile(r"(?:cmp|test|mul|imul|div|idiv|bt)[bwlq]?$")
OPERAND = re.compile(r"(?:[^,(]|\([^)]*\))+")

PREFIXES = [bytes.fromhex(text) for text in
            ("", "66", "6666", "67", "26", "2e", "36", "3e", "64", "65", "f0", "f2", "f3")]
ALLOWED, REFUSED = PREFIXES[:3], PREFIXES[3:]
PREFIX_BYTES = set(b"".join(PREFIXES))
REXES = [b"", *(bytes([0x40 + bits]) for bits in range(16))]
# For each opcode, the bytes of its immediate: in all, with 66, with REX.W.
STORES = {b"\x88": (0, 0, 0), b"\x89": (0, 0, 0), b"\xc6": (1, 1, 1), b"\xc7": (4, 2, 4)}
MOFFS = [bytes([opcode]) for opcode in range(0xa0, 0xa4)]
LOADS = [bytes([opcode]) for opcode in
         (*(first + more for first in range(0, 0x38, 8) for more in (2, 3)), *range(0x38, 0x3c),
          0x63, 0x69, 0x6b, 0x80, 0x81, 0x83, 0x84, 0x85, 0x8a, 0x8b, 0xf6, 0xf7)]
LOADS += [bytes([0x0f, opcode]) for opcode in
          (*range(0x40, 0x50), 0xa3, 0xaf, 0xb6, 0xb7, 0xb8, 0xba, 0xbc, 0xbd, 0xbe, 0xbf)]
LOADS += [b"\x0f\x38\xf0"]
# 82 is another 80 outside of 64-bit mode, which nobody emits and the decoder leaves alone.
OPCODES = [first + bytes([last]) for first in (b"", b"\x0f", b"\x0f\x38", b"\x0f\x3a")
           for last in range(256) if first or last != 0x82]


def padded(code, size=SLOT):
    """For CODE whose length isn't told: one-byte nops lead objdump to the next slot."""
    return code + b"\x90" * (size - len(code))


def displacement(modrm, sib):
    mod, base = modrm >> 6, (modrm if sib is None else sib) & 7
    size = 1 if mod == 1 else 4 if mod == 2 or (mod == 0 and base == 5) else 0
    # Of both signs.
    last = (modrm * 37 + (sib or 0) * 91) & 0xff
    return bytes([0x11, 0x22, 0x33, last])[4 - size:]


def addresses(sibs):
    """Each ModRM byte, with SIB and displacement where it has one."""
    for modrm in range(256):
        has_sib = modrm >> 6 != 3 and modrm & 7 == 4
        for sib in sibs if has_sib else [None]:
            yield (bytes([modrm]) + (b"" if sib is None else bytes([sib])) +
                   displacement(modrm, sib))


ADDRESSES = list(addresses(range(256)))
# Where the decoder doesn't look at SIB.
FEW_ADDRESSES = list(addresses((0x00, 0x25, 0xe4)))


def fill(size):
    """One instruction of SIZE bytes, as objdump takes its time for each."""
    short = ["", "90", "6690", "0f1f00", "0f1f4000", "0f1f440000", "660f1f440000",
             "0f1f8000000000", "0f1f840000000000"]
    if size < len(short):
        return bytes.fromhex(short[size])
    return b"\x66" * (size - 8) + bytes.fromhex(short[8])


FILL = [fill(size) for size in range(SLOT)]


def store_slots(opcode, prefix, rex, at):
    plain, with_66, with_w = STORES[opcode]
    wide = rex and rex[0] & 8
    size = with_w if wide else with_66 if b"\x66" in prefix else plain
    for address in at:
        # Other reg fields make C6 and C7 no instruction, for which objdump has no length.
        if size and address[0] & 0x38:
            continue
        imm = bytes([0x41, 0x52, 0x63, address[0] ^ 0x80])[4 - size:]
        code = prefix + rex + opcode + address + imm
        yield code + FILL[SLOT - len(code)]


def count_prefixes(code, mode):
    """How many bytes CODE begins with that are prefixes, REX included."""
    at = 0
    while code[at] in PREFIX_BYTES or (mode == 64 and code[at] & 0xf0 == 0x40):
        at += 1
    return at


def looked_at(code, mode):
    """How many bytes tell that CODE is a load."""
    at = count_prefixes(code, mode)
    if code[at] in (0xa0, 0xa1):
        return at + 1
    return at + 2 + (code[at] == 0x0f) + (code[at:at + 2] == b"\x0f\x38")


def is_repnz_bsf(head):
    """objdump doesn't know that F2 makes no difference to bsf and bsr."""
    prefixes, opcode, modrm = head[:-3], head[-3:-1], head[-1]
    return (opcode in (b"\x0f\xbc", b"\x0f\xbd") and modrm < 0xc0 and b"\xf2" in prefixes and
            b"\xf0" not in prefixes)


def words_of(text):
    """Prefixes, and the instruction without them."""
    words = text.split()
    count = 0
    while count < len(words) and PREFIX_WORD.match(words[count]):
        count += 1
    return words[:count], words[count:]


def is_load(text):
    prefixes, words = words_of(text)
    if len(words) < 2 or "lock" in prefixes or "(bad)" in words[1]:
        return False
    # There is no such thing, which objdump misses if a REX without effect follows.
    if words[0] == "movbe" and any(prefix.startswith("rep") for prefix in prefixes):
        return False
    operands = OPERAND.findall(words[1])
    if all(operand[0] == "$" or operand[0] == "%" and ":" not in operand for operand in operands):
        return False
    return bool(ANYWHERE.match(words[0]) or
                TO_REGISTER.match(words[0]) and operands[-1] in GPRS)


def without_riz(text, mode):
    """objdump's name for no index: without a base either, it's just an address."""
    text = re.sub(f",{NO_INDEX[mode]},\\d", "", text)
    return re.sub(r"(-?0x\w+)\(\)", lambda match: hex(int(match[1], 16) & MASKS[mode]), text)


def plain_store(text, mode):
    """The text without objdump's whims and its parts, if the decoder is to take that store."""
    text = " ".join(text.split())
    text = text[HARMLESS.match(text).end():]
    if NO_INDEX[mode] in text:
        text = without_riz(text, mode)
    parts = STORE.match(text)
    if (not parts or parts["src"] in RSP or parts["base"] not in BASES[mode] or
            parts["index"] not in INDICES[mode] or
            (parts["src"][0] == "%" and parts["src"] not in NUMBERS)):
        return None, None
    return text.replace("movabs", "mov").replace(",0x0(", ",("), parts


def address_and_value(parts, after, mode):
    """Where the store goes with insn.c's registers, and what it stores, as insn.c prints it."""
    registers = REGISTERS[mode]
    address = (int(parts["disp"] or "0", 16) + registers.get(parts["index"], 0) *
               int(parts["scale"] or 1))
    address += after if parts["base"] == "%rip" else registers.get(parts["base"], 0)
    if parts["suffix"]:
        width, value = SUFFIXES[parts["suffix"]], int(parts["src"][1:], 16)
    else:
        width, value = WIDTHS[parts["src"]], (NUMBERS[parts["src"]] + 1) * REGISTER
    return f"{address & MASKS[mode]:x}\t{value & (1 << 8 * width) - 1:x}"


class Slot:
    """What objdump says of one slot's first instruction."""

    def __init__(self, where, text):
        self.where = where
        self.text = text
        self.length = 0
        # objdump prints a REX that another prefix follows as if it were an instruction.
        self.stray_rex = False

    def add(self, where, text):
        """What it says next."""
        if self.length:
            return
        if words_of(self.text)[1]:
            self.length = where - self.where
        else:
            self.text += " " + text
            self.stray_rex = True

    def expected(self, code, mode):
        """What insn.c is to print; OTHER has no length."""
        text = parts = None
        # objdump doesn't always say that an address has another size.
        if mode != 16 and b"\x67" not in code[:count_prefixes(code, mode)]:
            text, parts = plain_store(self.text, mode)
        if text and not self.stray_rex:
            after = self.where + self.length
            return f"STORE {self.length} {text}\t{address_and_value(parts, after, mode)}"
        looked = looked_at(code, mode)
        loads = is_load(self.text) or ("(bad)" in self.text and is_repnz_bsf(code[:looked]))
        return f"LOAD {looked}" if loads else "OTHER"

    def agrees(self, line, expected):
        kind, _, length = line.partition(" ")
        if kind != "OTHER" or not length.isdigit():
            return line == expected
        # Nor does the decoder look beyond the instruction to tell.
        return expected == kind and (0 < int(length) <= self.length or "(bad)" in self.text)


def slots_of(lines, size):
    """The slots that objdump's LINES are of."""
    slot = None
    for line in lines:
        where, colon, text = line.partition(":\t")
        if not colon:
            continue
        where = int(where, 16)
        if where % size:
            slot.add(where, text)
            continue
        if slot:
            yield slot
        slot = Slot(where, text)
    yield slot


class DecoderTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        why = sanitized.compile_program(cls.folder / "insn", [Path(__file__).with_name("insn.c")],
                                        ["-Wall", "-Wextra", "-Werror",
                                         f"-I{REPO / 'arch/x86/kvm'}"])
        if why:
            raise AssertionError(why)

    def answers(self, code, mode, size):
        """The decoder's line for each slot, and objdump's word on it."""
        path = self.folder / "code"
        path.write_bytes(b"".join(code))
        with (path.open("rb") as stdin,
              subprocess.Popen([self.folder / "insn", str(mode), str(size)], stdin=stdin,
                               stdout=subprocess.PIPE, text=True,
                               env=sanitized.environment()) as ours,
              subprocess.Popen(["objdump", "-D", "-z", "-b", "binary", "-m", MACHINES[mode],
                                "--no-show-raw-insn", path],
                               stdout=subprocess.PIPE, text=True) as theirs):
            yield from zip(ours.stdout, slots_of(theirs.stdout, size))
        self.assertEqual((ours.returncode, theirs.returncode), (0, 0))

    def compare(self, code, mode=64):
        """How many instructions of CODE, slots of one size, are of which kind."""
        code = list(code)
        kinds = Counter()
        for (line, slot), bytes_there in zip(self.answers(code, mode, len(code[0])), code):
            self.assertEqual(slot.where, kinds.total() * len(bytes_there))
            line, expected = line.rstrip("\n"), slot.expected(bytes_there, mode)
            if not slot.agrees(line, expected):
                self.fail(f"{bytes_there.hex()} in {mode} bit mode is {slot.text.strip()},"
                          f" so {expected!r}, but decoded as {line!r}")
            kinds[expected.split()[0]] += 1
        self.assertEqual(kinds.total(), len(code))
        return kinds

    def test_stores(self):
        for opcode in STORES:
            code = (slot for prefix in ALLOWED for rex in REXES
                    for slot in store_slots(opcode, prefix, rex, ADDRESSES))
            self.assertTrue(self.compare(code)["STORE"])

    def test_stores_of_32_bit_code(self):
        for opcode in STORES:
            # With 67 the address is one of 16-bit code, which has another length.
            code = (slot for prefix in PREFIXES if prefix != b"\x67"
                    for slot in store_slots(opcode, prefix, b"", ADDRESSES))
            self.assertTrue(self.compare(code, 32)["STORE"])

    def test_stores_with_other_prefixes(self):
        for opcode in STORES:
            code = (slot for prefix in REFUSED for rex in REXES
                    for slot in store_slots(opcode, prefix, rex, FEW_ADDRESSES))
            self.assertEqual(set(self.compare(code)), {"OTHER"})

    def test_absolute_addresses(self):
        for mode, kinds in ((64, {"STORE", "LOAD", "OTHER"}), (32, {"STORE", "LOAD", "OTHER"}),
                            (16, {"LOAD", "OTHER"})):
            code = [padded(prefix + rex + opcode + bytes.fromhex("1122334455667788"))
                    for prefix in PREFIXES for rex in REXES for opcode in MOFFS]
            self.assertEqual(set(self.compare(code, mode)), kinds)

    def test_loads(self):
        for opcode in LOADS:
            code = (padded(prefix + opcode + address, 24)
                    for prefix in PREFIXES + REXES[1:] for address in FEW_ADDRESSES)
            self.compare(code)

    def test_all_opcodes(self):
        """With each reg field, with memory and without, as some opcodes are many instructions."""
        for mode, prefix in product(MACHINES, ("", "66", "f2", "f3")):
            code = (padded(bytes.fromhex(prefix) + opcode + bytes([modrm]))
                    for opcode in OPCODES for modrm in range(256) if modrm & 7 in (0, 5))
            self.compare(code, mode)

    def test_random_bytes(self):
        for mode, count in ((64, 40000), (32, 10000), (16, 10000)):
            source = random.Random(SEED + mode)
            kinds = self.compare((random_code(source) for _ in range(count)), mode)
            self.assertEqual(set(kinds), {"LOAD", "OTHER"} | ({"STORE"} if mode != 16 else set()))

    def one(self, code, mode=64):
        """The decoder's word, without objdump's."""
        slot = padded(bytes.fromhex(code), 2 * SLOT)
        [(line, _)] = self.answers([slot], mode, len(slot))
        return line.strip()

    def test_instructions_longer_than_any(self):
        self.assertTrue(self.one("66" * 13 + "8800").startswith("STORE 15 mov %al,(%rax)"))
        self.assertEqual(self.one("66" * 14 + "8800"), "OTHER 0")
        self.assertEqual(self.one("66" * 15), "OTHER 0")
        self.assertEqual(self.one("66" * 13 + "8a00"), "LOAD 15")
        self.assertEqual(self.one("66" * 14 + "8a00"), "OTHER 0")
        self.assertEqual(self.one("66" * 14 + "90"), "OTHER 15")

    def test_instructions_that_go_on_far_beyond_the_longest(self):
        for code in ("66" * 12 + "48c784", "66" * 13 + "c784", "66" * 14 + "a3", "66" * 14 + "89"):
            self.assertEqual(self.one(code + "24" * 12), "OTHER 0")

    def test_rex_that_is_not_last(self):
        for code in ("486689", "484889", "404889", "48f289"):
            self.assertEqual(self.one(code + "00"), f"OTHER {len(code) // 2}")
        for code in ("48668b", "48488b", "66488b", "48f28b"):
            self.assertEqual(self.one(code + "00"), f"LOAD {len(code) // 2 + 1}")


def random_code(source):
    """Prefixes, one of the decoder's opcodes or of all, and what comes."""
    prefixes = source.choices(PREFIXES[3:] + REXES[1:] + 4 * PREFIXES[:2], k=source.randrange(4))
    opcode = source.choice(source.choice(([*STORES], [*STORES], MOFFS, LOADS, OPCODES)))
    code = b"".join(prefixes) + opcode
    return padded((code + source.randbytes(LONGEST))[:LONGEST], 2 * SLOT)
