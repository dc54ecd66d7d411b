"""The owner of a file that the sandbox makes on a shared path, and the groups that /etc/group names on the host."""

from __future__ import annotations

from typing import Any

GROUPS = {"root": 0, "adm": 4, "disk": 6, "sudo": 27, "shadow": 42, "docker": 996, "kvm": 997}
OPEN = dict.fromkeys(("docker", "podman"), ("user.file_owner",))


def complete(document: dict[str, Any], name: str) -> None:
    """Add the groups, and the file; a VM makes none."""
    for view in ("host", "inside", "exec", "peer_inside"):
        if "unobserved" not in document[view] and document[view]["system"]:
            groups = [{"name": group, "gid": gid} for group, gid in GROUPS.items()]
            document[view]["system"]["values"] = []
            document[view]["system"]["groups"] = groups if view == "host" else None
    own = name == "container"
    ids = (
        [{"inside": 0, "outside": 100000, "count": 65536}] if own else [{"inside": 0, "outside": 0, "count": 2**32 - 1}]
    )
    owner = 101000 if own else 0
    users = document["outside"]["process"]["namespaces"]["user"] if name != "vm" else None
    file = {"uid": owner, "gid": owner, "users": users, "uid_map": ids}
    document["shared_file"] = None if name == "vm" else file
