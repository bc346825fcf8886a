# SPDX-License-Identifier: Apache-2.0
"""Every file says what it is: an SPDX line first, and in C a paragraph on what lives here and what does
not, in the .c file or in the header of the same name."""

import os
import re

from common import MODULES, Gate

SPDX = "SPDX-License-Identifier: Apache-2.0"
SUFFIXES = (".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt")
PARAGRAPH = re.compile(r"\A/\* " + re.escape(SPDX) + r" \*/\n/\*\n \* (.{20,}?)\*/", re.S)


def described(gate, path):
    """PATH or its own header begins with a paragraph."""
    stem = os.path.splitext(path)[0]
    own = [path] if path.endswith(".h") else [path, f"{stem}.h", f"{stem}_priv.h"]
    return any(PARAGRAPH.match(gate.read(p)) for p in own if os.path.exists(os.path.join(gate.root, p)))


def main():
    gate = Gate("heads")
    files = gate.files(*SUFFIXES)
    for path in files:
        text = gate.read(path)
        if SPDX not in "\n".join(text.split("\n")[:3]):
            gate.fail("spdx", path, f"no '{SPDX}' in the first lines")
        elif path.endswith((".c", ".h")) and path.split("/")[0] in MODULES and not described(gate, path):
            gate.fail("paragraph", path, "no paragraph after the SPDX line on what lives here")
    gate.finish(f"{len(files)} files")


main()
