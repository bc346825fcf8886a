# SPDX-License-Identifier: Apache-2.0
"""The power goes while the store and the image store are written: nothing that was acknowledged is
lost, and there is no bad image file. ext4 on a loop device, mounted with noauto_da_alloc in a mount
namespace of its own, is shut down by EXT4_IOC_SHUTDOWN: journal flushed (1) or not (2), in turn.

usage: powercut.py [--cuts N] [--seed N] [--no-sync]

  --cuts N    how often (default 200)
  --no-sync   the test of the test: with fsync turned into nothing it must find losses"""

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time

from common import BUILD, FAULTLIB, STORY, Scratch, fail, need

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18
TOOL = os.path.join(BUILD, "tests/tools/image_tool")
SIZE_MB = 96


def run(*argv, **more):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **more).stdout.strip()


def private_mounts():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) < 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) < 0:
        fail("no mount namespace:", os.strerror(ctypes.get_errno()))


def holds(pid, at):
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}").startswith(at) for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


class Disk:
    def __init__(self, work):
        self.image, self.at = os.path.join(work, "disk"), os.path.join(work, "mnt")
        os.mkdir(self.at)
        run("truncate", "-s", f"{SIZE_MB}M", self.image)
        run("mkfs.ext4", "-q", "-F", self.image)
        self.loop = run("losetup", "-f", "--show", self.image)

    def mount(self):
        run("mount", "-t", "ext4", "-o", "noauto_da_alloc", self.loop, self.at)

    def cut(self, how):
        fd = os.open(self.at, os.O_RDONLY)
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", how))
        os.close(fd)

    def unmount(self):
        """What was killed may still be dying, with files open."""
        end = time.monotonic() + 20
        while subprocess.run(["umount", self.at], capture_output=True, check=False).returncode != 0:
            if time.monotonic() > end:
                fail("the disk stays busy:", subprocess.run(["umount", self.at], capture_output=True, text=True).stderr, *[p for p in os.listdir("/proc") if p.isdigit() and holds(p, self.at)])
            time.sleep(0.02)

    def close(self):
        subprocess.run(["umount", "-l", self.at], capture_output=True, check=False)
        run("losetup", "-d", self.loop)


def tree(work, generation):
    """A small image root whose content says which generation it is."""
    path = os.path.join(work, f"tree{generation % 4}")
    os.makedirs(os.path.join(path, "d"), exist_ok=True)
    for i in range(20):
        with open(os.path.join(path, "d", f"f{i}"), "wb") as f:
            f.write(f"{generation} {i} ".encode() * (50 * i + 1))
    return path


def writer(work, state, acknowledged, environment):
    """Commit images and run stories until the power goes; each success is acknowledged by a line,
    on a disk that stays."""
    generation = int(time.monotonic() * 1000)
    with open(acknowledged, "a", buffering=1, encoding="utf-8") as log:
        while True:
            generation += 1
            name = f"web{generation}"
            path = tree(work, generation)
            done = subprocess.run([TOOL, "commit", state, path, name, "gzip"], capture_output=True,
                                  text=True, check=False, env=environment)
            if done.returncode != 0:
                return
            log.write(f"image {name}\n")
            done = subprocess.run([TOOL, "unpack", state, name], capture_output=True, check=False,
                                  env=environment)
            if done.returncode != 0:
                return
            log.write(f"layers {name}\n")


def store_writer(state, acknowledged, environment):
    """The story again and again; host.json says what was acknowledged, and lies on the disk that
    stays: the world does not lose its power."""
    for generation in range(1000):
        home = os.path.join(state, f"story{generation}-{os.getpid()}")
        world = f"{acknowledged}.story{generation}-{os.getpid()}"
        os.makedirs(home, exist_ok=True)
        os.makedirs(world, exist_ok=True)
        with open(f"{acknowledged}.homes", "a", encoding="utf-8") as f:
            f.write(f"{home} {world}\n")
        done = subprocess.run([STORY, world, home], capture_output=True, check=False, env=environment)
        if done.returncode != 0:
            return


def spawn(function, *arguments):
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    function(*arguments)
    os._exit(0)


def bad_blobs(state):
    blobs = os.path.join(state, "images/blobs/sha256")
    for name in os.listdir(blobs) if os.path.isdir(blobs) else []:
        if len(name) == 64:
            with open(os.path.join(blobs, name), "rb") as f:
                if hashlib.sha256(f.read()).hexdigest() != name:
                    yield f"blob {name} has other content"


