# SPDX-License-Identifier: Apache-2.0
"""Limits of size, those beyond which a reader gives up: lines and statements of a function, nesting,
cognitive complexity, parameters, lines of a file, the share of long functions, and public functions
without a contract comment. Aims that are not limits are printed."""

import re

from common import MODULES, Gate, functions, public_headers, without_comments

FUNCTION_LINES = 100
LONG_FUNCTION_LINES = 60
LONG_FUNCTION_SHARE = 0.08
STATEMENTS = 80
COMPLEXITY = 25
NESTING = 4
PARAMETERS = 7
FILE_LINES = 1000
HEADER_LINES = 300
ASSERTS_PER_KLOC = 10

CONTROL = re.compile(r"^(\t*)(?:\} )?(if|else if|else|for|while|do|switch|\w+_foreach(?:_safe)?)\b(.*)$")


def nesting(function):
    """Deepest control statement. The format gives each level one tab."""
    depths = [len(m.group(1)) for line in function.body if (m := CONTROL.match(line))]
    return max(depths, default=0)


def complexity(function):
    """Cognitive complexity: 1 per break of the linear flow, plus its nesting; 1 per run of equal logical operators."""
    total = 0
    for line in function.body:
        m = CONTROL.match(line)
        if m and m.group(2).startswith("else"):
            total += 1
        elif m and not line.lstrip().startswith("} while"):
            total += len(m.group(1))
        operators = re.findall(r"&&|\|\|", line)
        total += sum(1 for i, o in enumerate(operators) if i == 0 or operators[i - 1] != o)
        total += len(re.findall(r"\?[^:]*:|\bgoto\b", line))
    return total


def check_functions(gate, path):
    found = functions(gate.read(path))
    for f in found:
        where = f"{path}:{f.name}"
        statements = sum(line.count(";") for line in f.body)
        for rule, value, limit in (
            ("function-lines", f.lines, FUNCTION_LINES),
            ("statements", statements, STATEMENTS),
            ("complexity", complexity(f), COMPLEXITY),
            ("nesting", nesting(f), NESTING),
            ("parameters", len(f.params), PARAMETERS),
        ):
            if value > limit:
                gate.fail(rule, where, f"{rule} {value}, limit {limit} (line {f.first})")
    return found


DECLARATION = re.compile(r"^(?!typedef\b|struct \w+ \{|enum\b|union\b|extern\b|return\b)(?:[A-Za-z_][\w ]*[ *]+)(\w+)\(")


def check_contracts(gate, path):
    """A declaration is covered by a comment beside it, or above it with no blank line between."""
    text = gate.read(path)
    code = without_comments(text).split("\n")
    lines = text.split("\n")
    n = 0
    for i, line in enumerate(code):
        m = DECLARATION.match(line)
        if not m or m.group(1).endswith("_") or "__attribute__" == m.group(1):
            continue
        n += 1
        if "/*" in lines[i]:
            continue
        above = i - 1
        while above >= 0 and lines[above].strip() and "*/" not in lines[above]:
            above -= 1
        if above < 0 or "*/" not in lines[above]:
            gate.fail("contract", f"{path}:{m.group(1)}", f"no contract comment (line {i + 1})")
    return n


def main():
    gate = Gate("sizes")
    n_functions = n_long = n_asserts = n_code = n_test = 0
    for path in gate.files(".c", ".h"):
        found = check_functions(gate, path)
        code = [line for line in without_comments(gate.read(path)).split("\n") if line.strip()]
        if path.split("/")[0] not in MODULES:
            n_test += len(code)
            continue
        n_code += len(code)
        n_functions += len(found)
        n_long += sum(f.lines > LONG_FUNCTION_LINES for f in found)
        n_asserts += sum(len(re.findall(r"\bassert\(", line)) for line in code)
        total = gate.read(path).count("\n")
        if path.endswith(".c") and total > FILE_LINES:
            gate.fail("file-lines", path, f"{total} lines, limit {FILE_LINES}")
    n_public = 0
    for path in public_headers(gate) + [p for p in gate.files(".h", under=["cmd"]) if not p.endswith("_priv.h")]:
        total = gate.read(path).count("\n")
        if total > HEADER_LINES:
            gate.fail("header-lines", path, f"{total} lines, limit {HEADER_LINES}")
        n_public += check_contracts(gate, path)
    share = n_long / max(n_functions, 1)
    if share > LONG_FUNCTION_SHARE:
        gate.fail("long-functions", "tree", f"{share:.1%} of functions exceed {LONG_FUNCTION_LINES} lines, limit {LONG_FUNCTION_SHARE:.0%}")
    density = 1000 * n_asserts / max(n_code, 1)
    print(f"functions: {n_functions}, {share:.1%} longer than {LONG_FUNCTION_LINES} lines; public: {n_public}")
    print(f"asserts per 1000 code lines: {density:.1f} (aim: {ASSERTS_PER_KLOC})")
    print(f"test lines per source line: {n_test / max(n_code, 1):.2f} (aim: 0.8)")
    gate.finish(f"{n_code} code lines")


main()
