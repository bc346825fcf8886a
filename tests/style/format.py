# SPDX-License-Identifier: Apache-2.0
"""Every C file is as clang-format 14 writes it. Other versions differ in details, so the version is
pinned; where it is not installed the gate is skipped."""

import re
import shutil
import subprocess
import sys

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
    for path in files:
        run = subprocess.run([tool, "--dry-run", path], cwd=gate.root, capture_output=True, text=True)
        lines = re.findall(r"^[^\n:]+:(\d+):\d+: (?:warning|error)", run.stderr, re.M)
        if lines or run.returncode:
            gate.fail("clang-format", path, f"not formatted at line {', '.join(lines[:5])}: clang-format-14 -i {path}")
    gate.finish(f"{len(files)} files")


main()
