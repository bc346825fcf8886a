# SPDX-License-Identifier: Apache-2.0
"""Runs every gate over a small bad tree, samples/<gate>, and checks that it fails and prints each line
of samples/<gate>/expect.txt somewhere: a gate that catches nothing is worse than none."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NOT_GATES = {"common.py", "selftest.py"}
NO_SAMPLE = {"linkage.py": "looks at programs, not at text"}


def main():
    failed = 0
    gates = sorted(n for n in os.listdir(HERE) if n.endswith(".py") and n not in NOT_GATES)
    for gate in gates:
        if gate in NO_SAMPLE:
            continue
        sample = os.path.join(HERE, "samples", gate[:-3])
        run = subprocess.run(
            [sys.executable, "-B", os.path.join(HERE, gate), "--root", sample], capture_output=True, text=True
        )
        if run.returncode == 77:
            print(f"{gate}: cannot run here")
            continue
        with open(os.path.join(sample, "expect.txt"), encoding="utf-8") as f:
            wanted = [line.rstrip("\n") for line in f if line.strip()]
        missing = [w for w in wanted if w not in run.stdout]
        if run.returncode != 1 or missing or len(wanted) == 0:
            failed = 1
            print(f"{gate}: ended with {run.returncode}, did not say: {missing}\n{run.stdout}{run.stderr}")
        else:
            print(f"{gate}: catches {len(wanted)} of {len(wanted)}")
    sys.exit(failed)


main()
