# SPDX-License-Identifier: Apache-2.0
"""What the drivers of the fault harness share: where things are, directories that go away, verdicts."""

import fcntl
import glob
import os
import resource
import shutil
import signal
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


def end_on_signals():
    """Ended from outside, with(out) a terminal: what is in `finally` is done, and is not disturbed."""
    def end(number, _frame):
        for other in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


class Scratch:
    """A directory of its own below $TMPDIR, removed at the end unless KEEP is set. A run that was
    killed cannot remove its own: the next one of the same NAME does, after TAKE_DOWN(path)."""

    def __init__(self, name, take_down=None):
        prefix = f"recond-fault-{name}-"
        for path in glob.glob(os.path.join(tempfile.gettempdir(), prefix + "*")):
            self.remove_abandoned(path, take_down)
        self.path = tempfile.mkdtemp(prefix=prefix)
        self.lock_path = os.path.join(self.path, ".lock")
        self.lock = os.open(self.lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @staticmethod
    def remove_abandoned(path, take_down):
        """Who runs holds the lock; who ended and kept its directory has none there."""
        try:
            lock = os.open(os.path.join(path, ".lock"), os.O_RDWR)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        finally:
            os.close(lock)
        print("removing what a killed run left:", path, file=sys.stderr)
        if take_down:
            take_down(path)
        shutil.rmtree(path, ignore_errors=True)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        if os.environ.get("KEEP"):
            os.unlink(self.lock_path)
            print("kept:", self.path, file=sys.stderr)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)
