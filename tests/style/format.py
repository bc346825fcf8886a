# SPDX-License-Identifier: Apache-2.0
"""Every C file is as clang-format 14 writes it. Other versions differ in details, so the version is
pinned; where it is not installed the gate is skipped."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from common import Gate

VERSION = "14"


def find():
    for name in (f"clang-format-{VERSION}", "clang-format"):
        path = shutil.which(name)
        if path:
            said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
            if re.search(rf"version {VERSION}\.", said):
                return path
    return None


def main():
    gate = Gate("format")
    tool = find()
    if not tool:
        print(f"clang-format {VERSION} is not installed")
        sys.exit(77)
    files = gate.files(".c", ".h")

    def check(some):
        return subprocess.run([tool, "--dry-run", *some], cwd=gate.root, capture_output=True, text=True).stderr

    found = {}
    cpus = os.cpu_count()
    with ThreadPoolExecutor(cpus) as pool:
        for said in pool.map(check, [files[i::cpus] for i in range(cpus) if files[i::cpus]]):
            for path, line in re.findall(r"^([^\n:]+):(\d+):\d+: (?:warning|error)", said, re.M):
                found.setdefault(path, []).append(line)
    for path, lines in sorted(found.items()):
        gate.fail("clang-format", path, f"not formatted at line {', '.join(lines[:5])}: clang-format-14 -i {path}")
    gate.finish(f"{len(files)} files")


main()
