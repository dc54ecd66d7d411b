"""Plants of mounts by where they come from: overlays, binds at any depth, shared folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ground import Ground, run
from oci_edits import Edit, append, bind
from plant import Plant, edits, flags

RUNC, ENGINES = ("runc", "crun"), ("docker", "podman")
DAEMONS = {"/var/lib/lxc": {"mgmt.runtime_sock": "open"}}  # folders that an engine's daemon controls
ZONE = "/usr/share/zoneinfo/UTC"


def overlay(target: str, lower: str) -> Edit:
    """Return the edit that mounts an overlay without an upper folder."""
    options = [f"lowerdir={lower}", "ro"]
    return append("mounts", {"destination": target, "type": "overlay", "source": "overlay", "options": options})


def tmpfs(ground: Ground) -> str:
    """Mount a tmpfs of the test's own: layers of one overlay must not lie in each other."""
    path = str(ground.directory("lower"))
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", path)
    ground.undo.callback(run, "umount", path)
    return path


def over(path: str) -> Callable[[Ground], Mapping[str, Any]]:
    """Return a Spec with an overlay over a folder of the host, which stands beside one of the test's own."""
    return lambda ground: edits(overlay("/opt/merged", f"{tmpfs(ground)}:{path}"))


def over_own(ground: Ground) -> Mapping[str, Any]:
    """Return a Spec with an overlay over folders of the test's own."""
    return edits(overlay("/opt/merged", f"{ground.directory('lower', 'a')}:{ground.directory('other', 'b')}"))


def link(ground: Ground, to: str) -> str:
    """Make a symbolic link in the test's folder."""
    path = ground.folder / "link"
    path.symlink_to(to)
    return str(path)


def layer(ground: Ground) -> str:
    """Make a folder where an engine with another storage keeps the files of a container."""
    path = ground.folder / "store" / "overlay2" / ("0123456789abcdef" * 4) / "diff"
    path.mkdir(parents=True)
    return str(path)


def disk(ground: Ground) -> str:
    """Make a file system on a loop device that the host does not mount."""
    device = ground.loop_device()
    run("mkfs.ext4", "-q", "-O", "^has_journal", device)
    return device


def mount_of(fstype: str, source: str, target: str, *options: str) -> Edit:
    """Return the edit that mounts a file system."""
    return append("mounts", {"destination": target, "type": fstype, "source": source, "options": list(options)})


def named_volume(ground: Ground) -> Mapping[str, Any]:
    """Return a Spec with a volume that the user declared; removed with the plant."""
    engine = ground.runtime.name
    name = run(engine, "volume", "create")
    ground.undo.callback(run, engine, "volume", "rm", "--force", name)
    return flags("-v", f"{name}:/data", "-v", f"{name}:/also:ro")


