"""The owner of a file that the sandbox makes on a shared path: a mapped user, if there is a map."""

from __future__ import annotations

from typing import Any

OPEN = dict.fromkeys(("docker", "podman"), ("user.file_owner",))


def complete(document: dict[str, Any], name: str) -> None:
    """Add the file; a VM makes none."""
    own = name == "container"
    ids = (
        [{"inside": 0, "outside": 100000, "count": 65536}] if own else [{"inside": 0, "outside": 0, "count": 2**32 - 1}]
    )
    owner = 101000 if own else 0
    users = document["outside"]["process"]["namespaces"]["user"] if name != "vm" else None
    file = {"uid": owner, "gid": owner, "users": users, "uid_map": ids}
    document["shared_file"] = None if name == "vm" else file
