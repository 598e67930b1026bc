# SPDX-License-Identifier: GPL-2.0-only
"""What the jobs make of bad input, and of what test programs print."""
import contextlib
import io
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from pvmmio import REPO
from pvmmio.console import JobError, own_environment
from pvmmio.jobs import machines, reader
from pvmmio.jobs.bench import bench
from pvmmio.jobs.fuzz import fuzz
from pvmmio.jobs.regress import names
from pvmmio.jobs.test import run, units
from pvmmio.jobs.test.sanitized import SELFTESTS
from pvmmio.lab import fleet
from pvmmio.lab.known import MACHINES, QUICK
from pvmmio.tally import Tally

# With a machine that says no more once it has booted.
JOB = """
from types import SimpleNamespace
from pvmmio.console import main
from pvmmio.lab import fleet
from pvmmio.lab.known import MACHINES

machine = SimpleNamespace(command=["sh", "-c", "echo booted; exec sleep 60"], lines=[])
main(lambda argv: fleet.side_by_side(
    [lambda: fleet.Machine.run(machine, lambda _, line: print(line, flush=True))]), [])
"""
GOOD = ["TAP version 13", "1..2", "ok 1 first", "ok 2 second # SKIP no such CPU", "end 0"]


def make(*arguments, **environment):
    return subprocess.run(["make", "-C", REPO, "--no-print-directory", *arguments],
                          capture_output=True, text=True, check=False,
                          env={**own_environment(), **environment})


