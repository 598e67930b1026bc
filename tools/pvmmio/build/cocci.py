# SPDX-License-Identifier: GPL-2.0-only
"""Apply a semantic patch and prove that each rule matched as often as it says.

spatch is silent about a rule that matches nothing.  So every rule of ours has
a position metavariable "p" on what it matches, and a line "// expect N" above
it; a script rule after each one reports its matches, and they are counted.
"""
import re
import subprocess
import tempfile
from pathlib import Path

RULE = re.compile(r"^@(\w+)[^@\n]*@$", re.MULTILINE)
EXPECT = re.compile(r"^// expect (\d+)$", re.MULTILINE)
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


def rules(patch):
    """Map each rule's name in the file PATCH to the matches it declares."""
    text = patch.read_text()
    expected, start = {}, 0
    for match in RULE.finditer(text):
        declared = EXPECT.findall(text[start:match.start()])
        name = match.group(1)
        if len(declared) != 1:
            raise OverlayError(f"{patch}: rule {name} needs one '// expect N' above it")
        if name in expected:
            raise OverlayError(f"{patch}: two rules are called {name}")
        expected[name] = int(declared[0])
        start = match.end()
    if not expected:
        raise OverlayError(f"{patch}: no rule in it; a rule starts with @name@")
    return expected


def run_spatch(patch, original, names, out):
    """Run spatch with counters added; return the matches it reported."""
    script = out.with_suffix(".cocci")
    counters = "".join(COUNTER.format(rule=name, report=REPORT) for name in names)
    script.write_text(patch.read_text() + counters)
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


def apply(patch, original):
    """The text of ORIGINAL with PATCH applied."""
    expected = rules(patch)
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
