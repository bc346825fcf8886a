# SPDX-License-Identifier: Apache-2.0
"""What the programs in build/bin are linked with: nothing outside the table (whose licences go with
Apache-2.0), and in the daemon no library that parses bytes from outside; those live in workers."""

import os
import re
import subprocess
import sys

from common import Gate

LICENCE = {
    "libc": "LGPL-2.1+", "libm": "LGPL-2.1+", "ld-linux-x86-64": "LGPL-2.1+", "ld-linux-aarch64": "LGPL-2.1+",
    "libgcc_s": "GPL-3+ with runtime exception", "libasan": "MIT", "libubsan": "MIT", "libgcov": "runtime exception",
    "libjansson": "MIT", "libyaml-0": "MIT", "libgit2": "GPL-2 with linking exception", "libarchive": "BSD-2",
    "libcurl": "curl", "libcrypto": "Apache-2.0", "libssl": "Apache-2.0", "libsqlite3": "public domain",
    "libsystemd": "LGPL-2.1+", "libmicrohttpd": "LGPL-2.1+", "libmnl": "LGPL-2.1+", "libseccomp": "LGPL-2.1",
}
WORKERS_ONLY = {"libgit2", "libcurl", "libarchive", "libyaml-0"}
DAEMON = "recond"


def needed(path):
    said = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
    return [re.sub(r"\.so.*$", "", name) for name in re.findall(r"\(NEEDED\).*\[(.+?)\]", said)]


def main():
    gate = Gate("linkage")
    bin_dir = os.path.join(gate.build, "bin")
    if not os.path.isdir(bin_dir):
        print("nothing is built yet")
        sys.exit(77)
    programs = sorted(os.listdir(bin_dir))
    for program in programs:
        for library in needed(os.path.join(bin_dir, program)):
            if library not in LICENCE:
                gate.fail("licence", f"bin/{program}", f"{library} is not in the table of tests/style/linkage.py")
            if program == DAEMON and library in WORKERS_ONLY:
                gate.fail("daemon", f"bin/{program}", f"{library} is for workers only")
    gate.finish(f"{len(programs)} programs")


main()
