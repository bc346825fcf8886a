# SPDX-License-Identifier: Apache-2.0
"""What the host has of an instance, and what is left over of it.

usage: hostdiff.py snapshot FILE [PREFIX...]
       hostdiff.py diff FILE [PREFIX...]

A snapshot is one line for each control group, mount, network namespace, link, nft rule set, process
and file that concerns recond or begins with a PREFIX (run and state directories, a bridge). diff
prints what is there now and was not when FILE was made, and ends with 1 when there is anything."""

import glob
import os
import subprocess
import sys

CGROUPS = "/sys/fs/cgroup"


def command_lines(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()
    except FileNotFoundError:
        return []


def cgroups(_):
    for directory, names, _files in os.walk(CGROUPS):
        if "recond" in directory:
            yield directory
        names[:] = [n for n in names if not n.startswith("system.")]


def mounts(_):
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            yield line.split()[4]


def namespaces(_):
    """Those that a process or a mount holds; names, not numbers, would not tell them apart."""
    found = set()
    for link in glob.glob("/proc/[0-9]*/ns/net"):
        try:
            found.add(os.readlink(link))
        except OSError:
            continue
    return found


def links(_):
    for line in command_lines("ip", "-o", "link", "show"):
        yield line.split(": ")[1].split("@")[0]


def rules(_):
    return command_lines("nft", "list", "tables")


def processes(prefixes):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        pid = path.split("/")[2]
        try:
            with open(path, "rb") as f:
                text = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if int(pid) != os.getpid() and any(p + "/" in text for p in prefixes if p.startswith("/")):
            yield f"{pid} {text}"


def files(prefixes):
    for prefix in prefixes:
        if prefix.startswith("/"):
            for directory, names, leaves in os.walk(prefix):
                yield from (os.path.join(directory, n) for n in names + leaves)


SECTIONS = {"cgroup": cgroups, "mount": mounts, "netns": namespaces, "link": links, "nft": rules,
            "process": processes, "file": files}


def snapshot(prefixes, sections=SECTIONS):
    return {f"{name} {thing}" for name in sections for thing in SECTIONS[name](prefixes)}


def left_over(before, prefixes, sections=SECTIONS):
    """What is there now and not in BEFORE; with PREFIXES only what carries one of them."""
    now = sorted(snapshot(prefixes, sections) - before)
    return [line for line in now if not prefixes or any(p in line for p in prefixes)]


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("snapshot", "diff"):
        sys.exit(__doc__)
    path, prefixes = sys.argv[2], sys.argv[3:]
    if sys.argv[1] == "snapshot":
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(line + "\n" for line in sorted(snapshot(prefixes)))
        return
    with open(path, encoding="utf-8") as f:
        left = left_over(set(f.read().splitlines()), prefixes)
    for line in left:
        print(line)
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main()
