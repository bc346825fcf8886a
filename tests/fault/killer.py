# SPDX-License-Identifier: Apache-2.0
"""A real daemon with real containers, and what must hold however it dies.

usage: killer.py kill [--kills N] [--seed N] [--victim NAME]...
                                               the daemon, recond-monitor, recond-pod, ... (any of
                                               these; default all) killed at random times
       killer.py failpoints                    death at every failpoint there is, once each

After each: start again where the daemon died, wait until the newest revision, or after a broken one
the last good, runs in as many containers as are wanted; crun's list, the pods' status and the
processes themselves must agree; then hash the images. A kill counts when a living process got it
before its roll-out or rollback was through. At the end all pods go, and the host must have nothing
left."""

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

from common import BIN, Scratch, end_on_signals, fail, need
from failpoints import failpoints
from hostdiff import command_lines, left_over, snapshot

RECOND = os.path.join(BIN, "recond")
REPLICAS = 3
DEADLINE_S = 90
SECTIONS = ("cgroup", "mount", "link", "nft", "process")
DOCKERFILE = """FROM scratch
COPY busybox /bin/busybox
COPY serve /serve
CMD ["/serve"]
"""
# A revision is this one file, so there is no half of one; the broken ones have no such interpreter.
SERVE = """#!{shell}
# {bridge} round {round}
exec /bin/busybox httpd -f -p 8080 -h /
"""
MANIFEST = f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {REPLICAS}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: web
        readinessProbe: {{httpGet: {{path: /serve, port: 8080}}, periodSeconds: 1}}
        livenessProbe: {{exec: {{command: [/bin/busybox, "true"]}}, periodSeconds: 1}}
