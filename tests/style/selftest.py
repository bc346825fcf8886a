# SPDX-License-Identifier: Apache-2.0
"""Runs every gate over something bad and checks that it fails and says why: a gate that catches nothing
is worse than none. For gates that read text the bad tree is samples/<gate>, and what they must say
stands in its expect.txt; for gates that read programs a bad one is built here."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
NOT_GATES = {"common.py", "selftest.py"}

# gate: the program to build, how, and what the gate must say about it
BUILT = {
    "hardening": (
        "build/release/bin/bad",
        "-O0 -no-pie -fno-stack-protector -Wl,-z,norelro -Wl,-z,lazy -Wl,-z,execstack",
        [f"not hardened: {rule}" for rule in ("pie", "relro", "now", "stack", "protector", "fortify")],
    ),
    "linkage": (
        "bin/recond",
        "-Wl,--no-as-needed -lyaml -lcriterion",
        ["libyaml-0 is for workers only", "libcriterion is not in the table"],
    ),
}


def run_gate(gate, root):
    return subprocess.run(
        [sys.executable, "-B", os.path.join(HERE, gate + ".py"), "--root", root], capture_output=True, text=True
    )


def build(root, program, flags):
    path = os.path.join(root, program)
    os.makedirs(os.path.dirname(path))
    text = "int main(void)\n{\n\treturn 0;\n}\n"
    cc = sys.argv[1] if len(sys.argv) > 1 else "cc"
    subprocess.run([cc, "-x", "c", "-", "-o", path, *flags.split()], input=text, text=True, check=True)


def try_gate(gate):
    """The finished run of GATE over its bad sample, and the lines it had to say."""
    if gate in BUILT:
        program, flags, wanted = BUILT[gate]
        with tempfile.TemporaryDirectory() as root:
            build(root, program, flags)
            return run_gate(gate, root), wanted
    sample = os.path.join(HERE, "samples", gate)
    with open(os.path.join(sample, "expect.txt"), encoding="utf-8") as f:
        wanted = [line.rstrip("\n") for line in f if line.strip()]
    return run_gate(gate, sample), wanted


def main():
    failed = 0
    for gate in sorted(n[:-3] for n in os.listdir(HERE) if n.endswith(".py") and n not in NOT_GATES):
        run, wanted = try_gate(gate)
        missing = [w for w in wanted if w not in run.stdout]
        if run.returncode == 77:
            print(f"{gate}: cannot run here")
        elif run.returncode != 1 or missing or not wanted:
            failed = 1
            print(f"{gate}: ended with {run.returncode}, did not say: {missing}\n{run.stdout}{run.stderr}")
        else:
            print(f"{gate}: catches all {len(wanted)}")
    sys.exit(failed)


main()
