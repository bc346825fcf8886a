# SPDX-License-Identifier: Apache-2.0
"""Calls that resolve a path. A path that someone else controls is opened by base/fs.c alone, beneath
a directory fd; so every other file that calls one of these functions stands in fs_allow.txt with
the reason why its paths are recond's own."""

import os
import re

from common import MODULES, Gate, without_comments

FUNCTIONS = """
open openat openat2 creat fopen freopen opendir scandir realpath canonicalize_file_name
mkdir mkdirat mknod mknodat mkfifo mkfifoat rename renameat renameat2 link linkat symlink symlinkat
unlink unlinkat rmdir remove chown lchown fchownat chmod fchmodat truncate chdir chroot pivot_root
""".split()

CALL = re.compile(r"(?<![\w.>])(" + "|".join(FUNCTIONS) + r")\s*\(")


def read_list(gate):
    """Lines "<path>: <functions...>: <reason>"."""
    listed = {}
    path = os.path.join(gate.root, "tests/style/fs_allow.txt")
    if not os.path.exists(path):
        return listed
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = [p.strip() for p in line.split(":", 2)]
            if len(parts) != 3 or len(parts[2]) < 15:
                gate.fail("list", f"tests/style/fs_allow.txt:{number}", "want: path: functions: reason")
                continue
            listed[parts[0]] = set(parts[1].split())
    return listed


def main():
    gate = Gate("fs_calls")
    listed = read_list(gate)
    files = gate.files(".c", ".h", under=MODULES)
    for path in files:
        seen = set()
        for number, line in enumerate(without_comments(gate.read(path)).split("\n"), 1):
            for m in CALL.finditer(line):
                seen.add(m.group(1))
                if m.group(1) not in listed.get(path, ()):
                    gate.fail(m.group(1), f"{path}:{number}", f"{m.group(1)}() resolves a path: use base/fs.h")
        for name in sorted(listed.pop(path, set()) - seen):
            gate.fail("list", "tests/style/fs_allow.txt", f"{path} no longer calls {name}")
    for path in sorted(listed):
        gate.fail("list", "tests/style/fs_allow.txt", f"{path} does not exist")
    gate.finish(f"{len(files)} files")


main()
