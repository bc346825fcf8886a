# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone, and twice: it includes what it uses and says #pragma once."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from common import MODULES, Gate

FLAGS = "-std=gnu17 -D_GNU_SOURCE -fsyntax-only -Wall -Wextra -Wstrict-prototypes -Werror -x c -".split()


def main():
    gate = Gate("headers")
    headers = gate.files(".h", under=MODULES)

    def compile_alone(path):
        text = f'#include "{path}"\n#include "{path}"\n'
        return subprocess.run([gate.args.cc, f"-I{gate.root}", *FLAGS], input=text, capture_output=True, text=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, run in zip(headers, pool.map(compile_alone, headers)):
            if run.returncode:
                gate.fail("alone", path, "does not compile alone:\n" + run.stderr)
    gate.finish(f"{len(headers)} headers")


main()
