"""Plants of mounts by where they come from: overlays, binds at any depth, shared folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ground import Edit, Ground, append, bind
from plant import Plant, edits, flags

RUNC, ENGINES = ("runc", "crun"), ("docker", "podman")
ZONE = "/usr/share/zoneinfo/UTC"


def overlay(target: str, lower: str) -> Edit:
    """Return the edit that mounts an overlay without an upper folder."""
    options = [f"lowerdir={lower}", "ro"]
    return append("mounts", {"destination": target, "type": "overlay", "source": "overlay", "options": options})


def over(path: str) -> Callable[[Ground], Mapping[str, Any]]:
    """Return a Spec with an overlay over a folder of the host, which stands beside one of the test's own."""
    return lambda ground: edits(overlay("/opt/merged", f"{ground.directory('lower', 'a')}:{path}"))


def over_own(ground: Ground) -> Mapping[str, Any]:
    """Return a Spec with an overlay over folders of the test's own."""
    return edits(overlay("/opt/merged", f"{ground.directory('lower', 'a')}:{ground.directory('other', 'b')}"))


PLANTS = (
    *(
        Plant(
            f"an overlay over {path}",
            RUNC,
            {"mnt.host_paths": f"/opt/merged is an overlay: its lowerdir is the host's {path}"},
            spec=over(path),
        )
        for path in ("/etc", "/root", "/usr/lib")
    ),
    *(
        Plant(
            f"{path} bound at a deep place",
            RUNC,
            {"mnt.host_paths": f"/srv/app{path} is the host's {path}: {what}"},
            spec=edits(bind(path, f"/srv/app{path}", *options)),
            needs=path,
        )
        for path, what, options in (
            ("/var/spool/cron", "jobs that the host runs", ("ro",)),
            ("/etc/crontab", "configuration of the host", ("ro",)),
            ("/etc/ssh", "configuration of the host", ("ro",)),
            ("/var/backups", "records of the host", ("ro",)),
            ("/var/lib/dpkg/status", "state of the host's services", ("ro",)),
            ("/var/lib/lxc", "storage of an engine", ("ro",)),
            ("/var/tmp", "a folder that all users of the host share", ()),
        )
    ),
    Plant(
        "/tmp is one folder for all",
        RUNC,
        {"mnt.host_paths": "/tmp is the host's"},
        spec=lambda ground: edits(bind(ground.directory("tmp", "a"), "/tmp")),
    ),
    Plant(
        "the host's shadow file at /etc/hosts",
        RUNC,
        {"mnt.host_paths": "/etc/hosts is the host's /etc/shadow: configuration of the host (read-only)"},
        spec=edits(bind("/etc/shadow", "/etc/hosts", "ro")),
    ),
    *(
        Plant(
            f"-v {path}:/opt/x:ro",
            ENGINES,
            {"mnt.host_paths": f"/opt/x is the host's {path}: {what}"},
            spec=flags("-v", f"{path}:/opt/x:ro"),
            needs=path,
        )
        for path, what in (
            ("/var/spool/cron", "jobs that the host runs"),
            ("/etc/shadow", "configuration of the host"),
            ("/var/lib/lxc", "storage of an engine"),
            ("/var/tmp", "a folder that all users of the host share"),
        )
    ),
    # look-alikes
    Plant("an overlay over folders of its own", RUNC, spec=over_own),
    Plant("the time zone at /etc/localtime", RUNC, spec=edits(bind(ZONE, "/etc/localtime", "ro")), needs=ZONE),
    Plant("-v ZONE:/etc/localtime:ro", ENGINES, spec=flags("-v", f"{ZONE}:/etc/localtime:ro"), needs=ZONE),
    Plant("-v NAME:/data, a volume", ENGINES, spec=flags("-v", "/data")),
    Plant("--tmpfs /tmp", ENGINES, spec=flags("--tmpfs", "/tmp:nosuid,size=1m")),
)