def image_of(state, name):
    """The manifest of reference NAME, None when the index does not know it."""
    blobs = os.path.join(state, "images/blobs/sha256")
    try:
        with open(os.path.join(state, "images/index.json"), encoding="utf-8") as f:
            index = json.load(f)
        for entry in index["manifests"]:
            if name in entry.get("annotations", {}).get("org.opencontainers.image.ref.name", ""):
                with open(os.path.join(blobs, entry["digest"][7:]), encoding="utf-8") as f:
                    return json.load(f)
    except (OSError, ValueError) as e:
        return {"broken": str(e)}
    return None


def lost_images(state, acknowledged):
    lines = []
    if os.path.exists(acknowledged):
        with open(acknowledged, encoding="utf-8") as f:
            lines = f.read().splitlines()
    for line in lines:
        what, name = line.split()
        manifest = image_of(state, name)
        if not manifest or "broken" in manifest:
            yield f"{what} {name} was acknowledged: {manifest}"
            continue
        blobs = os.path.join(state, "images/blobs/sha256")
        for part in [manifest["config"], *manifest["layers"]]:
            if not os.path.exists(os.path.join(blobs, part["digest"][7:])):
                yield f"{what} {name}: {part['digest']} is not there"


def bad_layers(state):
    """A layer directory that has a name is whole: twenty files, each with its own text throughout."""
    layers = os.path.join(state, "layers")
    for layer in os.listdir(layers) if os.path.isdir(layers) else []:
        if layer.startswith("."):
            continue
        for i in range(20):
            path = os.path.join(layers, layer, "fs/d", f"f{i}")
            try:
                with open(path, "rb") as f:
                    text = f.read()
            except OSError as e:
                yield f"layer {layer}: {e}"
                break
            first = text.split(b" ")[0]
            if text != (first + b" " + str(i).encode() + b" ") * (50 * i + 1):
                yield f"layer {layer}: f{i} holds {len(text)} wrong bytes"
                break


def bad_stores(acknowledged):
    path = f"{acknowledged}.homes"
    lines = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
    for line in lines:
        home, world = line.split()
        if not os.path.exists(os.path.join(world, "host.json")):
            shutil.rmtree(world, ignore_errors=True)
            continue
        if not os.path.isdir(home):
            os.makedirs(home)
        try:
            with contextlib.closing(sqlite3.connect(os.path.join(home, "recond.db"))) as db:
                found = db.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.Error as e:
            found = str(e)
        if found != "ok":
            yield f"{home}: {found}"
        done = subprocess.run([STORY, world, home], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield f"{home}: the next start ends with {done.returncode}: {done.stderr[-300:]}"
        # A later cut may get the same pid, and must not find this world.
        shutil.rmtree(world)
    for suffix in (".homes", ""):
        if os.path.exists(acknowledged + suffix):
            os.unlink(acknowledged + suffix)


def one_cut(disk, work, chance, how, environment):
    state, acknowledged = os.path.join(disk.at, "state"), os.path.join(work, "acknowledged")
    disk.mount()
    os.makedirs(state, exist_ok=True)
    pids = [spawn(writer, work, state, acknowledged, environment),
            spawn(store_writer, state, acknowledged, environment)]
    time.sleep(chance.uniform(0.05, 0.8))
    disk.cut(how)
    for pid in pids:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    disk.unmount()
    disk.mount()
    bad = [*bad_blobs(state), *lost_images(state, acknowledged), *bad_layers(state), *bad_stores(acknowledged)]
    disk.unmount()
    run("mkfs.ext4", "-q", "-F", disk.loop)
    return bad


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-sync", action="store_true")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(77)
    need(FAULTLIB, STORY, TOOL)
    environment = {"PATH": os.environ["PATH"], "RECOND_LIBEXEC": os.path.join(BUILD, "bin")}
    if options.no_sync:
        environment.update(LD_PRELOAD=FAULTLIB, FAULTLIB="fsync@*=skip")
    # Ended from outside, it still gives the loop device back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chance, bad = random.Random(options.seed), []
    private_mounts()
    with Scratch("powercut") as work:
        disk = Disk(work)
        try:
            for n in range(options.cuts):
                found = one_cut(disk, work, chance, 1 + n % 2, environment)
                for text in found:
                    print(f"cut {n}:", text, flush=True)
                bad += found
                if bad and options.no_sync:
                    break
        finally:
            disk.close()
    if options.no_sync and not bad:
        fail(f"{options.cuts} cuts without fsync lost nothing: this test sees nothing")
    if bad and not options.no_sync:
        fail(f"{len(bad)} losses in {options.cuts} cuts, seed {options.seed}")
    print(f"{options.cuts} cuts: " + ("losses are seen" if bad else "nothing lost, no bad file"))


main()
