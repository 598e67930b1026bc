# SPDX-License-Identifier: GPL-2.0-only
"""Apply a semantic patch and prove that each rule matched as often as it says.

spatch is silent about a rule that matches nothing.  So every rule of ours has
a position metavariable "p" on what it matches, and a line "// expect N" above
it; a script rule after each one reports its matches, and they are counted.  A rule for
some kernels only has lines such as "// expect N on 6.12", and no other kernel gets it.
"""
import re
import subprocess
import tempfile
from collections.abc import Container, Sequence
from pathlib import Path

RULE = re.compile(r"^@(\w+)[^@\n]*@$", re.MULTILINE)
EXPECT = re.compile(r"^// expect (\d+)(?: on (\d+\.\d+))?$", re.MULTILINE)
REPORT = "overlay-match"
# One that "goto" leads to, unlike "default:".
LABEL = re.compile(rb"^\s+((?!default:)\w+:)$", re.MULTILINE)

COUNTER = """
@script:python@
p << {rule}.p;
@@
for q in p:
    print("{report} {rule} %s:%s:%s" % (q.file, q.line, q.column))
"""


class OverlayError(Exception):
    """What went wrong and what to do, in one line."""


def expected_matches(declared: Sequence[tuple[str, str]], series: str) -> int | None:
    """How many matches "// expect" lines, as DECLARED, say for SERIES; None if nothing.

    They are for every kernel, which takes one line, or each for another one.
    """
    counts = {on: int(count) for count, on in declared}
    if len(counts) < len(declared) or not counts or ("" in counts and len(counts) > 1):
        raise ValueError
    return counts.get("", counts.get(series))


def rules(patch: Path, series: str) -> dict[str, int]:
    """Map each rule's name in the file PATCH to the matches it declares for SERIES."""
    text = patch.read_text()
    names: set[str] = set()
    expected, start = {}, 0
    for match in RULE.finditer(text):
        name = match.group(1)
        try:
            count = expected_matches(EXPECT.findall(text[start:match.start()]), series)
        except ValueError:
            raise OverlayError(f"{patch}: rule {name} needs one '// expect N' above it, or one"
                               " '// expect N on X.Y' for each kernel") from None
        if name in names:
            raise OverlayError(f"{patch}: two rules are called {name}")
        names.add(name)
        if count is not None:
            expected[name] = count
        start = match.end()
    if not names:
        raise OverlayError(f"{patch}: no rule in it; a rule starts with @name@")
    return expected


def cut_rules(text: str, keep: Container[str]) -> str:
    """The semantic patch TEXT with the rules KEEP only, each with the comment above it."""
    result: list[str] = []
    comment: list[str] = []
    kept = True
    for line in text.splitlines(keepends=True):
        rule = RULE.match(line)
        if rule:
            kept = rule.group(1) in keep
        elif line.startswith("//"):
            comment.append(line)
            continue
        if kept:
            result += comment
        result += [line] * kept
        comment = []
    return "".join(result)


def run_spatch(patch, original, names, out):
    """Run spatch with counters added; return the matches it reported."""
    script = out.with_suffix(".cocci")
    counters = "".join(COUNTER.format(rule=name, report=REPORT) for name in names)
    script.write_text(cut_rules(patch.read_text(), names) + counters)
    command = ["spatch", "--very-quiet", "--no-show-diff", "--sp-file",
               str(script), str(original), "-o", str(out)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise OverlayError("spatch is missing; install the package coccinelle") from None
    if run.returncode:
        why = (run.stderr.strip() or run.stdout.strip() or "no reason given").splitlines()
        raise OverlayError(f"{patch}: spatch failed: {' '.join(why[-3:])}")
    return {line for line in run.stdout.splitlines() if line.startswith(REPORT)}


def tidy(text, original):
    """TEXT in the kernel's style where spatch has its own, but for lines of ORIGINAL's."""
    known = set(original.splitlines())
    lines = text.splitlines(keepends=True)
    return b"".join(line if line.rstrip(b"\n") in known else
                    LABEL.sub(rb"\1", line).replace(b"}while (", b"} while (")
                    for line in lines)


def apply(patch: Path, original: Path, series: str) -> bytes:
    """The text of ORIGINAL, a file of a kernel of SERIES, with PATCH applied."""
    expected = rules(patch, series)
    if not expected:
        return original.read_bytes()
    with tempfile.TemporaryDirectory() as tmp:
        out = Path(tmp) / original.name
        matches = run_spatch(patch, original, expected, out)
        for name, count in expected.items():
            found = sum(line.split()[1] == name for line in matches)
            if found != count:
                raise OverlayError(f"{patch}: rule {name} matched {found} times in"
                                   f" {original}, not {count}; adapt it to this kernel")
        if not out.exists():
            raise OverlayError(f"{patch}: matched, but changed nothing in {original}")
        return tidy(out.read_bytes(), original.read_bytes())
