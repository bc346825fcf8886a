# SPDX-License-Identifier: Apache-2.0
"""A real daemon with real containers, and what must hold however it dies.

usage: killer.py kill [--kills N] [--seed N] [--victim NAME]...
                                               random victims (daemon, recond-monitor, recond-build,
                                               ..., worker: any of these) at random times
       killer.py failpoints                    death at every failpoint there is, once each

After each: start again where the daemon died, wait until the page of the newest revision is served by
as many containers as are wanted, then compare crun's list with the pods' status, and hash the images.
At the end all pods go, and the host must have nothing left."""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from common import BIN, Scratch, fail, need
from failpoints import failpoints
from hostdiff import left_over, snapshot

RECOND = os.path.join(BIN, "recond")
REPLICAS = 3
DEADLINE_S = 90
SECTIONS = ("cgroup", "mount", "link", "nft", "process")
MANIFEST = """apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, annotations: {{round: "{round}"}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {{name: web, image: web, command: [{command}]}}
"""


class Instance:
    def __init__(self, work):
        self.work, self.process, self.round, self.runs = work, None, 0, 0
        self.bridge = f"rcf{os.getpid() % 100000}"
        self.source, self.state = os.path.join(work, "src"), os.path.join(work, "state")
        self.socket = os.path.join(work, "sock")
        self.cidr = f"10.212.{os.getpid() % 250}.0/24"
        context = os.path.join(self.source, "web")
        os.makedirs(context)
        shutil.copy(shutil.which("busybox"), context)
        with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as f:
            f.write("FROM scratch\nCOPY busybox /bin/busybox\nCOPY page /page\n"
                    'CMD ["/bin/busybox", "sleep", "100000"]\n')

    def push(self, broken=False):
        """A new revision: another image, or one whose command does not exist."""
        self.round += 1
        context = os.path.join(self.source, "web")
        self.write(os.path.join(context, "page"), f"round {self.round}\n")
        command = '"/nope"' if broken else '"/bin/busybox", "sleep", "100000"'
        self.write(os.path.join(context, "app.yaml"),
                   MANIFEST.format(round=self.round, replicas=REPLICAS, command=command))

    def write(self, path, text):
        new = os.path.join(self.work, "new")
        with open(new, "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(new, path)

    def start(self, **env):
        self.runs += 1
        self.log = os.path.join(self.work, f"daemon{self.runs}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [RECOND, "--state-dir", self.state, "--socket", self.socket, "--bridge", self.bridge,
                 "--pod-cidr", self.cidr, self.source], stdout=log, stderr=log,
                env={"PATH": os.environ["PATH"], **env})

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def get(self, *words):
        done = subprocess.run([RECOND, "get", *words, "--socket", self.socket, "-o", "json"], text=True,
                              capture_output=True, check=False, timeout=30)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else {}

    def crun_ids(self):
        done = subprocess.run(["crun", "--root", f"{self.state}/run/crun", "list", "-q"], text=True,
                              capture_output=True, check=False)
        return sorted(done.stdout.split())

    def status_ids(self):
        return sorted(c["containerID"].split("://")[-1]
                      for pod in self.get("pods").get("items", [])
                      for c in pod.get("status", {}).get("containerStatuses", [])
                      if "running" in c.get("state", {}))

    def phase(self):
        return self.get("app", "web").get("status", {}).get("phase")

    def converged(self, phase):
        ids = self.crun_ids()
        return len(ids) == REPLICAS and ids == self.status_ids() and self.phase() == phase

    def settle(self, phase, what, may_restart=True):
        end = time.monotonic() + DEADLINE_S
        while not self.converged(phase):
            if not self.alive():
                if not may_restart:
                    fail(what, "- the daemon ended:", self.tail())
                self.start()
            if time.monotonic() > end:
                fail(f"{what}: not {phase} within {DEADLINE_S} s: {self.phase()}, crun has {self.crun_ids()},"
                     f" status says {self.status_ids()}", self.tail())
            time.sleep(0.1)
        self.check_blobs(what)

    def check_blobs(self, what):
        blobs = os.path.join(self.state, "images/blobs/sha256")
        for name in os.listdir(blobs):
            with open(os.path.join(blobs, name), "rb") as f:
                if hashlib.sha256(f.read()).hexdigest() != name:
                    fail(f"{what}: blob {name} has other content")

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()[-3000:]

    def processes(self, name):
        """Pids of this instance's programs NAME."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    text = f.read().decode(errors="replace")
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            mine = self.work in text or (self.process and parent == self.process.pid)
            if mine and os.path.basename(text.split("\0")[0]).startswith(name):
                found.append(int(pid))
        return found

    def remove(self):
        self.kill()
        done = subprocess.run([RECOND, "cleanup", "--state-dir", self.state, "--bridge", self.bridge,
                               "--grace", "1s"], text=True, capture_output=True, check=False)
        return done.returncode, done.stdout + done.stderr


VICTIMS = ("daemon", "daemon", "recond-monitor", "worker", "worker")
WORKERS = ("recond-pod", "recond-build", "recond-layer", "recond-manifest", "recond-scan")


def strike(instance, chance, victims):
    """Kill the daemon, a monitor or a worker; its name, "nothing" when none showed itself for 2 s."""
    victim = chance.choice(victims)
    if victim == "daemon":
        instance.kill()
        instance.start()
        return victim
    name = chance.choice(WORKERS) if victim == "worker" else victim
    end = time.monotonic() + 2
    while time.monotonic() < end:
        pids = instance.processes(name)
        try:
            if pids:
                os.kill(chance.choice(pids), signal.SIGKILL)
                return name
        except ProcessLookupError:
            continue
    return "nothing"


def random_kills(instance, options):
    chance, counts = random.Random(options.seed), {}
    for n in range(options.kills):
        broken = n % 4 == 3
        instance.push(broken)
        time.sleep(chance.choice([0, chance.uniform(0, 1.2)]))
        victim = strike(instance, chance, options.victim or VICTIMS)
        counts[victim] = counts.get(victim, 0) + 1
        instance.settle("Held" if broken else "Verified", f"kill {n} ({victim}, seed {options.seed})", False)
        print(f"kill {n}: {victim}, converged", flush=True)
    print(f"{options.kills} kills, {counts}: nothing doubled, nothing lost, no bad image")


def each_failpoint(instance, _options):
    names = sorted({name for program in os.listdir(BIN) for name in failpoints(os.path.join(BIN, program))})
    reached = []
    for name in names:
        hits = os.path.join(instance.work, f"hits-{name}")
        os.mkdir(hits)
        instance.kill()
        instance.push()
        instance.start(RECOND_FAILPOINTS=f"{name}=1*kill", RECOND_FAILPOINTS_DIR=hits)
        instance.settle("Verified", f"death at {name}")
        hit = os.path.exists(os.path.join(hits, name))
        reached += [name] if hit else []
        print(f"{name}: {'died there' if hit else 'not reached'}, converged", flush=True)
    print(f"death at {len(reached)} of {len(names)} failpoints: each converges")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=["kill", "failpoints"])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--victim", action="append")
    options = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("crun") or not shutil.which("busybox"):
        print("skipped: needs root, crun and busybox")
        sys.exit(77)
    need(RECOND)
    # Ended from outside, it still cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    before = snapshot([], SECTIONS)
    with Scratch("killer") as work:
        instance = Instance(work)
        try:
            instance.push()
            instance.start()
            instance.settle("Verified", "the first start", False)
            {"kill": random_kills, "failpoints": each_failpoint}[options.what](instance, options)
        finally:
            status, text = instance.remove()
        left = left_over(before, [work, instance.bridge], SECTIONS)
        if status != 0 or left:
            fail(f"cleanup ended with {status}: {text}\nleft over:", *left)
        print("nothing is left on the host")


main()
