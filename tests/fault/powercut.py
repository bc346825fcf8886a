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

from common import BUILD, FAULTLIB, STORY, Scratch, end_on_signals, fail, need

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


class Disk:
    def __init__(self, work):
        self.image, self.at = os.path.join(work, "disk"), os.path.join(work, "mnt")
        os.mkdir(self.at)
        run("truncate", "-s", f"{SIZE_MB}M", self.image)
        run("mkfs.ext4", "-q", "-F", self.image)
        self.loop = run("losetup", "-f", "--show", self.image)
        # Detached as soon as nobody has it open: when this process ends, however it does.
        self.fd = os.open(self.loop, os.O_RDONLY)
        run("losetup", "-d", self.loop)

    def mount(self):
        run("mount", "-t", "ext4", "-o", "noauto_da_alloc", self.loop, self.at)

    def cut(self, how):
        fd = os.open(self.at, os.O_RDONLY)
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", how))
        os.close(fd)

    def unmount(self):
        """What was killed may still be dying, with files open."""
        end = time.monotonic() + 20
        while (done := subprocess.run(["umount", self.at], capture_output=True, text=True,
                                      check=False)).returncode != 0:
            if time.monotonic() > end:
                fail("the disk stays busy:", done.stderr)
            time.sleep(0.02)

    def close(self):
        subprocess.run(["umount", "-l", self.at], capture_output=True, check=False)
        os.close(self.fd)


def tree(work, generation):
    """A small image root whose content says which generation it is."""
    path = os.path.join(work, f"tree{generation % 4}")
    os.makedirs(os.path.join(path, "d"), exist_ok=True)
    for i in range(20):
        with open(os.path.join(path, "d", f"f{i}"), "wb") as f:
            f.write(f"{generation} {i} ".encode() * (50 * i + 1))
    return path


def need_power(state):
    """OSError when the disk was shut down: a sync that was under way then may have returned 0 and
    written nothing, which nobody would be there to hear."""
    os.close(os.open(os.path.join(state, "power"), os.O_RDWR | os.O_CREAT, 0o600))


def writer(work, state, log_path, environment):
    """Commit images and unpack them until the power goes; each success is acknowledged by a line."""
    generation = 0
    with open(log_path, "a", buffering=1, encoding="utf-8") as log:
        while True:
            generation += 1
            name = f"web{generation}"
            path = tree(work, generation)
            for what, argv in (("image", ["commit", state, path, name, "gzip"]), ("layers", ["unpack", state, name])):
                done = subprocess.run([TOOL, *argv], capture_output=True, check=False, env=environment)
                if done.returncode != 0:
                    return
                need_power(state)
                log.write(f"{what} {name}\n")


def store_writer(state, worlds, environment):
    """The story again and again. Its world, with host.json that says what was acknowledged, does not
    lose its power."""
    for generation in range(1000):
        name = f"story{generation}"
        home, world = os.path.join(state, name), os.path.join(worlds, name)
        os.makedirs(home)
        os.makedirs(world)
        done = subprocess.run([STORY, world, home], capture_output=True, check=False, env=environment)
        if done.returncode != 0:
            return


