# SPDX-License-Identifier: Apache-2.0
"""What the drivers of the fault harness share: where things are, directories that go away, verdicts."""

import os
import resource
import shutil
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("FAULT_BUILD", os.path.join(ROOT, "build/fault"))
BIN = os.path.join(BUILD, "bin")
FAULTLIB = os.path.join(BUILD, "tests/fault/faultlib.so")
STORY = os.path.join(BUILD, "tests/fault/fault_story")


def need(*paths):
    """End as skipped (77) when something of PATHS is not built."""
    for path in paths:
        if not os.path.exists(path):
            print(f"skipped: {os.path.relpath(path, ROOT)} is not built (cmake --preset fault)")
            sys.exit(77)


def fail(*words):
    print("FAIL:", *words, file=sys.stderr)
    sys.exit(1)


def no_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Scratch:
    """A directory of its own below $TMPDIR, removed at the end unless KEEP is set."""

    def __init__(self, name):
        self.path = tempfile.mkdtemp(prefix=f"recond-fault-{name}-")

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        if os.environ.get("KEEP"):
            print("kept:", self.path, file=sys.stderr)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