PLANTS = (
    *(
        Plant(
            f"an overlay over {path}",
            RUNC,
            {"mnt.host_paths": f"/opt/merged is an overlay: its lowerdir is the host's {path}"},
            spec=over(path),
        )
        for path in ("/", "/etc", "/root", "/usr/lib")
    ),
    *(
        Plant(
            f"an overlay over a link to {to}{rest}",
            RUNC,
            {"mnt.host_paths": f"/opt/merged is an overlay: its lowerdir is the host's {to}{rest}"},
            spec=lambda ground, to=to, rest=rest: edits(
                overlay("/opt/merged", f"{tmpfs(ground)}:{link(ground, to)}{rest}")
            ),
        )
        for to, rest in (("/etc", ""), ("/var", "/lib/dpkg"))
    ),
    Plant(
        "an overlay over a link to a folder of the test's own",
        RUNC,
        {},
        spec=lambda ground: edits(
            overlay("/opt/merged", f"{ground.directory('lower', 'a')}:{link(ground, str(ground.directory('o', 'b')))}")
        ),
    ),
    Plant(
        "a layer of another engine, in a storage at no usual place",
        RUNC,
        {"mnt.host_paths": "/opt/x is the host's /var/cache/pytest-isolation"},
        spec=lambda ground: edits(bind(layer(ground), "/opt/x", "ro")),
    ),
    Plant(
        "a disk that the host does not mount",
        ("runc",),
        {"mnt.host_paths": "/opt/disk is a disk that the host does not mount"},
        spec=lambda ground: edits(mount_of("ext4", disk(ground), "/opt/disk", "ro", "nosuid", "nodev")),
        needs="/dev/loop-control",
    ),
    *(
        Plant(
            f"{path} bound at a deep place",
            RUNC,
            {"mnt.host_paths": f"/srv/app{path} is the host's {path}: {what}"},
            spec=edits(bind(path, f"/srv/app{path}", *options)),
            needs=path,
            also=DAEMONS.get(path, {}),
        )
        for path, what, options in (
            ("/var/spool/cron", "jobs that the host runs", ("ro",)),
            ("/etc/crontab", "configuration of the host", ("ro",)),
            ("/etc/cron.d", "configuration of the host", ("ro",)),
            ("/root/.profile", "files of the host's root", ("ro",)),
            ("/root/.ssh", "files of the host's root", ("ro",)),
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
    Plant(
        "an idmapped folder",
        ("crun",),
        {"mnt.host_paths": ", idmapped: what it writes there belongs to other users of the host"},
        spec=lambda ground: edits(bind(ground.directory("mapped", "a"), "/opt/m", "idmap=uids=0-1-10;gids=0-1-10")),
    ),
    *(
        Plant(
            "one folder of the host for /dev/shm",
            runtimes,
            {"dev.shm": "/dev/shm is the host's /var/cache/pytest-isolation"},
            spec=make,
            also=also,
        )
        for runtimes, make, also in (
            (RUNC, lambda ground: edits(bind(ground.directory("shm"), "/dev/shm", "nosuid", "nodev", "noexec")), {}),
            (ENGINES, lambda ground: flags("-v", f"{ground.directory('shm')}:/dev/shm"), {}),
        )
    ),
    Plant(
        "-v LINK:/opt/x:ro, a link to /etc",
        ENGINES,
        {"mnt.host_paths": "/opt/x is the host's /etc: configuration of the host (read-only)"},
        spec=lambda ground: flags("-v", f"{link(ground, '/etc')}:/opt/x:ro"),
    ),
    *(
        Plant(
            f"-v {path}:/opt/x:ro",
            ENGINES,
            {"mnt.host_paths": f"/opt/x is the host's {path}: {what}"},
            spec=flags("-v", f"{path}:/opt/x:ro"),
            needs=path,
            also=DAEMONS.get(path, {}),
        )
        for path, what in (
            ("/var/spool/cron", "jobs that the host runs"),
            ("/etc/shadow", "configuration of the host"),
            ("/etc/cron.d", "configuration of the host"),
            ("/root/.profile", "files of the host's root"),
            ("/var/lib/lxc", "storage of an engine"),
            ("/var/tmp", "a folder that all users of the host share"),
        )
    ),
    # look-alikes
    Plant("an overlay over folders of its own", RUNC, spec=over_own),
    Plant("the time zone at /etc/localtime", RUNC, spec=edits(bind(ZONE, "/etc/localtime", "ro")), needs=ZONE),
    Plant("-v ZONE:/etc/localtime:ro", ENGINES, spec=flags("-v", f"{ZONE}:/etc/localtime:ro"), needs=ZONE),
    Plant(
        "-v /etc/localtime:/etc/localtime:ro",
        ENGINES,
        spec=flags("-v", "/etc/localtime:/etc/localtime:ro", "-v", "/etc/timezone:/etc/timezone:ro"),
        needs="/etc/timezone",
    ),
    Plant("-v /data, a volume", ENGINES, spec=flags("-v", "/data")),
    Plant("-v NAME:/data, a volume", ENGINES, spec=named_volume),
    Plant("--tmpfs /tmp", ENGINES, spec=flags("--tmpfs", "/tmp:nosuid,size=1m")),
)