def spawn(function, *arguments):
    """A child in a session of its own; the cleanup of the parent is not its business."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        function(*arguments)
    except OSError:
        pass  # the disk is gone
    finally:
        os._exit(0)


def read_json(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


class Images:
    """The image store of a state directory as it lies on the disk."""

    def __init__(self, state):
        self.blobs = os.path.join(state, "images/blobs/sha256")
        self.index = os.path.join(state, "images/index.json")
        self.layers = os.path.join(state, "layers")

    def blob(self, digest):
        return os.path.join(self.blobs, digest.removeprefix("sha256:"))

    def references(self):
        """{reference: digest of its manifest}"""
        if not os.path.exists(self.index):
            return {}
        return {m["annotations"]["org.opencontainers.image.ref.name"]: m["digest"]
                for m in read_json(self.index)["manifests"]}

    def bad_blobs(self):
        for name in os.listdir(self.blobs) if os.path.isdir(self.blobs) else []:
            if len(name) == 64:
                with open(os.path.join(self.blobs, name), "rb") as f:
                    if hashlib.sha256(f.read()).hexdigest() != name:
                        yield f"blob {name} has other content"

    def bad_images(self):
        """What the index names, acknowledged or not, is complete."""
        for name, digest in self.references().items():
            try:
                manifest = read_json(self.blob(digest))
            except (OSError, ValueError) as e:
                yield f"image {name}: {e}"
                continue
            for part in [manifest["config"], *manifest["layers"]]:
                if not os.path.exists(self.blob(part["digest"])):
                    yield f"image {name}: {part['digest']} is not there"

    def bad_layers(self):
        """A layer directory that has a name is whole: twenty files, each with its own text throughout."""
        for layer in os.listdir(self.layers) if os.path.isdir(self.layers) else []:
            if layer.startswith("."):
                continue
            for i in range(20):
                try:
                    with open(os.path.join(self.layers, layer, "fs/d", f"f{i}"), "rb") as f:
                        text = f.read()
                except OSError as e:
                    yield f"layer {layer}: {e}"
                    break
                first = text.split(b" ")[0]
                if text != (first + b" " + str(i).encode() + b" ") * (50 * i + 1):
                    yield f"layer {layer}: f{i} holds {len(text)} wrong bytes"
                    break

    def holds(self, what, name):
        """Is the image NAME there, and with WHAT "layers" unpacked, too?"""
        digest = self.references().get(f"{name}:latest")
        if not digest or what == "image":
            return bool(digest)
        config = read_json(self.blob(read_json(self.blob(digest))["config"]["digest"]))
        return all(os.path.isdir(os.path.join(self.layers, i.removeprefix("sha256:")))
                   for i in config["rootfs"]["diff_ids"])


def check_images(state, log_path):
    """What is bad or lost, and how many acknowledged writes were looked for."""
    lines, images = [], Images(state)
    if os.path.exists(log_path):
        with open(log_path, encoding="utf-8") as f:
            lines = f.read().splitlines()
    try:
        bad = [*images.bad_blobs(), *images.bad_images(), *images.bad_layers()]
        bad += [f"lost: {line}" for line in lines if not images.holds(*line.split())]
    except (OSError, ValueError, KeyError) as e:
        bad = [f"image store: {e}"]
    return bad, len(lines)


def check_stores(state, worlds):
    """Each story goes on in its world; it knows what was acknowledged there. Then the file is sound."""
    bad, writes = [], 0
    for name in sorted(os.listdir(worlds)):
        home, world = os.path.join(state, name), os.path.join(worlds, name)
        host = os.path.join(world, "host.json")
        if not os.path.exists(host):
            continue
        writes += read_json(host).get("writes", 0)
        os.makedirs(home, exist_ok=True)
        done = subprocess.run([STORY, world, home], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            bad.append(f"lost: {name}: the next start ends with {done.returncode}: {done.stderr[-300:]}")
            continue
        with contextlib.closing(sqlite3.connect(os.path.join(home, "recond.db"))) as db:
            found = db.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            bad.append(f"{name}: {found}")
    return bad, writes


def one_cut(disk, work, chance, how, environment):
    """What was bad, acknowledged writes of images and of the store. Nothing of one cut is there in
    the next."""
    at = os.path.join(work, "cut")
    state, log_path, worlds = os.path.join(disk.at, "state"), os.path.join(at, "log"), os.path.join(at, "worlds")
    os.makedirs(worlds)
    disk.mount()
    os.makedirs(state)
    pids = [spawn(writer, at, state, log_path, environment), spawn(store_writer, state, worlds, environment)]
    time.sleep(chance.uniform(0.05, 0.8))
    disk.cut(how)
    for pid in pids:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    disk.unmount()
    disk.mount()
    bad_images, images = check_images(state, log_path)
    bad_stores, writes = check_stores(state, worlds)
    disk.unmount()
    run("mkfs.ext4", "-q", "-F", disk.loop)
    shutil.rmtree(at)
    return bad_images + bad_stores, images, writes


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
    end_on_signals()
    chance, bad, images, writes = random.Random(options.seed), [], 0, 0
    private_mounts()
    with Scratch("powercut") as work:
        disk = Disk(work)
        try:
            for n in range(options.cuts):
                found, *counts = one_cut(disk, work, chance, 1 + n % 2, environment)
                for text in found:
                    print(f"cut {n}:", text, flush=True)
                bad, images, writes = bad + found, images + counts[0], writes + counts[1]
                if bad and options.no_sync:
                    break
        finally:
            disk.close()
    looked = f"{images} images and layers and {writes} writes of the store were acknowledged"
    if options.no_sync and not bad:
        fail(f"{options.cuts} cuts without fsync lost nothing: this test sees nothing")
    if bad and not options.no_sync:
        fail(f"{len(bad)} losses in {options.cuts} cuts, seed {options.seed}; {looked}")
    if not images or not writes:
        fail(f"{looked}: nothing to lose")
    print(f"{options.cuts} cuts, seed {options.seed}: {looked}; "
          + ("losses are seen" if bad else "0 lost, 0 bad files"))


main()
