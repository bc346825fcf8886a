# SPDX-License-Identifier: Apache-2.0
"""Who may include whom. A module includes its own headers and the public headers (CMake HEADERS) of
modules it declares (USES), and may only declare what the table below allows. Headers that are not
public are named *_priv.h and stay inside their module. Includes are rooted at the repository."""

import os
import re

from common import MODULES, Gate, declared, public_headers

MAY_USE = {
    "base": [],
    "watch": ["base"],
    "runtime": ["base"],
    "builder": ["runtime", "base"],
    "reconciler": ["base"],
    "api": ["reconciler", "base"],
    "cmd": ["base", "watch", "runtime", "builder", "reconciler", "api"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def declared_uses(gate):
    """Per directory the directories its modules and programs declare."""
    rows = declared(gate)
    home = {name: directory for what, name, directory, _, _ in rows if what == "module"}
    uses = {}
    for _, name, directory, key, values in rows:
        if key != "uses":
            continue
        for used in values:
            target = home.get(used, used)
            uses.setdefault(directory, set()).add(target)
            if directory in MAY_USE and target != directory and target not in MAY_USE[directory]:
                gate.fail("uses", f"{directory}/CMakeLists.txt", f"{name}: {directory} must not use {target}")
    return uses


def check_includes(gate, path, uses, public):
    module = path.split("/")[0]
    text = gate.read(path)
    for m in INCLUDE.finditer(text):
        header = m.group(1)
        where = f"{path}:{text.count(chr(10), 0, m.start()) + 1}"
        target = header.split("/")[0]
        if "/" not in header or target not in MODULES:
            gate.fail("rooted", where, f'include "{header}" is not rooted at the repository')
        elif not os.path.exists(os.path.join(gate.root, header)):
            gate.fail("missing", where, f'"{header}" does not exist')
        elif target == module:
            continue
        elif header.endswith("_priv.h"):
            gate.fail("private", where, f'"{header}" is private to {target}')
        elif target not in MAY_USE[module]:
            gate.fail("include", where, f"{module} must not include {target}")
        elif target not in uses.get(module, ()):
            gate.fail("undeclared", where, f"{module}/CMakeLists.txt does not declare USES {target}")
        elif header not in public:
            gate.fail("not-public", where, f'"{header}" is not among the HEADERS of {target}')


def main():
    gate = Gate("layers")
    uses = declared_uses(gate)
    public = set(public_headers(gate))
    for path in sorted(public):
        if not os.path.exists(os.path.join(gate.root, path)):
            gate.fail("absent", path, "is among the HEADERS of its module but does not exist")
    files = gate.files(".c", ".h", under=MODULES)
    for path in files:
        check_includes(gate, path, uses, public)
        # Nobody may include cmd, so its headers need no mark.
        marked = path.endswith("_priv.h") or path.startswith("cmd/")
        if path.endswith(".h") and not marked and path not in public:
            gate.fail("unlisted", path, "neither named *_priv.h nor among the HEADERS of its module")
    gate.finish(f"{len(files)} files")


main()
