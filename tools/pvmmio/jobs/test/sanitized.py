# SPDX-License-Identifier: GPL-2.0-only
"""Our code that needs no guest, on this host under the compiler's sanitizers.

Programs of the lab are static and share their code with guests, which have no
memory for AddressSanitizer's notes; what can be done about those is in TESTING.md.
"""
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from pvmmio import REPO
from pvmmio.jobs.e2e import images

SELFTESTS = "tools/testing/selftests/kvm"
FLAGS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# No status of our programs.
REPORTED = 77
LIMIT = 120

PARSER_MAIN = """
#include "doorbell_ways.h"
void test_assert(bool good, const char *what, const char *file, unsigned int line,
		 const char *format, ...)
{
	if (!good)
		ksft_exit_fail_msg("%s:%u: %s\\n", file, line, what);
}
static void report(bool ok, const char *name)
{
	ksft_test_result(ok, "%s\\n", name);
}
int main(void)
{
	ksft_set_plan(nr_parser_tests());
	test_parser(report);
	ksft_finished();
}
"""


def compile_program(out, sources, flags=()):
    """Returns what the compiler complained about."""
    done = subprocess.run(["gcc", *FLAGS, *flags, *sources, "-o", out], capture_output=True,
                          text=True, check=False)
    return "; ".join(done.stderr.strip().splitlines()[:3]) if done.returncode else ""


def environment():
    options = f"exitcode={REPORTED}"
    return dict(os.environ, ASAN_OPTIONS=options, UBSAN_OPTIONS=options)


def run(command, wanted=(0,)):
    """Why COMMAND didn't end with one of the statuses WANTED, or nothing."""
    try:
        done = subprocess.run(command, env=environment(), capture_output=True, text=True,
                              timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"no end after {LIMIT} s"
    if done.returncode in wanted:
        return ""
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return f"status {done.returncode}: {'; '.join(said[:3])}"


def parser(folder, built):
    """The parser of the capability, and the whole table of what it must refuse."""
    tree = built / "linux"
    tests, main = REPO / SELFTESTS, folder / "parser.c"
    main.write_text(PARSER_MAIN)
    program = folder / "parser"
    # As the kernel's own Makefile has them.
    includes = [tree / "tools/include", tree / "tools/arch/x86/include", tree / "usr/include",
                tree / SELFTESTS / "include", tree / SELFTESTS / "include/x86_64",
                tree / "tools/testing/selftests"]
    why = compile_program(program, [main, tests / "x86_64/doorbell_ways/parser.c",
                                    tests / "lib/x86_64/doorbell_config.c"],
                          ["-std=gnu99", "-DCONFIG_64BIT", "-fno-strict-aliasing",
                           *(f"-I{path}" for path in includes)])
    yield "the doorbell capability's parser", why or run([program])


def probe(folder, built):
    program = folder / "pv-mmio"
    why = compile_program(program, sorted((REPO / "tools/pv-mmio").glob("*.c")),
                          [f"-I{built / 'linux/usr/include'}"])
    # There need not be a KVM here.
    for arguments, wanted in ((["probe"], (0, 1)), (["probe", "--json"], (0, 1)),
                              (["stats"], (0, 1)), (["stats", "--prometheus"], (0, 1)),
                              (["--help"], (0,)), (["probe", "--yaml"], (2,)), ([], (2,))):
        yield " ".join(["pv-mmio", *arguments]), why or run([program, *arguments], wanted)


@contextmanager
def in_background(command):
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def load(folder, _built):
    """The load of jobs/e2e, both ends: blocks, numbered lines, packets."""
    program, data = folder / "load", folder / "data"
    why = compile_program(program, images.LOAD)

    def does(name, where, wanted=(0,)):
        return f"load {name}", why or run([program, name, where, "32", "7"], wanted)

    yield does("fill", data)
    yield does("compare", data)
    yield does("read", data)
    yield does("write", data)
    yield does("records", data)
    yield does("rng", data)
    yield "load that finds other data", why or run([program, "compare", data, "8", "7"], (1,))
    yield "load without a device for user space", why or run([program, "user", "none", "8", "7"],
                                                             (1,))
    if not why:
        with in_background([program, "echo"]):
            deadline = time.monotonic() + 10
            while "refused" in does("udp", "127.0.0.1")[1] and time.monotonic() < deadline:
                time.sleep(0.1)
            yield does("udp", "127.0.0.1")


def checks(tally, built):
    with tempfile.TemporaryDirectory(dir=built) as folder:
        for group in (parser, probe, load):
            for name, why in group(Path(folder), built):
                tally.add("FAIL" if why else "PASS", f"sanitizers: {name}", why)
