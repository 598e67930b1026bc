# SPDX-License-Identifier: GPL-2.0-only
"""This runs our code that needs no guest under the compiler's sanitizers, on this host.

The lab's programs can't be built so: they are static and share their code with guests, which
have no memory for AddressSanitizer's notes.  TESTING.md says what finds their bugs.
"""
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from pvmmio import REPO
from pvmmio.build import overlay
from pvmmio.jobs.e2e import images

SELFTESTS = "tools/testing/selftests/kvm"
FLAGS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# None of our programs ends with this status.
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
    """Compile a program, and return what the compiler complained about."""
    done = subprocess.run(["gcc", *FLAGS, *flags, *sources, "-o", out], capture_output=True,
                          text=True, check=False)
    return "; ".join(done.stderr.strip().splitlines()[:3]) if done.returncode else ""


def environment():
    options = f"exitcode={REPORTED}"
    return dict(os.environ, ASAN_OPTIONS=options, UBSAN_OPTIONS=options)


def run(command, wanted=(0,)):
    """Say why COMMAND didn't end with one of the statuses WANTED, or nothing."""
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
    """Check the capability's parser, with the whole table of what it must refuse."""
    tree = built / "linux"
    tests, main = REPO / SELFTESTS, folder / "parser.c"
    main.write_text(PARSER_MAIN)
    program = folder / "parser"
    # The kernel's own Makefile has the same.
    includes = [tree / "tools/include", tree / "tools/arch/x86/include", tree / "usr/include",
                tree / SELFTESTS / "include",
                tree / SELFTESTS / "include" / overlay.arch(overlay.series_of(tree)),
                tree / "tools/testing/selftests"]
    why = compile_program(program, [main, tests / "x86_64/doorbell_ways/parser.c",
                                    tests / "lib/x86_64/doorbell_config.c"],
                          ["-std=gnu99", "-D_GNU_SOURCE=", "-DCONFIG_64BIT", "-fno-strict-aliasing",
                           *(f"-I{path}" for path in includes)])
    yield "the doorbell capability's parser", why or run([program])


def probe(folder, built):
    program = folder / "pv-mmio"
    why = compile_program(program, sorted((REPO / "tools/pv-mmio").glob("*.c")),
                          [f"-I{built / 'linux/usr/include'}"])
    # This host need not have a KVM, so two statuses are right.
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
    """Check both ends of the load of jobs/e2e: blocks, numbered lines, packets."""
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
