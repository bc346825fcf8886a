# SPDX-License-Identifier: Apache-2.0
"""The failpoints (base/failpoint.h) of programs, read from their ELF section.

usage: failpoints.py [--errors] FILE-OR-DIRECTORY...

Prints each name once, sorted; with --errors only those that take error()."""

import os
import struct
import sys

SECTION = b"failpoints"
ENTRY = struct.Struct("<60si")


def section(data, wanted):
    """The bytes of the section WANTED of a little-endian ELF64 file, b"" when it has none."""
    if data[:6] != b"\x7fELF\x02\x01":
        return b""
    offset, = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", data, offset + i * size) for i in range(count)]
    base = headers[names][4] if headers else 0
    for name, _, _, _, at, length in headers:
        end = data.index(b"\0", base + name)
        if data[base + name:end] == wanted:
            return data[at:at + length]
    return b""


def failpoints(path):
    """{name: takes_error} of the program PATH."""
    with open(path, "rb") as f:
        found = section(f.read(), SECTION)
    return {name.rstrip(b"\0").decode(): bool(error) for name, error in ENTRY.iter_unpack(found)}


def programs(paths):
    for path in paths:
        if os.path.isdir(path):
            yield from (os.path.join(path, name) for name in sorted(os.listdir(path)))
        else:
            yield path


def main():
    errors = "--errors" in sys.argv[1:]
    paths = [a for a in sys.argv[1:] if a != "--errors"]
    if not paths:
        sys.exit(__doc__)
    found = {}
    for path in programs(paths):
        if os.path.isfile(path):
            found.update(failpoints(path))
    for name in sorted(found):
        if found[name] or not errors:
            print(name)


if __name__ == "__main__":
    main()
