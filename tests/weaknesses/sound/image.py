"""A sound image: real folders under the runtime's mounts, seen before the start and from inside."""

from __future__ import annotations

from typing import Any

FOLDERS = ("/dev", "/proc", "/sys")
OPEN = dict.fromkeys(("docker", "podman"), ("img.user",))
FOLDER = {"type": "dir", "rdev": None, "fstype": 0x01021994, "read_only": False, "entries": 9, "write": None}


PRIVILEGED = {
    "entries": 8000,
    "count": 3,
    "files": [
        {"path": "/usr/bin/su", "user": True, "group": False, "capabilities": False},
        {"path": "/bin/mount", "user": True, "group": False, "capabilities": False},
        {"path": "/usr/bin/chage", "user": False, "group": True, "capabilities": False},
    ],
}


def complete(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Add the image, and the folders as seen from inside."""
    image = {"folders": dict.fromkeys(FOLDERS, "dir"), "privileged": PRIVILEGED}
    user = "1000" if name == "container" else ""
    document["image"] = None if name == "vm" else image | {"config": {"user": user, "roots": ["root", "toor"]}}
    for view in ("host", "inside", "exec", "peer_inside"):
        facts = document[view]
        if "unobserved" not in facts and facts["system"]:
            for path in FOLDERS:
                facts["system"]["paths"].setdefault(path, dict(FOLDER))
            if facts["view"] == "inside" and view not in ("host", "exec"):
                facts["system"]["privileged"] = PRIVILEGED
    return document
