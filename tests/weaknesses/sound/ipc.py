"""Facts of a sound sandbox about IPC objects, keyrings, sockets and the management plane."""

from __future__ import annotations

from typing import Any

VIEWS = ("host", "inside", "exec", "peer_inside")
ABSENT = {"type": "absent", "rdev": None, "fstype": None, "read_only": None, "entries": None, "write": None}
TOKENS = (
    "/run/secrets/kubernetes.io/serviceaccount/token",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
)
DOCKER = {
    "path": "/run/docker.sock",
    "mount": None,
    "device": [0, 22],
    "inode": 77,
    "uid": 0,
    "gid": 998,
    "mode": 0o660,
    "bound": True,
}
SSH = {"path": "/root/.ssh", "device": [8, 1], "inode": 801, "read": "ok", "write": None}
BASHRC = {"path": "/root/.bashrc", "device": [8, 1], "inode": 802, "read": "ok", "write": "ok"}
OBJECTS = {"name": "isolation-r-1", "shm": "ENOENT", "mqueue": "ENOENT", "abstract": "ECONNREFUSED"}


def complete(document: dict[str, Any], name: str) -> None:
    """Add the sections `objects`, `keys`, `guest_api`, `sockets`, `ports`, and the canary's files."""
    document["served_sockets"] = []
    for view in VIEWS:
        system = document[view].get("system")
        if system is None:
            continue
        outside = view == "host"
        named = not outside and view != "exec"
        system |= {"objects": dict(OBJECTS) if named else None, "guest_api": None, "ports": []}
        serial = 4000 if outside else 5000
        system["keys"] = (
            {"session": "ok", "serial": serial} if outside or name == "vm" else {"session": "EPERM", "serial": None}
        )
        system["sockets"] = [dict(DOCKER)] if outside else []
        system["user_files"] = [dict(SSH), dict(BASHRC)] if outside else [] if named and name != "vm" else None
        system["paths"] |= {path: dict(ABSENT) for path in TOKENS}
        system["peers"], system["canaries"] = None, {}
        if system["canary"] is not None:
            # by its number on the host, and by that in its own pid namespace, which here is the subject's
            unreached = {"same": False, "environ": "ENOENT", "maps": "ENOENT"}
            system["peers"] = [{"pid": 5252, "signal": "ESRCH"} | unreached, {"pid": 1, "signal": "ok"} | unreached]
            system["canary"] |= {"environ": "ENOENT", "maps": "ENOENT"}
            system["canaries"] = {
                name: {"pid": pid, "signal": "ESRCH"} | unreached
                for name, pid in (("same_user", 3997), ("container", 3998))
            }