"""


class Instance:
    def __init__(self, work):
        self.work, self.process, self.round, self.good, self.runs = work, None, 0, 0, 0
        self.host = snapshot([], SECTIONS)
        self.bridge = f"rcf{os.getpid() % 100000}"
        self.write(os.path.join(work, "bridge"), self.bridge)
        self.source, self.state = os.path.join(work, "src"), os.path.join(work, "state")
        self.socket = os.path.join(work, "sock")
        self.cidr = f"10.212.{os.getpid() % 250}.0/24"
        self.context = os.path.join(self.source, "web")
        self.before = None
        os.makedirs(self.context)
        shutil.copy(shutil.which("busybox"), self.context)
        self.write(os.path.join(self.context, "Dockerfile"), DOCKERFILE)
        self.write(os.path.join(self.context, "app.yaml"), MANIFEST)

    def push(self, broken=False):
        """A new revision: another image, or one that cannot run."""
        self.before = self.app().get("desired", {}).get("inputs") if self.alive() else None
        self.round += 1
        self.broken = broken
        if not broken:
            self.good = self.round
        path = os.path.join(self.context, "serve")
        self.write(path, SERVE.format(shell="/nope" if broken else "/bin/busybox sh", bridge=self.bridge,
                                      round=self.round), 0o755)

    def write(self, path, text, mode=0o644):
        new = os.path.join(self.work, "new")
        with open(new, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(new, mode)
        os.rename(new, path)

    def start(self, **env):
        self.runs += 1
        self.log = os.path.join(self.work, f"daemon{self.runs}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [RECOND, "--state-dir", self.state, "--socket", self.socket, "--bridge", self.bridge,
                 "--pod-cidr", self.cidr, self.source], stdout=log, stderr=log,
                start_new_session=True, env={"PATH": os.environ["PATH"], **env})

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

    def app(self):
        return self.get("app", "web").get("status", {})

    def crun_ids(self):
        done = subprocess.run(["crun", "--root", f"{self.state}/run/crun", "list", "-q"], text=True,
                              capture_output=True, check=False)
        return sorted(done.stdout.split())

    def status_ids(self):
        return sorted(c["containerID"].split("://")[-1]
                      for pod in self.get("pods").get("items", [])
                      for c in pod.get("status", {}).get("containerStatuses", [])
                      if "running" in c.get("state", {}))

    def serving(self):
        """The round of each process of this instance's image, whoever knows of it."""
        rounds = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if not f.read().startswith(b"/bin/busybox\0httpd"):
                        continue
                with open(f"/proc/{pid}/root/serve", encoding="utf-8") as f:
                    _, bridge, _, number = f.read().splitlines()[1].split()
            except OSError:
                continue
            if bridge == self.bridge:
                rounds.append(int(number))
        return rounds

    def wrong(self):
        """What is not yet as it should be: (doubled, lost or late, what is seen); None when all is."""
        app, phase = self.app(), "Held" if self.broken else "Verified"
        crun, status, rounds = self.crun_ids(), self.status_ids(), self.serving()
        seen = f"{app.get('phase')}, crun has {crun}, status says {status}, rounds {rounds} run"
        if app.get("phase") != phase or app.get("desired", {}).get("inputs") == self.before:
            return "late", seen
        if max(len(crun), len(rounds)) > REPLICAS:
            return "doubled", seen
        if min(len(crun), len(rounds)) < REPLICAS or crun != status:
            return "lost", seen
        return None if set(rounds) == {self.good} else ("late", seen)

    def settle(self, what, may_restart=True):
        """Wait for it; how many seconds that took."""
        begin = time.monotonic()
        while (wrong := self.wrong()) is not None:
            if not self.alive():
                if not may_restart:
                    fail(what, "- the daemon ended:", self.tail())
                self.start()
            if time.monotonic() > begin + DEADLINE_S:
                fail(f"{what}: {wrong[0]}, round {self.round}, good {self.good}, not at rest within"
                     f" {DEADLINE_S} s: {wrong[1]}", self.tail())
            time.sleep(0.1)
        self.check_blobs(what)
        return time.monotonic() - begin

    def check_blobs(self, what):
        blobs = os.path.join(self.state, "images/blobs/sha256")
        for name in os.listdir(blobs):
            with open(os.path.join(blobs, name), "rb") as f:
                if hashlib.sha256(f.read()).hexdigest() != name:
                    fail(f"{what}: corrupt: blob {name} has other content")

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()[-3000:]

    def monitors(self):
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                if command(pid)[:1] == ["recond-monitor"] and any(self.work in a for a in command(pid))]

    def workers(self, name):
        """Pids of the programs NAME below the daemon."""
        found, look = [], [self.process.pid]
        while look:
            below = children(look.pop())
            found += [pid for pid in below if os.path.basename((command(pid) or [""])[0]) == name]
            look += below
        return found

    def names(self):
        """What things of this instance on the host carry in their names."""
        names = [self.work, self.bridge, *(line.split(": ")[1].split("@")[0] for line in
                 command_lines("ip", "-o", "link", "show", "master", self.bridge))]
        with open(os.path.join(self.state, "run/cgroup_root"), encoding="utf-8") as f:
            return names + [f.read().strip()]

    def remove(self):
        """End everything; nothing may be on the host then that was not there at first."""
        names = self.names()
        self.kill()
        status, text = take_down(self.work)
        left = [*left_over(self.host, names, SECTIONS), *(f"a process of round {n}" for n in self.serving())]
        if status != 0 or left:
            fail(f"cleanup ended with {status}: {text}\nleft over:", *left)
        print("nothing is left on the host")


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


def take_down(work):
    """Everything that an instance in WORK has on the host, its daemon first: (status, text)."""
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        words = command(pid)
        if words[1:3] == ["--state-dir", os.path.join(work, "state")]:
            os.kill(pid, signal.SIGKILL)
    try:
        with open(os.path.join(work, "bridge"), encoding="utf-8") as f:
            bridge = f.read()
    except FileNotFoundError:
        return 0, "nothing was begun"
    done = subprocess.run([RECOND, "cleanup", "--state-dir", os.path.join(work, "state"), "--bridge", bridge,
                           "--grace", "1s"], text=True, capture_output=True, check=False,
                          start_new_session=True)
    return done.returncode, done.stdout + done.stderr


