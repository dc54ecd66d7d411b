"""A probe that lies, for sessions in pytester: it asks the real one, and answers something else.

In: `serve NONCE` as its arguments, LIE and REAL_PROBE in its environment.  Out: the protocol's frames
(docs/reference/protocol.md).  Started as `python serve NONCE`, so that the host finds it as it finds the real one.
"""

import json
import os
import struct
import subprocess
import sys

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e\u2066<script>alert(1)</script>]]>\u200b"
LIE = os.environ["LIE"]
HEADER = struct.Struct(">IIB")
HELLO, REQUEST, DATA, RESULT, ERROR, LOG = 0, 1, 2, 3, 4, 8
NAMED = ("hostname", "name", "target", "source", "path", "lsm", "root", "cwd", "exe", "fstype", "addresses", "lsms")


def put(kind, identity, payload):
    sys.stdout.buffer.write(HEADER.pack(len(payload), identity, kind) + payload)
    sys.stdout.buffer.flush()


def take(size):
    data = sys.stdin.buffer.read(size)
    if len(data) < size:
        sys.exit(0)
    return data


def facts(argv):
    done = subprocess.run([os.environ["REAL_PROBE"], *argv], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return json.loads(done.stdout.partition(b"\n")[2])


def renamed(value, key=""):
    """Return a document in which every name that a sandbox may choose is hostile."""
    if isinstance(value, dict):
        return {name: renamed(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, key) for one in value]
    return value + HOSTILE if isinstance(value, str) and key in NAMED else value


def more(document):
    """Return it with names in every place from where a check may tell of one."""
    mount = {"id": 900, "parent": 1, "major": 8, "minor": 1, "root": "/etc", "target": "/mnt", "options": ["rw"]}
    mount |= {"tags": ["shared:1"], "fstype": "ext4", "source": "/dev/sda1", "super_options": []}
    document["process"]["mounts"].append(mount)
    document["process"]["fds"].append({"fd": 9, "target": "/etc"})
    system = document["system"]
    system["interfaces"].append({"name": "eth9", "flags": 1, "addresses": ["192.0.2.9"]})
    system["devices"].append({"path": "/dev/x", "kind": "block", "major": 8, "minor": 1, "open": "ok"})
    system["tasks"].append({"pid": 2, "name": "x"})
    return renamed(document)


def answer(identity, argv):
    if LIE == "error":
        put(ERROR, identity, HOSTILE.encode())
    elif LIE == "log":
        put(LOG, identity, HOSTILE.encode())
        put(RESULT, identity, b"\0\1")
    else:
        document = facts(argv)
        if LIE == "names":
            document = more(document)
        if LIE == "nonce":
            document["nonce"] = "0123456789abcdef"
        if LIE == "key":
            document["process"][HOSTILE] = 1
        if LIE == "forged":
            document["process"]["capabilities"] = dict.fromkeys(document["process"]["capabilities"], 0)
            document["process"]["seccomp"] = {"mode": 2, "filters": 3}
        data = json.dumps(document).encode()
        data = {"two": data + data, "long": data + b" " * (2 << 20)}.get(LIE, data)
        for at in range(0, len(data), 16384):
            put(DATA, identity, data[at : at + 16384])
        put(RESULT, identity, b"\0\0")


def main():
    if LIE == "hello":
        sys.stderr.write(HOSTILE + "\n")
        sys.stdout.write(HOSTILE + "\n")
        sys.exit(3)
    sys.stdout.buffer.write(b"\x7fISOPRB\n")
    put(HELLO, 0, b"ISOLATION 1 " + sys.argv[1].encode() + b" cafe")
    while True:
        size, identity, kind = HEADER.unpack(take(HEADER.size))
        payload = take(size)
        if kind == REQUEST:
            answer(identity, payload[8:].decode().split("\0")[:-1])


main()
