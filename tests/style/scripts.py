# SPDX-License-Identifier: Apache-2.0
"""Every shell script parses, is executable if it has an interpreter line, and says what it is."""

import os
import subprocess

from common import Gate

SPDX = "SPDX-License-Identifier: Apache-2.0"


def main():
    gate = Gate("scripts")
    n = 0
    for path in gate.files():
        full = os.path.join(gate.root, path)
        if os.path.islink(full) or not os.path.isfile(full):
            continue
        with open(full, "rb") as f:
            head = f.read(512).split(b"\n")
        interpreted = head[0].startswith(b"#!")
        if not interpreted and not path.endswith(".sh"):
            continue
        n += 1
        if interpreted and not os.access(full, os.X_OK):
            gate.fail("executable", path, "has an interpreter line but is not executable")
        if interpreted and not path.startswith(".ci/") and SPDX.encode() not in b"\n".join(head[:3]):
            gate.fail("spdx", path, f"no '{SPDX}' in the first lines")
        shell = "bash" if head[0].endswith(b"bash") else "sh"
        if (interpreted and head[0].endswith(b"sh")) or path.endswith(".sh"):
            run = subprocess.run([shell, "-n", full], capture_output=True, text=True)
            if run.returncode:
                gate.fail("syntax", path, run.stderr.strip())
    gate.finish(f"{n} scripts")


main()