class MakeTest(unittest.TestCase):
    def assert_refused(self, word, *arguments, **environment):
        done = make("--dry-run", *arguments, **environment)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(word, done.stderr)
        self.assertEqual(done.stdout, "")

    def assert_accepted(self, *arguments, **environment):
        """What would be done then."""
        done = make("--dry-run", *arguments, **environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_unknown_lab(self):
        for job in ("bench", "test", "fuzz", "shell"):
            self.assert_refused("LAB=foo", job, "LAB=foo")

    def test_setting_that_no_job_has(self):
        for bad in ("FLAVOR=rt", "lab=amd", "Lab=amd", "TEST=short"):
            self.assert_refused(f"{bad}: there is no such setting; there is KERNEL", "test", bad)

    def test_settings_in_the_environment(self):
        said = self.assert_accepted("test", FLAVOUR="rt", LAB="amd", KERNEL_VERSION="6.12.9")
        for words in ('build "6.12" "6.12.9" "rt"', 'test.run build/rt "amd"'):
            self.assertIn(words, said)
        self.assertIn('build/cloud "intel"', self.assert_accepted("test", "LAB=intel", LAB="amd"))
        self.assert_refused("FLAVOR=rt: there is no such setting; it is called FLAVOUR", "test",
                            FLAVOR="rt")
        self.assert_refused("LAB=vax: no such machine", "test", LAB="vax")
        self.assert_refused("TIME=%e: that is not a positive number", "fuzz", TIME="%e")

    def test_environment_may_mean_something_else(self):
        for job in ("check", "help", "modules"):
            self.assertEqual(self.assert_accepted(job),
                             self.assert_accepted(job, TIME="%e", LAB="vax", JOB="1", KVM="no",
                                                  FILES="7", TESTS="x", CASES="many"))

    def test_more_than_one_machine(self):
        for job in ("bench", "test", "shell", "e2e"):
            self.assert_refused("LAB=amd intel: that is more than one machine", job,
                                "LAB=amd intel")

    def test_unknown_test(self):
        for job in ("test", "test-debug", "test-kcsan"):
            self.assert_refused("TESTS=nosuch: no such test; there is", job,
                                "TESTS=pv_mmio_test nosuch")
            self.assert_accepted(job, "TESTS=pv_mmio_test pv_mmio_smp_test")
        self.assert_refused("TESTS=short: no such test", "test-debug", "TESTS=short")
        self.assertIn("run build/cloud \"amd\" short",
                      self.assert_accepted("test", "LAB=amd", "TESTS=short"))

    def test_tests_of_the_kernel_are_looked_for_before_anything_is_built(self):
        names.check(["smm_test"], {"smm_test", "state_test"})
        with self.assertRaisesRegex(JobError, r"\ATESTS=nosuch: the kernel has no such test; there"
                                              r" is short, all, smm_test, state_test\Z"):
            names.check(["smm_test", "nosuch"], {"smm_test", "state_test"})
        told = make("--dry-run", "regress", "TESTS=nosuch").stdout
        self.assertLess(told.index("regress.names"), told.index("build.kernel"))

    def test_host_is_looked_at_before_anything_is_built(self):
        told = make("--dry-run", "bench", "LAB=host").stdout
        self.assertLess(told.index("--host"), told.index("build.kernel"))
        with mock.patch("builtins.open", side_effect=FileNotFoundError(2, "No such file")):
            with self.assertRaisesRegex(JobError, "LAB=host: /dev/kvm: .*load KVM's modules"):
                bench.bench(["--host"])

    def test_folder_with_a_blank(self):
        with tempfile.TemporaryDirectory(suffix=" b") as tmp:
            done = subprocess.run(["make", "-C", tmp, "-f", REPO / "Makefile", "help"], check=False,
                                  capture_output=True, text=True, env=own_environment())
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, "has a blank, which the kernel's build can't take; move it")

    def test_program_to_run(self):
        self.assert_refused("PROGRAM= is empty", "run")
        self.assert_refused("KVM=foo: no such modules; there is stock, patched", "run",
                            "PROGRAM=x", "KVM=foo")
        self.assert_accepted("run", "PROGRAM=x", "KVM=stock", "LAB=amd")

    def test_unknown_flavour(self):
        self.assert_refused("FLAVOUR=foo", "build", "FLAVOUR=foo")

    def test_machine_that_the_job_cannot_take(self):
        for job in ("test-debian", "test-kcsan"):
            self.assert_refused(f"LAB=intel: {job} is not for this machine: ", job, "LAB=intel")
            self.assert_accepted(job, "LAB=amd")
        for job in ("test", "profile", "shell"):
            self.assert_refused("LAB=host", job, "LAB=host")
        self.assert_accepted("bench", "LAB=host")

    def test_setting_that_the_job_would_ignore(self):
        for setting, jobs, others in (("KERNEL=6.12", ("modules", "load"), ("build", "test")),
                                      ("FLAVOUR=rt", ("modules", "test-debug", "configs", "stick",
                                                       "test-stick"),
                                       ("check", "e2e")),
                                      ("LAB=amd", ("build", "check", "configs", "stick",
                                                   "test-stick"),
                                       ("nested", "test-lab")),
                                      ("CONFIGS=all", ("build", "check"), ("configs",)),
                                      ("KVER=6.12", ("build",), ("modules", "load")),
                                      ("TESTS=short", ("fuzz",), ("e2e", "regress", "test-stick")),
                                      ("TIME=5", ("test",), ("fuzz", "stress")),
                                      ("CASES=5", ("stress",), ("fuzz",)),
                                      ("PROGRAM=x", ("shell", "test"), ("run",)),
                                      ("FILES=a.json", ("stick", "bench"), ("results",)),
                                      ("JOB=test", ("test", "build"), ("debian13",)),
                                      ("LAB=amd", ("debian13",), ("test",))):
            for job in jobs:
                self.assert_refused(f"{job} takes no {setting.partition('=')[0]}", job, setting)
            for job in others:
                self.assert_accepted(job, setting)

    def test_numbers(self):
        for bad in ("TIME=x", "TIME=0", "TIME=1.5", "TIME=5 6", "SEED=0x", "CASES=-1", "SEED=a'b"):
            self.assert_refused(bad, "fuzz", bad)
        self.assert_accepted("fuzz", "TIME=60", "SEED=0x1f", "CASES=20")

    def test_help_lists_every_job(self):
        text = (REPO / "Makefile").read_text()
        listed = make("help").stdout
        self.assertIn(f"[LAB={'|'.join(MACHINES)}]", listed)
        for job in " ".join(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)).split():
            self.assertRegex(listed, rf"(?m)^  {job}\s")

    def assert_fails(self, words, *arguments):
        done = make(*arguments)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, rf"^error: .*{words}")
        self.assertEqual(done.stdout, "")

    def test_modules_for_no_kernel(self):
        self.assert_fails("no kernel of Debian's", "modules", "KVER=6.12")

    def test_nothing_to_load(self):
        self.assert_fails("run 'make modules' first", "load", "KVER=6.12.0+deb12-amd64")

    def test_nothing_to_unload(self):
        self.assert_fails("nothing to unload", "unload")


