# SPDX-License-Identifier: Apache-2.0
"""What is released is hardened: position independent, relocations read-only before main, no executable
stack, stack protector and fortified calls present, and no failpoint in it. Looks at build/release, which contrib/run-tests
builds; without it the gate is skipped."""

import os
import subprocess
import sys

from common import Gate

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from failpoints import failpoints  # noqa: E402


def readelf(path, *options):
    return subprocess.run(["readelf", "-W", *options, path], capture_output=True, text=True, check=True).stdout


def check(gate, path):
    where = os.path.relpath(path, gate.root)
    header, segments = readelf(path, "-h"), readelf(path, "-l")
    dynamic, symbols = readelf(path, "-d"), readelf(path, "-s")
    stack = [line for line in segments.split("\n") if "GNU_STACK" in line]
    for rule, holds in (
        ("pie", "DYN (" in header),
        ("relro", "GNU_RELRO" in segments),
        ("now", "BIND_NOW" in dynamic or "NOW" in dynamic or "INTERP" not in segments),
        ("stack", bool(stack) and " RWE " not in stack[0]),
        ("protector", "__stack_chk_fail" in symbols),
        ("failpoint", not failpoints(path)),
        ("fortify", "_chk@" in symbols or "_chk\n" in symbols or "_chk " in symbols),
    ):
        if not holds:
            gate.fail(rule, where, f"not hardened: {rule}")


def main():
    gate = Gate("hardening")
    programs = os.path.join(gate.root, "build/release/bin")
    if not os.path.isdir(programs):
        print("build/release does not exist")
        sys.exit(77)
    names = sorted(os.listdir(programs))
    for name in names:
        check(gate, os.path.join(programs, name))
    gate.finish(f"{len(names)} programs")


main()
