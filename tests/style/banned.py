# SPDX-License-Identifier: Apache-2.0
"""Functions that are not called: those that cannot be used safely, and those that one file wraps for
all the others (allocation, time, randomness, new processes). And marks of unfinished work."""

import glob
import os
import re

from common import MODULES, Gate, without_comments

INSTEAD = {
    "strcpy": "strbuf or mem_strdup", "strcat": "strbuf", "strncpy": "strbuf", "strncat": "strbuf",
    "sprintf": "strbuf_addf or snprintf", "vsprintf": "strbuf_addf", "gets": "getline",
    "strtok": "strlist_split", "alloca": "mem_alloc",
    "system": "proc_run", "popen": "proc_run", "atoi": "str_parse_i64", "atol": "str_parse_i64",
    "atoll": "str_parse_i64", "atof": "strtod with a check", "tmpnam": "mkdtemp", "tempnam": "mkdtemp",
    "mktemp": "mkdtemp", "asctime": "clock_format_rfc3339", "ctime": "clock_format_rfc3339",
    "gmtime": "gmtime_r", "localtime": "localtime_r", "setjmp": "return values", "longjmp": "return values",
    "pthread_create": "the loop or a worker",
}

# Called in their one home only.
HOME = {
    "malloc": "base/mem.c", "calloc": "base/mem.c", "realloc": "base/mem.c", "strdup": "base/mem.c",
    "strndup": "base/mem.c", "asprintf": "base/mem.c", "vasprintf": "base/mem.c",
    "clock_gettime": "base/clock.c", "gettimeofday": "base/clock.c", "time": "base/clock.c",
    "getrandom": "base/clock.c", "rand": "base/clock.c", "random": "base/clock.c", "srand": "base/clock.c",
    "fork": "base/proc_spawn.c", "vfork": "base/proc_spawn.c", "posix_spawn": "base/proc_spawn.c",
}

CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")
MARK = re.compile(r"\b(TODO|FIXME|XXX)\b")
DECIDE = re.compile(r"DECIDE\((\w*)\)")


def check_calls(gate, path):
    code = without_comments(gate.read(path))
    for number, line in enumerate(code.split("\n"), 1):
        for m in CALL.finditer(line):
            name = m.group(1)
            if name in INSTEAD:
                gate.fail(name, f"{path}:{number}", f"{name}() is banned; use {INSTEAD[name]}")
            elif path.split("/")[0] in MODULES and name in HOME and path != HOME[name]:
                gate.fail(name, f"{path}:{number}", f"{name}() is called in {HOME[name]} only")


def check_marks(gate, path):
    for number, line in enumerate(gate.read(path).split("\n"), 1):
        if MARK.search(line):
            gate.fail("mark", f"{path}:{number}", "unfinished work is not merged; an open decision is DECIDE(number)")
        for m in DECIDE.finditer(line):
            if not glob.glob(os.path.join(gate.root, "docs/decisions", f"{m.group(1)}-*.md")):
                gate.fail("decide", f"{path}:{number}", f"there is no decision {m.group(1)}")


def main():
    gate = Gate("banned")
    files = gate.files(".c", ".h")
    for path in files:
        check_calls(gate, path)
        check_marks(gate, path)
    gate.finish(f"{len(files)} files")


main()
