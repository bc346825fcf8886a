#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile and odd layers against the worker recond-layer: every archive is made here, unpacked by the real worker, and
then the verdict, the resulting tree, and a canary tree outside of it (content, modes, inodes, ctimes) are compared.
Legal archives made at random must give the tree that GNU tar gives.

usage: evil_tar.py RECOND_LAYER SCRATCH_DIR"""

import gzip
import hashlib
import io
import json
import os
import random
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tarfile

LAYER, SCRATCH = sys.argv[1], sys.argv[2]
STATE, CANARY = f"{SCRATCH}/state", f"{SCRATCH}/canary"
PLAIN, GZIP, ZSTD = 0, 1, 2
FRAME_UNPACK, FRAME_RESULT = 1, 2

# --- making archives --------------------------------------------------------------------------------


class Tar:
    """A tar under construction. Entries are given as they shall stand in the headers, however wrong."""

    def __init__(self, fmt=tarfile.PAX_FORMAT):
        self.out = io.BytesIO()
        self.fmt = fmt

    def add(self, name, data=b"", type=tarfile.REGTYPE, **more):
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mtime, info.mode = type, len(data), 1000000000, 0o644
        for key, value in more.items():
            setattr(info, key, value)
        self.out.write(info.tobuf(self.fmt, "utf-8", "surrogateescape"))
        self.out.write(data + b"\0" * (-len(data) % 512))
        return self

    def dir(self, name, **more):
        return self.add(name, type=tarfile.DIRTYPE, **{"mode": 0o755, **more})

    def symlink(self, name, target):
        return self.add(name, type=tarfile.SYMTYPE, linkname=target)

    def link(self, name, target):
        return self.add(name, type=tarfile.LNKTYPE, linkname=target)

    def xattr(self, name, key, value, data=b"x"):
        return self.add(name, data, pax_headers={f"SCHILY.xattr.{key}": value})

    def raw(self, data):
        self.out.write(data)
        return self

    def end(self):
        return self.out.getvalue() + b"\0" * 1024


def header(name, size_field, type=b"0"):
    """A ustar header with any bytes for a size."""
    h = bytearray(512)
    h[0:len(name)] = name
    h[100:108], h[108:116], h[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    h[124:136], h[136:148], h[148:156] = size_field, b"00000000000\0", b" " * 8
    h[156:157], h[257:265] = type, b"ustar\00000"
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


def gz(data):
    return gzip.compress(data, 1, mtime=0)


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c", "-1"], input=data, stdout=subprocess.PIPE, check=True).stdout


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# --- the worker -------------------------------------------------------------------------------------


def unpack(blob, diff_id, compression, limits=None, digest=None, size=None):
    """Ask a worker: ({}, or its error)."""
    digest = digest or sha(blob)
    path = f"{STATE}/images/blobs/sha256/{digest[7:]}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(blob)
    request = json.dumps({
        "stateDir": STATE,
        "layer": {"digest": digest, "diffId": diff_id, "compression": compression,
                  "sizeBytes": len(blob) if size is None else size},
        "limits": limits or {}}).encode()
    ours, theirs = socket.socketpair()
    child = subprocess.Popen([LAYER], stdin=subprocess.DEVNULL, preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
                             close_fds=False, env={**os.environ, "RECOND_LIBEXEC": os.path.dirname(LAYER)})
    theirs.close()
    ours.sendall(struct.pack("<II", len(request), FRAME_UNPACK) + request)
    ours.shutdown(socket.SHUT_WR)
    answer = b""
    while chunk := ours.recv(65536):
        answer += chunk
    ours.close()
    child.wait()
    os.unlink(path)
    assert len(answer) >= 8, f"worker ended with {child.returncode} and said nothing"
    return json.loads(answer[8:])


def layer_dir(diff_id):
    return f"{STATE}/layers/{diff_id[7:]}/fs"


def listing(root):
    """Everything that is to be known of a tree, by path."""
    out = {}
    for base, dirs, files in os.walk(os.fsencode(root)):
        for name in [b""] + dirs + files:
            path = os.path.join(base, name) if name else base
            st = os.lstat(path)
            what = [stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns // 10**9]
            if stat.S_ISREG(st.st_mode):
                what += [st.st_size, st.st_nlink, hashlib.sha256(open(path, "rb").read()).hexdigest()]
            elif stat.S_ISLNK(st.st_mode):
                what += [os.readlink(path)]
                what[1] = 0o777
            out[os.path.relpath(path, os.fsencode(root))] = tuple(what)
    return out


def canary_state():
    out = []
    for base, dirs, files in os.walk(CANARY):
        for path in [base] + [os.path.join(base, f) for f in files]:
            st = os.lstat(path)
            data = open(path, "rb").read() if stat.S_ISREG(st.st_mode) else b""
            out.append((path, st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns, st.st_ctime_ns,
                        st.st_nlink, data, sorted(os.listxattr(path, follow_symlinks=False))))
    return sorted(out)


# --- cases ------------------------------------------------------------------------------------------

CASES = []


def case(name, tar, want, compression=GZIP, check=None, **more):
    """WANT: "ok", or words of the refusal. TAR: bytes of the tar."""
    CASES.append((name, tar, want, compression, check, more))


def is_whiteout(path):
    st = os.lstat(path)
    return stat.S_ISCHR(st.st_mode) and st.st_rdev == 0


def is_opaque(path):
    return "trusted.overlay.opaque" in os.listxattr(path)


def content(path):
    with open(path, "rb") as f:
        return f.read()


def escapes():
    c = CANARY
    case("dot dot at the front", Tar().add("../canary/f", b"x").end(), "'..'")
    case("dot dot in the middle", Tar().dir("a").add("a/../../canary/f", b"x").end(), "'..'")
    case("dot dot at the end", Tar().dir("a/..").end(), "'..'")
    case("many dot dots", Tar().add("../" * 40 + "etc/recond-canary", b"x").end(), "'..'")
    case("dot dot as a directory entry", Tar().dir("..").end(), "'..'")
    case("absolute path stays inside", Tar().add(f"{c}/f", b"x").end(), "ok",
         check=lambda d: content(d + c + "/f") == b"x")
    case("absolute symlink as a parent", Tar().symlink("x", c).add("x/f", b"x").end(), "parent")
    case("relative symlink as a parent", Tar().symlink("x", "../" * 20 + c[1:]).add("x/f", b"x").end(), "parent")
    case("symlink to the root as a parent stays inside", Tar().symlink("x", "/").add("x/f", b"x").end(), "ok",
         check=lambda d: content(d + "/f") == b"x")
    case("symlink to dot dot as a parent stays inside", Tar().symlink("x", "..").add("x/f", b"x").end(), "ok",
         check=lambda d: content(d + "/f") == b"x")
    case("chain of symlinks", Tar().symlink("a", "b").symlink("b", "c").symlink("c", c).add("a/f", b"x").end(), "parent")
    case("symlink loop as a parent", Tar().symlink("a", "b").symlink("b", "a").add("a/f", b"x").end(), "parent")
    case("symlink to itself", Tar().symlink("a", "a").add("a/f", b"x").end(), "parent")
    case("symlink into proc", Tar().symlink("p", "/proc/self/root" + c).add("p/f", b"x").end(), "parent")
    case("symlink to a descriptor", Tar().symlink("p", "/proc/self/fd/5/../../..").add("p/f", b"x").end(), "parent")
    case("file written through a symlink", Tar().symlink("f", f"{c}/f").add("f", b"overwritten").end(), "ok",
         check=lambda d: not os.path.islink(d + "/f") and content(d + "/f") == b"overwritten")
    case("directory made through a symlink", Tar().symlink("d", c).dir("d", mode=0o777, uid=5).end(), "ok",
         check=lambda d: not os.path.islink(d + "/d") and os.lstat(d + "/d").st_uid == 5)
    case("symlinks inside count", Tar().dir("usr").dir("usr/lib").symlink("lib", "usr/lib").add("lib/f", b"x").end(), "ok",
         check=lambda d: content(d + "/usr/lib/f") == b"x")
    case("hard link to the outside", Tar().link("l", f"../canary/f").end(), "'..'")
    case("absolute hard link to the outside", Tar().link("l", f"{c}/f").end(), "leads to nothing")
    case("hard link through a symlink", Tar().symlink("x", c).link("l", "x/f").add("l", b"y").end(), "leads to nothing")
    case("hard link to a symlink", Tar().symlink("s", f"{c}/f").link("l", "s").end(), "ok",
         check=lambda d: os.readlink(d + "/l") == f"{c}/f")
    case("writing through a hard link to a symlink", Tar().symlink("s", f"{c}/f").link("l", "s").add("l", b"y").end(),
         "ok", check=lambda d: content(d + "/l") == b"y" and os.path.islink(d + "/s"))
    case("hard link to a directory", Tar().dir("d").link("l", "d").end(), "something else than a file")
    case("hard link to nothing", Tar().link("l", "nothing").end(), "leads to nothing")
    case("hard link to itself", Tar().add("l", b"x").link("l", "l").end(), "ok",
         check=lambda d: content(d + "/l") == b"x")
    case("hard link in place of its target's directory", Tar().dir("d").add("d/f", b"x").link("d", "d/f").end(),
         "replaces its own target")
    case("hard link to a whiteout", Tar().add(".wh.x").link("l", "x").end(), "something else than a file")


def whiteouts():
    case("whiteout", Tar().dir("d").add("d/.wh.x").end(), "ok", check=lambda d: is_whiteout(d + "/d/x"))
    case("whiteout without its parent", Tar().add("a/b/.wh.x").end(), "ok", check=lambda d: is_whiteout(d + "/a/b/x"))
    case("whiteout of nothing", Tar().add(".wh.").end(), "names nothing")
    case("whiteout of dot", Tar().add("d/.wh..").end(), "names nothing")
    case("whiteout of dot dot", Tar().add("d/.wh...").end(), "names nothing")
    case("whiteout through a symlink", Tar().symlink("x", c := CANARY).add("x/.wh.f").end(), "parent")
    case("opaque through a symlink", Tar().symlink("x", c).add("x/.wh..wh..opq").end(), "parent")
    case("opaque", Tar().dir("d").add("d/.wh..wh..opq").add("d/f", b"x").end(), "ok",
         check=lambda d: is_opaque(d + "/d") and content(d + "/d/f") == b"x")
    case("opaque after its children", Tar().dir("d").add("d/f", b"x").add("d/.wh..wh..opq").end(), "ok",
         check=lambda d: is_opaque(d + "/d") and content(d + "/d/f") == b"x")
    case("other marks of aufs", Tar().dir("d").add("d/.wh..wh.plnk").dir("d/.wh..wh.aufs").end(), "ok",
         check=lambda d: os.listdir(d + "/d") == [])
    case("whiteout, then the file", Tar().add(".wh.f").add("f", b"x").end(), "ok",
         check=lambda d: content(d + "/f") == b"x")
    case("file, then its whiteout", Tar().add("f", b"x").add(".wh.f").end(), "ok",
         check=lambda d: content(d + "/f") == b"x")
    case("whiteout, then the directory", Tar().add(".wh.d").dir("d").add("d/f").end(), "ok",
         check=lambda d: is_opaque(d + "/d"))
    case("whiteout, then a file below", Tar().add(".wh.d").add("d/f").end(), "ok", check=lambda d: is_opaque(d + "/d"))
    case("directory, then its whiteout", Tar().dir("d").add("d/f").add(".wh.d").end(), "ok",
         check=lambda d: is_opaque(d + "/d") and os.path.exists(d + "/d/f"))
    case("whiteout with content", Tar().add(".wh.x", b"content").add("y", b"y").end(), "ok",
         check=lambda d: is_whiteout(d + "/x") and content(d + "/y") == b"y")


def types():
    case("block device", Tar().add("sda", type=tarfile.BLKTYPE, devmajor=8, devminor=0).end(), "device node")
    case("character device", Tar().add("mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1).end(), "device node")
    case("a whiteout smuggled in as a device", Tar().add("etc", type=tarfile.CHRTYPE, devmajor=0, devminor=0).end(),
         "device node")
    case("fifo", Tar().add("p", type=tarfile.FIFOTYPE, mode=0o600).end(), "ok",
         check=lambda d: stat.S_ISFIFO(os.lstat(d + "/p").st_mode))
    case("setuid is kept", Tar().add("su", b"x", mode=0o6755, uid=1, gid=2).end(), "ok",
         check=lambda d: os.lstat(d + "/su").st_mode & 0o7777 == 0o6755)
    case("trusted attribute", Tar().xattr("f", "trusted.overlay.redirect", "/etc").end(), "extended attribute")
    case("overlay's user attribute", Tar().xattr("f", "user.overlay.opaque", "y").end(), "extended attribute")
    case("malformed capability", Tar().xattr("f", "security.capability", "xx").end(), "malformed")
    case("other security modules' attributes are left out", Tar().xattr("f", "security.selinux", "x").end(), "ok",
         check=lambda d: "security.selinux" not in os.listxattr(d + "/f"))
    case("too many attribute bytes", Tar().xattr("f", "user.big", "x" * 70000).end(), "too many")
    case("owner beyond 32 bits", Tar().add("f", uid=2**32 + 1).end(), "32-bit")
    case("owner -1", Tar().add("f", uid=2**32 - 1).end(), "32-bit")
    case("empty symlink", Tar().raw(header(b"l", b"00000000000\0", b"2")).end(), "target")
    case("file where a parent should be", Tar().add("a", b"x").add("a/b", b"x").end(), "parent")
    case("directory over a file", Tar().add("a", b"x").dir("a").add("a/b", b"x").end(), "ok",
         check=lambda d: content(d + "/a/b") == b"x")
    case("file over a full directory", Tar().dir("a").add("a/b", b"x").add("a", b"y").end(), "ok",
         check=lambda d: content(d + "/a") == b"y")
    case("the same file twice", Tar().add("a", b"1").add("a", b"22").end(), "ok", check=lambda d: content(d + "/a") == b"22")
    case("hard link, then one name anew", Tar().add("a", b"1").link("b", "a").add("a", b"2").end(), "ok",
         check=lambda d: content(d + "/a") == b"2" and content(d + "/b") == b"1")
    case("the root's own entry", Tar().dir("./", mode=0o711, uid=7).add("./f", b"x").end(), "ok",
         check=lambda d: os.lstat(d).st_mode & 0o777 == 0o711 and os.lstat(d).st_uid == 7)
    case("the root as a file", Tar().add(".", b"x").end(), "root")
    case("the root as a symlink", Tar().symlink("./", CANARY).end(), "root")


def names():
    case("name of 255 bytes", Tar().add("n" * 255, b"x").end(), "ok", check=lambda d: content(d + "/" + "n" * 255) == b"x")
    case("name of 256 bytes", Tar().add("n" * 256, b"x").end(), "255 bytes")
    case("GNU long name", Tar(tarfile.GNU_FORMAT).add("d/" * 60 + "f", b"x").end(), "ok",
         check=lambda d: content(d + "/" + "d/" * 60 + "f") == b"x")
    case("path of 4,096 bytes", Tar().add(("n" * 200 + "/") * 20 + "m" * 80, b"x").end(), "4095 bytes")
    case("257 levels", Tar().add("d/" * 256 + "f", b"x").end(), "256 deep")
    case("256 levels", Tar().add("d/" * 255 + "f", b"x").end(), "ok", check=lambda d: os.path.exists(d + "/" + "d/" * 255 + "f"))
    case("decomposed letters stay as they are", Tar().add("e\u0301", b"x").end(), "ok",
         check=lambda d: os.listdir(os.fsencode(d)) == [b"e\xcc\x81"])
    case("bytes that are no UTF-8", Tar(tarfile.USTAR_FORMAT).add("b\udcff", b"x").end(), "ok",
         check=lambda d: os.listdir(os.fsencode(d)) == [b"b\xff"])
    case("newline and escape in a name", Tar().add("a\n\033[2J", b"x").end(), "ok",
         check=lambda d: content(d + "/a\n\033[2J") == b"x")
    case("symlink with decomposed letters", Tar().symlink("l", "e\u0301").end(), "ok",
         check=lambda d: os.readlink(os.fsencode(d + "/l")) == b"e\xcc\x81")


def streams():
    good = Tar().add("f", b"x" * 100000).end()
    case("plain", good, "ok", PLAIN, lambda d: len(content(d + "/f")) == 100000)
    case("zstd", good, "ok", ZSTD, lambda d: len(content(d + "/f")) == 100000)
    case("gzip in two members", good, "ok", blob=gz(good[:5000]) + gz(good[5000:]))
    case("empty tar", b"\0" * 1024, "ok", check=lambda d: os.listdir(d) == [])
    case("no byte at all", b"", "ok", PLAIN, lambda d: os.listdir(d) == [])
    case("no byte at all in gzip", b"", "ok", GZIP, lambda d: os.listdir(d) == [])
    case("bytes after the end are part of the layer", good + b"junk" * 1000, "ok")
    case("junk behind the compressed stream", good, "ok", blob=gz(good) + b"junk")
    case("wrong digest", good, "digest", digest="sha256:" + "1" * 64)
    case("wrong diff_id", good, "diff_id", diff_id="sha256:" + "2" * 64)
    case("size too small", good, "longer than", size=100)
    case("size too large", good, "descriptor says", size=10**6)
    case("truncated gzip", good, "truncated", blob=gz(good)[:-20])
    noise = Tar().add("f", random.Random(1).randbytes(1 << 20)).end()
    case("truncated zstd", noise, "runcated", ZSTD, blob=zstd(noise)[:-20])
    case("truncated zstd of one block", good, "", ZSTD, blob=zstd(good)[:-20])
    case("truncated tar", good[:50000], "runcated")
    case("zstd that is none", good, "not compressed with zstd", ZSTD, blob=gz(good))
    case("an empty blob called gzip", b"", "not compressed with gzip", blob=b"")
    case("zstd behind a skippable frame", good, "ok", ZSTD, blob=b"\x50\x2a\x4d\x18\x02\0\0\0ab" + zstd(good))
    case("gzip that is none", good, "not compressed with gzip", blob=good)
    case("gzip inside gzip is not looked into", gz(good), "")
    case("zstd called gzip", good, "not compressed with gzip", blob=zstd(good))
    case("not a tar", b"#!/bin/sh\necho hello\n" * 100, "")
    case("broken checksum", Tar().raw(header(b"f", b"00000000000\0")[:-1] + b"x").end(), "")
    case("negative size", Tar().raw(header(b"f", b"\xff" * 12)).end(), "")
    case("size of 8 exbibytes", Tar().raw(header(b"f", b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7)).end(), "")
    case("pax header of 2 MiB", Tar().add("f", pax_headers={"comment": "x" * (2 << 20)}).end(), "")
    case("pax size that lies", Tar().add("f", b"x", pax_headers={"size": "99999999999999"}).end(), "")


def bombs():
    mib = 1 << 20
    case("gzip bomb", b"", "to 1", blob=gz(Tar().add("f", b"\0" * (40 * mib)).end()),
         limits={"ratioFreeBytes": mib})
    case("zstd bomb", b"", "to 1", ZSTD, blob=zstd(Tar().add("f", b"\0" * (40 * mib)).end()), limits={"ratioFreeBytes": mib})
    case("more bytes than allowed", Tar().add("f", os.urandom(mib)).end(), "bytes", limits={"maxBytes": 1000000})
    case("more entries than allowed", Tar().add("a").add("b").add("c").end(), "entries", limits={"maxEntries": 2})
    tar = Tar().add("s", b"x" * 512, pax_headers={
        "GNU.sparse.name": "s", "GNU.sparse.size": str(1 << 40),
        "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,512"})
    case("sparse file of a tebibyte", tar.end(), "files of more than")
    holes = ",".join(f"{i * 1024},1" for i in range(2000))
    tar = Tar().add("s", b"x" * 2000, pax_headers={
        "GNU.sparse.name": "s", "GNU.sparse.size": str(2000 * 1024),
        "GNU.sparse.numblocks": "2000", "GNU.sparse.map": holes})
    case("sparse file of 2,000 pieces", tar.end(), "a sparse file of more than")
    tar = Tar().add("s", b"ab", pax_headers={
        "GNU.sparse.name": "real", "GNU.sparse.size": "10000",
        "GNU.sparse.numblocks": "2", "GNU.sparse.map": "0,1,9000,1"})
    case("legal sparse file", tar.end(), "ok",
         check=lambda d: content(d + "/real") == b"a" + b"\0" * 8999 + b"b" + b"\0" * 999)
    case("many small directories", b"".join(Tar().dir(f"d{i}").out.getvalue() for i in range(3000)) + b"\0" * 1024, "ok",
         check=lambda d: len(os.listdir(d)) == 3000)


def run_case(name, tar, want, compression, check, more):
    pack = {PLAIN: lambda x: x, GZIP: gz, ZSTD: zstd}[compression]
    blob = more.pop("blob", None)
    blob = pack(tar) if blob is None else blob
    diff_id = more.pop("diff_id", sha(tar))
    result = unpack(blob, diff_id, compression, **more)
    where = layer_dir(diff_id)
    if want == "ok":
        if result:
            return f"refused: {result['message']}"
        if check and not check(where):
            return "unpacked, but not as it should be"
    elif not result:
        return "was accepted"
    elif want not in result["message"]:
        return f"refused, but for another reason: {result['message']}"
    elif os.path.exists(where):
        return "refused, but the layer exists"
    elif result["kind"] != 2:
        return f"refused, but not as invalid: {result}"
    shutil.rmtree(os.path.dirname(where), ignore_errors=True)
    if os.listdir(f"{STATE}/layers") not in ([".staging"], []) or os.listdir(f"{STATE}/layers/.staging"):
        return f"left something behind: {os.listdir(STATE + '/layers/.staging')}"
    return None


# --- legal archives -----------------------------------------------------------------------------------


def random_tar(seed):
    """A legal tar: every entry's parent comes first, links lead to files."""
    rng = random.Random(seed)
    tar, dirs, files = Tar(rng.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])), [""], []
    for i in range(rng.randrange(5, 60)):
        name = rng.choice(dirs) + rng.choice(["n", "ü", "long" * 30, "with space", "-dash"]) + str(i)
        more = {"mode": rng.choice([0o644, 0o755, 0o4711, 0o2750, 0o000, 0o1777]), "uid": rng.choice([0, 1000, 70000]),
                "gid": rng.choice([0, 5, 4000000000]), "mtime": rng.randrange(0, 2**31)}
        kind = rng.randrange(10)
        if kind < 3:
            tar.dir(name, **more)
            dirs.append(name + "/")
        elif kind < 7 or not files:
            tar.add(name, rng.randbytes(rng.choice([0, 1, 511, 512, 513, 70000])), **more)
            files.append(name)
        elif kind == 7:
            tar.add(name, type=tarfile.SYMTYPE, linkname=rng.choice(["/etc/passwd", "../x", "y"]), **{**more, "mode": 0o777})
        elif kind == 8:
            tar.link(name, rng.choice(files))
        else:
            tar.add(name, type=tarfile.FIFOTYPE, **more)
    return tar.end()