# What lives for long is struck at a random moment, what comes and goes when it shows itself.
# recond-layer has nothing to unpack for what is built here; a daemon that starts has it clean up.
LONG = ("daemon", "recond-monitor", "recond-prober", "recond-exec")
SHORT = ("recond-scan", "recond-manifest", "recond-build", "recond-layer", "recond-pod")
# The daemon and the monitors as often as two kinds of worker.
VICTIMS = LONG + SHORT + ("daemon", "recond-monitor")
SHOWS_WITHIN_S = 4
TRIES = 5


def kill_living(pid):
    """SIGKILL for a process that is seen to be alive: stopped first, as a dead one cannot be."""
    try:
        os.kill(pid, signal.SIGSTOP)
        while True:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                state = f.read().rsplit(")", 1)[1].split()[0]
            if state in "ZX":
                return False
            if state == "T":
                os.kill(pid, signal.SIGKILL)
                return True
    except (ProcessLookupError, FileNotFoundError):
        return False


def strike(instance, chance, victim):
    """Kill one VICTIM; False when none showed itself while the newest revision was on its way."""
    end = time.monotonic() + SHOWS_WITHIN_S
    if victim in LONG or victim == "recond-pod":
        time.sleep(chance.choice([0, chance.uniform(0, 2)]))
        if instance.wrong() is None:
            return False
    if victim in ("daemon", "recond-layer"):
        instance.kill()
        instance.start()
    if victim == "daemon":
        return True
    while time.monotonic() < end:
        pids = instance.monitors() if victim == "recond-monitor" else instance.workers(victim)
        if pids and kill_living(chance.choice(pids)):
            return True
    return False


def one_kill(instance, chance, victim, n, seed):
    """Push until VICTIM could be killed on the way. False when it never showed itself."""
    for _ in range(TRIES):
        broken = instance.round % 3 == 2
        instance.push(broken)
        killed = strike(instance, chance, victim)
        what = f"kill {n} ({victim if killed else 'none'}, seed {seed})"
        took = instance.settle(what, False)
        if killed:
            print(f"kill {n}: {victim}, {'rollback' if broken else 'roll-out'}, converged in {took:.1f} s", flush=True)
            return True
    print(f"kill {n}: no {victim} in {TRIES} roll-outs, another", flush=True)
    return False


def random_kills(instance, options):
    chance, counts, deck = random.Random(options.seed), {}, []
    victims = list(options.victim or VICTIMS)
    while sum(counts.values()) < options.kills:
        if not deck:
            if not victims:
                fail("none of the victims shows itself")
            deck = chance.sample(victims, len(victims))
        victim = deck.pop()
        if one_kill(instance, chance, victim, sum(counts.values()), options.seed):
            counts[victim] = counts.get(victim, 0) + 1
        else:
            victims = [v for v in victims if v != victim]
            deck = [v for v in deck if v != victim]
    print(f"{options.kills} kills, {counts}: {options.kills} converged, 0 doubled, 0 lost, 0 corrupt images")


def each_failpoint(instance, _options):
    names = sorted({name for program in os.listdir(BIN) for name in failpoints(os.path.join(BIN, program))})
    reached = []
    for name in names:
        hits = os.path.join(instance.work, f"hits-{name}")
        os.mkdir(hits)
        instance.kill()
        instance.push()
        instance.start(RECOND_FAILPOINTS=f"{name}=1*kill", RECOND_FAILPOINTS_DIR=hits)
        instance.settle(f"death at {name}")
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
    end_on_signals()
    with Scratch("killer", take_down) as work:
        instance = Instance(work)
        try:
            instance.push()
            instance.start()
            instance.settle("the first start", False)
            {"kill": random_kills, "failpoints": each_failpoint}[options.what](instance, options)
            instance.remove()
        finally:
            instance.kill()
            take_down(work)


main()