class FuzzTest(unittest.TestCase):
    def test_numbers(self):
        self.assertEqual(fuzz.number("SEED", "0x10", 5), 16)
        self.assertEqual(fuzz.number("SEED", "", 5), 5)
        for bad in ("0", "-1", "ten", "1.5"):
            with self.assertRaisesRegex(JobError, f"TIME={bad}: "):
                fuzz.number("TIME", bad, 5)

    def test_host_limit_is_the_stricter(self):
        self.assertEqual(fuzz.host_limit(60, fuzz.NO_LIMIT), fuzz.host_limit(60, 10 ** 9))
        self.assertLess(fuzz.host_limit(fuzz.NO_LIMIT, 100), fuzz.host_limit(60, 10 ** 9))


class HypervisorTest(unittest.TestCase):
    def statuses(self, *statuses, lab="amd"):
        """The status that counts, and how many tries it took."""
        left = list(statuses)
        with contextlib.redirect_stderr(io.StringIO()):
            machine, _ = machines.run_hypervisor(
                lab, lambda: (SimpleNamespace(status=left.pop(0)), None))
        return machine.status, len(statuses) - len(left)

    def test_only_a_halt_is_tried_again(self):
        self.assertEqual(self.statuses(0, 1), (0, 1))
        self.assertEqual(self.statuses(125, 0), (125, 1))
        self.assertEqual(self.statuses(124, 124, 0), (0, 3))
        self.assertEqual(self.statuses(124, 0, lab="intel"), (124, 1))

    def test_not_for_ever(self):
        self.assertEqual(self.statuses(*[124] * 9), (124, 8))


class ReaderTest(unittest.TestCase):
    def totals(self, lines, modules="patched"):
        tally = Tally()
        feed = reader.Reader(tally)
        with contextlib.redirect_stdout(io.StringIO()) as self.said:
            for line in [f"begin {modules} some_test", *lines]:
                feed.line(SimpleNamespace(name="amd"), line)
        return tally.passed, tally.failed, tally.skipped

    def test_good_run(self):
        self.assertEqual(self.totals(GOOD), (2, 0, 1))
        self.assertIn("SKIP amd patched some_test: second (no such CPU)", self.said.getvalue())

    def test_skip_as_the_kernels_library_has_it(self):
        lines = ["1..1", "ok 1 # SKIP first: no such CPU", "end 0"]
        self.assertEqual(self.totals(lines), (1, 0, 1))
        self.assertIn("SKIP amd patched some_test: first (no such CPU)", self.said.getvalue())

    def test_failure_says_why(self):
        lines = ["1..1", "# 2 signals instead of 1", "not ok 1 first", "end 1"]
        self.assertEqual(self.totals(lines)[1], 2)
        self.assertIn("2 signals instead of 1", self.said.getvalue())

    def test_status_fails_a_run_that_looks_good(self):
        self.assertEqual(self.totals(GOOD[:-1] + ["end 254"])[1], 1)

    def test_missing_result_fails(self):
        self.assertEqual(self.totals(GOOD[:3] + ["end 0"])[1], 1)

    def test_lost_line_is_told_by_its_number(self):
        lines = ["1..3", "ok 1 first", "# some wordsok 2 second", "ok 3 third", "end 0"]
        self.assertEqual(self.totals(lines), (2, 1, 0))
        self.assertIn("2 results of 3 planned, without [2]", self.said.getvalue())

    def test_result_that_comes_twice_fails(self):
        self.assertEqual(self.totals(["1..2", "ok 1 first", "ok 1 first", "end 0"])[1], 1)

    def test_missing_plan_fails(self):
        self.assertEqual(self.totals(["ok 1 first", "end 0"])[1], 1)

    def test_test_without_an_end_fails_where_the_next_begins(self):
        lines = ["1..1", "ok 1 first", "# 2 signend 254", "begin patched next_test", *GOOD]
        self.assertEqual(self.totals(lines), (3, 1, 1))
        self.assertIn("FAIL amd patched some_test: completes (status None, 1 results of 1",
                      self.said.getvalue())

    def test_test_without_a_beginning_fails(self):
        lines = [*GOOD, "words of the last testbegin patched next_test", "not ok 1 first", "end 1"]
        self.assertEqual(self.totals(lines), (2, 1, 1))
        self.assertEqual(self.totals([*GOOD, "end of the list", "the end 1"]), (2, 0, 1))

    def test_words_of_a_test_are_no_end(self):
        self.assertEqual(self.totals(["end of the list", *GOOD[:-1], "end", *GOOD[-1:]]), (2, 0, 1))

    def test_stock_has_to_skip_with_a_reason(self):
        self.assertEqual(self.totals(["1..0 # SKIP not offered", "end 4"], "stock"), (1, 0, 0))
        self.assertEqual(self.totals(["1..0 # SKIP", "end 4"], "stock"), (0, 1, 0))
        self.assertEqual(self.totals(GOOD, "stock")[1], 1)

    def test_no_test_is_a_failure(self):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(Tally().finish(), 1)