def check_legal(seed):
    tar, want = random_tar(seed), f"{SCRATCH}/want"
    os.makedirs(want)
    subprocess.run(["tar", "--delay-directory-restore", "--warning=no-timestamp", "--numeric-owner", "--same-owner",
                    "-xpf", "-", "-C", want], input=tar, check=True, env={**os.environ, "LC_ALL": "C"})
    result = unpack(gz(tar), sha(tar), GZIP)
    problem = None
    if result:
        problem = f"refused: {result['message']}"
    else:
        a, b = listing(want), listing(layer_dir(sha(tar)))
        a.pop(b"."), b.pop(b".")
        if a != b:
            odd = sorted(p for p in set(a) | set(b) if a.get(p) != b.get(p))
            problem = f"differs from tar in {odd[:3]}: {[a.get(p) for p in odd[:3]]} {[b.get(p) for p in odd[:3]]}"
    shutil.rmtree(want)
    shutil.rmtree(f"{STATE}/layers/{sha(tar)[7:]}", ignore_errors=True)
    return problem


def main():
    os.makedirs(f"{CANARY}/d")
    for name, mode in (("f", 0o600), ("d/g", 0o640)):
        with open(f"{CANARY}/{name}", "w") as f:
            f.write("canary\n")
        os.chmod(f"{CANARY}/{name}", mode)
    os.makedirs(STATE)
    for group in (escapes, whiteouts, types, names, streams, bombs):
        group()
    before, failed = canary_state(), 0
    for c in CASES:
        problem = run_case(*c)
        if canary_state() != before:
            problem = "CHANGED THE CANARY"
        if problem:
            failed += 1
            print(f"FAIL: {c[0]}: {problem}")
    print(f"{len(CASES)} hostile and odd archives")
    for seed in range(40):
        problem = check_legal(seed)
        if problem:
            failed += 1
            print(f"FAIL: random legal archive {seed}: {problem}")
    print("40 random legal archives")
    sys.exit(failed != 0)


main()
