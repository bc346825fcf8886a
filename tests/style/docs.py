# SPDX-License-Identifier: Apache-2.0
"""What is written must mean something to a reader who has only this repository: no numbers of a
tracker, no paths of the machine it was written on, no link that leads nowhere. Decision records keep
their form, and a test that the threat model names is there."""

import os
import re

from common import Gate

FOREIGN = [
    (r"\b(?:issue|session|ticket)s? +#?\d+", "a tracker's number"),
    (r"(?<![\w.>}$-])/work/(?:main|wt|shared)\b", "a path of one machine"),
    (r"\b(?:Claude|ChatGPT|Copilot|Anthropic|OpenAI)\b", "a tool that is not part of the project"),
    (r"\bshared/(?:design|style|machine|reference)\b", "a document that is not in the repository"),
]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
TEXT = (".md", ".c", ".h", ".sh", ".py", ".txt", ".cmake", ".yaml", ".yml", ".json", ".1", ".5", ".7", ".8", ".service", ".conf")
SECTIONS = ["## Context", "## Decision", "## Consequences", "## Rejected"]
RECORD_LINES = 60
THREATS = "docs/THREAT_MODEL.md"
CASE = re.compile(r"^\s*(?:Test|ParameterizedTest)\((?:[^()]*?, )?(\w+), (\w+)", re.M)
SHOWN = re.compile(r"^\s*ok \"(.*)\"", re.M)


def check_words(gate, path, text):
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, what in FOREIGN:
            if re.search(pattern, line, re.I):
                gate.fail("foreign", f"{path}:{number}", f"names {what}: {line.strip()[:80]}")


def check_links(gate, path, text):
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        if not os.path.exists(os.path.join(gate.root, os.path.dirname(path), target)):
            gate.fail("link", path, f"link to {target} leads nowhere")


def check_record(gate, path, text):
    for section in SECTIONS:
        if section not in text:
            gate.fail("record", path, f"a decision record has a section '{section}'")
    if text.count("\n") > RECORD_LINES:
        gate.fail("record", path, f"longer than {RECORD_LINES} lines")


def known_tests(gate):
    """Names as the threat model writes them: "suite/case", "fuzz/target", and lines "script.sh: words"."""
    names, lines = set(), []
    for path in gate.files(".c", ".sh", under=["tests"]):
        if path.startswith("tests/fuzz/"):
            names.add("fuzz/" + os.path.basename(path)[: -len(".c")])
        elif path.endswith(".c"):
            names.update("/".join(m) for m in CASE.findall(gate.read(path)))
        elif path.startswith("tests/integration/"):
            lines += [f"{os.path.basename(path)}: {words}" for words in SHOWN.findall(gate.read(path))]
    return names, lines


def check_threats(gate, text):
    """The last cell of a row with an id: tests, each in backquotes, or "not yet"."""
    names, lines = known_tests(gate)
    for row in re.findall(r"^\| [A-Z]\d+ \|.*\|$", text, re.M):
        threat, *_, cell = [c.strip() for c in row.strip("|").split("|")]
        tests = re.findall(r"`([^`]+)`", cell)
        if not tests and not cell.startswith("not yet"):
            gate.fail("threat", THREATS, f"{threat} names no test")
        for test in tests:
            script, _, words = test.partition(": ")
            if test.startswith("tests/") or test in names:
                continue
            if not words or not any(line.startswith(script + ": ") and words in line for line in lines):
                gate.fail("threat", THREATS, f"{threat}: there is no test '{test}'")


def main():
    gate = Gate("docs")
    files = gate.files(*TEXT)
    for path in files:
        text = gate.read(path)
        if path != "tests/style/docs.py":
            check_words(gate, path, text)
        if path.endswith(".md"):
            check_links(gate, path, text)
        if path == THREATS:
            check_threats(gate, text)
        if re.match(r"docs/decisions/\d{4}-", path):
            check_record(gate, path, text)
    gate.finish(f"{len(files)} files")


main()