class NamesTest(unittest.TestCase):
    def test_machines_that_take_some_tests_find_them(self):
        for name in (*run.OTHER_WAYS_TESTS, *run.SHORT, *machines.SMP_TESTS):
            with self.subTest(name=name):
                self.assertTrue(list((REPO / SELFTESTS / "x86_64").glob(f"{name}.c")))


class BootsTest(unittest.TestCase):
    def chosen(self, *wanted, lab="amd", labs=tuple(MACHINES)):
        with tempfile.TemporaryDirectory() as tmp, contextlib.redirect_stderr(io.StringIO()):
            (Path(tmp) / "tests").mkdir()
            for name in ("pv_mmio_test", "pv_mmio_post_test", "pv_mmio_index_test",
                         *machines.SMP_TESTS):
                (Path(tmp) / "tests" / name).touch()
            return {kind: [test.name for test in tests]
                    for kind, tests, _ in run.chosen_boots(lab, Path(tmp), list(wanted), labs)}

    def test_only_what_is_wanted_is_booted_for(self):
        self.assertEqual(self.chosen("pv_mmio_post_test"), {"": ["pv_mmio_post_test"]})
        self.assertEqual(self.chosen("pv_mmio_smp_test", "pv_mmio_test"),
                         {"": ["pv_mmio_smp_test", "pv_mmio_test"],
                          " paging": ["pv_mmio_test"], " la57": ["pv_mmio_test"],
                          " 2 CPUs": ["pv_mmio_smp_test"]})

    def test_short(self):
        self.assertEqual(self.chosen("short"), {"": ["pv_mmio_post_test", "pv_mmio_test"]})
        self.assertIn("pv_mmio_device_test", self.chosen("short", "pv_mmio_device_test")[""])

    def test_all_if_none_is_named(self):
        self.assertIn("modules-in-lab", self.chosen()[""])
        self.assertEqual(self.chosen()[" 2 CPUs"], sorted(machines.SMP_TESTS))

    def test_a_slow_machine_leaves_some_unless_asked(self):
        for wanted, runs in (((), False), (("all",), True), (("pv_mmio_index_test",), True)):
            with self.subTest(wanted=wanted):
                boot = self.chosen(*wanted, lab="intel")[""]
                self.assertEqual("pv_mmio_index_test" in boot, runs)
        self.assertIn("pv_mmio_index_test", self.chosen()[""])
        self.assertNotIn("stats-in-lab", self.chosen(lab="intel")[""])
        self.assertIn("stats-in-lab", self.chosen(lab="intel", labs=["intel"])[""])

    def test_what_is_left_exists(self):
        known = {path.name for path in run.programs(REPO / "build")}
        known |= {path.stem for path in (REPO / SELFTESTS / "x86_64").glob("*_test.c")}
        for machine in MACHINES.values():
            self.assertLessEqual(set(machine.LEFT_TO_QUICK), known)
        self.assertEqual(MACHINES[QUICK].LEFT_TO_QUICK, ())


class ApartTest(unittest.TestCase):
    def added(self, script):
        tally = Tally()
        with contextlib.redirect_stdout(io.StringIO()) as said, \
                contextlib.redirect_stderr(io.StringIO()):
            units.run_apart(tally, ["sh", "-c", script])
        return said.getvalue(), (tally.passed, tally.failed, tally.skipped)

    def test_lines_are_added(self):
        said, counts = self.added("echo PASS a; echo noise; echo 'FAIL b (why)'; echo SKIP c;"
                                  " echo 1 passed, 1 failed, 1 skipped; exit 1")
        self.assertEqual(said, "PASS a\nFAIL b (why)\nSKIP c\n")
        self.assertEqual(counts, (1, 1, 1))

    def test_one_that_breaks_off_fails(self):
        for end in ("exit 0", "echo 1 passed, 0 failed, 0 skipped; exit 2",
                    "echo 1 passed, 0 failed, 0 skipped; kill $$"):
            with self.subTest(end=end):
                self.assertEqual(self.added(f"echo PASS a; {end}")[1], (1, 1, 0))


