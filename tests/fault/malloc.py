# SPDX-License-Identifier: Apache-2.0
"""Every allocation of the policy and its store fails once: the process ends at once and by itself, or
copes; and the next start, from what is on disk at that moment, comes to where it should.

usage: malloc.py [--every K] [--survivors N]

  --every K      only each K-th allocation (default 1)
  --survivors N  of the calls that a library coped with, go through at most N (default: all)"""

import argparse
import collections
import os
import subprocess
import sys

from common import FAULTLIB, STORY, Scratch, fail, need, no_cores

ABORTED, FAILED = 128 + 6, 1


def story(directory, **env):
    """Status and output of the story on DIRECTORY; a signal as 128 + number."""
    if env:
        env["LD_PRELOAD"] = FAULTLIB
    done = subprocess.run([STORY, directory], env={**os.environ, **env}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=7200, check=False)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode, done.stdout


def must_converge(directory, what):
    status, text = story(directory)
    if status != 0:
        fail(f"{what}: the next start ends with {status}:", text[-500:])


def go_through(work, every):
    """One run in which each call fails in a child: the lines of its report, split."""
    home, copies, report = (os.path.join(work, n) for n in ("home", "copies", "report"))
    os.mkdir(home)
    os.mkdir(copies)
    status, text = story(home, FAULTLIB=f"malloc@each{every}=ENOMEM", FAULTLIB_REPORT=report,
                         FAULTLIB_SNAPSHOT=f"{home}:{copies}")
    if status != 0:
        fail(f"the story without faults ends with {status}:", text[-500:])
    with open(report, encoding="utf-8") as f:
        return [line.split() for line in f], copies


def one_survivor(work, n):
    """The N-th call fails in a process of its own, which may go on. Returns how it ended."""
    home = os.path.join(work, f"survivor{n}")
    os.mkdir(home)
    status, text = story(home, FAULTLIB=f"malloc@{n}=ENOMEM")
    if status not in (0, FAILED, ABORTED):
        fail(f"allocation {n}: status {status}:", text[-500:])
    must_converge(home, f"allocation {n} failed, status {status}")
    return status


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--survivors", type=int, default=-1)
    options = parser.parse_args()
    need(FAULTLIB, STORY)
    no_cores()
    with Scratch("malloc") as work:
        lines, copies = go_through(work, options.every)
        tried = [line for line in lines if line[0] == "malloc"]
        ends = collections.Counter(f"{line[3]} {line[4]}" for line in tried)
        for line in tried:
            if line[3] == "end" and int(line[4]) not in (0, FAILED, ABORTED):
                fail("allocation", " ".join(line))
        total = next(int(line[1]) for line in lines if line[0] == "total")
        print(f"{len(tried)} of {total} allocations failed: {dict(ends)}", flush=True)
        for epoch in sorted(os.listdir(copies), key=int):
            must_converge(os.path.join(copies, epoch), f"died in epoch {epoch}")
        print(f"{len(os.listdir(copies))} states on disk: each converges", flush=True)
        survivors = [int(line[1]) for line in tried if line[3] == "survived"]
        if options.survivors >= 0:
            survivors = survivors[::max(1, len(survivors) // max(1, options.survivors))][:options.survivors]
        ends = collections.Counter(one_survivor(work, n) for n in survivors)
        print(f"{len(survivors)} calls in libraries that went on: {dict(ends)}, each converges")
    sys.exit(0)


main()
