# SPDX-License-Identifier: Apache-2.0
"""What the style gates share: the files of the tree, C text without comments and strings, functions,
the declarations CMake wrote, and the list of allowed exceptions. A gate is a program that prints one
line per violation and ends with 1 when there was any; 77 means that it cannot run here."""

import argparse
import os
import re
import sys

MODULES = ["base", "watch", "runtime", "builder", "reconciler", "api", "cmd"]
SKIPPED_DIRS = {".git", "build", "__pycache__", "samples"}

LEXEME = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)"""
    r"""|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.S,
)

ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")


class Gate:
    """One run of one gate over one tree."""

    def __init__(self, name):
        parser = argparse.ArgumentParser(description=f"style gate: {name}")
        parser.add_argument("--root", required=True, help="the tree to look at")
        parser.add_argument("--build", help="its build directory (default: --root)")
        parser.add_argument("--cc", default="cc", help="the C compiler")
        self.args = parser.parse_args()
        self.name = name
        self.root = os.path.abspath(self.args.root)
        self.build = os.path.abspath(self.args.build or self.args.root)
        self.allowed = read_allowed(self.root, name)
        self.used = set()
        self.violations = 0

    def files(self, *suffixes, under=None):
        """Paths relative to the root, sorted, of files with one of the suffixes below the directories
        UNDER (default: everywhere)."""
        found = []
        for top in under or [""]:
            for where, dirs, names in os.walk(os.path.join(self.root, top)):
                dirs[:] = [d for d in dirs if d not in SKIPPED_DIRS and not d.startswith("build-")]
                for name in names:
                    if not suffixes or name.endswith(suffixes):
                        found.append(os.path.relpath(os.path.join(where, name), self.root))
        return sorted(found)

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as f:
            return f.read()

    def fail(self, rule, where, what):
        """Report a violation of RULE at WHERE ("path", "path:function", "path:line") unless allow.txt has it."""
        key = (rule, re.sub(r":\d+$", "", where))
        if key in self.allowed:
            self.used.add(key)
            return
        self.violations += 1
        print(f"{where}: {what} [{self.name} {rule}]")

    def finish(self, summary=""):
        """End the program. An exception nobody needs any more is a violation: the list only shrinks."""
        for rule, where in sorted(set(self.allowed) - self.used):
            self.violations += 1
            print(f"tests/style/allow.txt: '{self.name} {rule} {where}' is no longer needed")
        print(f"{self.name}: {self.violations} violations{'; ' + summary if summary else ''}")
        sys.exit(1 if self.violations else 0)


def read_allowed(root, gate):
    """Lines "<gate> <rule> <path or path:function> <reason>" of tests/style/allow.txt for GATE."""
    allowed = {}
    path = os.path.join(root, "tests/style/allow.txt")
    if not os.path.exists(path):
        return allowed
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            words = line.split(None, 3)
            if len(words) < 4 or len(words[3]) < 15:
                sys.exit(f"tests/style/allow.txt:{number}: want: gate rule path[:function] reason")
            if words[0] == gate:
                allowed[(words[1], words[2])] = words[3]
    return allowed


def without_comments(text, keep_strings=False):
    """TEXT with comments (and the insides of strings) blanked; line numbers stay."""

    def blank(m):
        s = m.group(0)
        if m.lastgroup == "string":
            return s if keep_strings else s[0] + " " * (len(s) - 2) + s[-1]
        return re.sub(r"[^\n]", " ", s)

    return LEXEME.sub(blank, text)


class Function:
    """A function definition: name, parameters, first and last line (from 1), body lines."""

    def __init__(self, name, params, first, last, body):
        self.name = name
        self.params = params
        self.first = first
        self.last = last
        self.body = body

    @property
    def lines(self):
        return self.last - self.first + 1


def functions(text):
    """The function definitions of a C file in the tree's format: "{" and "}" alone in column 0."""
    lines = without_comments(text).split("\n")
    found = []
    i = 0
    while i < len(lines):
        if lines[i].rstrip() != "{":
            i += 1
            continue
        first = i
        while first > 0 and lines[first - 1].strip() and not re.match(r"[#}]|.*;\s*$", lines[first - 1]):
            first -= 1
        last = i
        while last < len(lines) and not lines[last].startswith("}"):
            last += 1
        signature = ATTRIBUTE.sub("", " ".join(lines[first:i]))
        m = re.search(r"(\w+)\s*\(", signature)
        if m:
            found.append(Function(m.group(1), parameters(signature[m.end() - 1 :]), first + 1, last + 1, lines[i + 1 : last]))
        i = last + 1
    return found


def parameters(text):
    """The parameter texts of "(a, b)" at the start of TEXT."""
    depth = 0
    part = ""
    parts = []
    for c in text:
        depth += c == "("
        depth -= c == ")"
        if depth == 0:
            break
        if c == "," and depth == 1:
            parts.append(part)
            part = ""
        elif not (c == "(" and depth == 1):
            part += c
    parts.append(part)
    parts = [p.strip() for p in parts]
    return [] if parts in ([""], ["void"]) else parts


def declared(gate):
    """What CMake wrote: a list of (what, name, directory, key, values)."""
    rows = []
    with open(os.path.join(gate.build, "declared.txt"), encoding="utf-8") as f:
        for line in f:
            what, name, directory, key, *values = line.split()
            rows.append((what, name, directory, key, values))
    return rows


def public_headers(gate):
    """Paths of the headers that modules declare as theirs to give."""
    return sorted(
        f"{directory}/{header}"
        for what, _, directory, key, values in declared(gate)
        if what == "module" and key == "headers"
        for header in values
    )