class UnitsTest(unittest.TestCase):
    def said(self, body):
        tally = Tally()
        test = type("Fake", (unittest.TestCase,), {"test": body})("test")
        with contextlib.redirect_stdout(io.StringIO()) as said:
            test.run(units.TallyResult(tally))
        return re.sub(r"\S*Fake", "Fake", said.getvalue())

    def test_part_that_fails_is_told(self):
        def parts(test):
            for number in range(3):
                with test.subTest(number=number):
                    test.assertNotEqual(number, 1, "one")
                    test.assertTrue(1 / (number - 2))

        self.assertEqual(self.said(parts),
                         "FAIL tools Fake.test (number=1) (1 == 1 : one)\n"
                         "FAIL tools Fake.test (number=2) (ZeroDivisionError: division by zero)\n")

    def test_parts_that_pass_are_one_line(self):
        def parts(test):
            for number in range(3):
                with test.subTest(number=number):
                    pass

        self.assertEqual(self.said(parts), "PASS tools Fake.test\n")

    def test_surprise_is_a_failure(self):
        self.assertEqual(self.said(unittest.expectedFailure(lambda test: None)),
                         "FAIL tools Fake.test (it passed, which was not expected)\n")


class MachinesTest(unittest.TestCase):
    def totals(self, status, lines):
        tally = Tally()
        feed = reader.Reader(tally)
        machine = SimpleNamespace(name="amd", status=status, work="/work")

        def fleet_run(_names, _built, _script, _programs, on_line, *_):
            for line in lines:
                on_line(machine, line)
            return [machine]

        with mock.patch("pvmmio.lab.fleet.run", fleet_run), \
                contextlib.redirect_stdout(io.StringIO()) as self.said:
            machines.run(tally, feed, ["amd"], "built", "test/in-lab", [], [])
        return tally.passed, tally.failed, tally.skipped

    def test_end_without_a_report(self):
        self.assertEqual(self.totals(0, ["begin patched some_test", *GOOD]), (3, 0, 1))

    def test_report_by_the_kernel_fails_a_run_that_looks_good(self):
        self.assertEqual(self.totals(125, ["begin patched some_test", *GOOD]), (2, 1, 1))
        self.assertIn("status 125; see /work/console.log", self.said.getvalue())

    def test_test_without_an_end_fails(self):
        self.assertEqual(self.totals(0, ["begin patched some_test", *GOOD[:-1]]), (1, 1, 1))

    def test_machines_run_at_once(self):
        both = threading.Barrier(2, timeout=60)
        fleet.side_by_side([both.wait, both.wait])

    def test_no_more_than_told_run_at_once(self):
        running, most = [], []

        def call():
            running.append(1)
            most.append(len(running))
            time.sleep(0.01)
            running.pop()

        fleet.side_by_side([call] * 5, limit=2)
        self.assertEqual((len(most), max(most)), (5, 2))

    def test_what_is_for_the_main_thread_runs_there_meanwhile(self):
        both, where = threading.Barrier(2, timeout=60), []

        def meanwhile():
            both.wait()
            where.append(threading.current_thread())

        fleet.side_by_side([both.wait], meanwhile)
        self.assertEqual(where, [threading.main_thread()])

    def test_what_fails_beside_others_is_told(self):
        def fail():
            raise JobError("no space")

        with self.assertRaisesRegex(JobError, "no space"):
            fleet.side_by_side([fail, lambda: None])

    def test_machine_ends_with_the_job_that_is_stopped(self):
        with subprocess.Popen([sys.executable, "-c", JOB], cwd=REPO / "tools", text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
            self.assertEqual(job.stdout.readline(), "booted\n")
            job.terminate()
            # This lasts until the machine has closed its standard error, too.
            self.assertIn("interrupted by SIGTERM", job.communicate(timeout=20)[1])

    def test_unknown_machine(self):
        with self.assertRaisesRegex(JobError, "LAB=vax: no such machine; there is intel, amd"):
            machines.chosen("vax")


if __name__ == "__main__":
    unittest.main()
