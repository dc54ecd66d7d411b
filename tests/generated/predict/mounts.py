"""Mounts, the root file system and device nodes."""

from __future__ import annotations

from world import World

from predict.rules import Rule, open_if, opened_if


def spreads(world: World) -> bool:
    """
    mount_namespaces(7): a bind that is made shared joins the peer group of its source, if its mount namespace has it.

    In a mount namespace of another user namespace shared mounts become slaves ("Restrictions on mount namespaces").
    """
    shared = bool(world.bound("/spread")) and "rshared" in world.mount("/spread")["options"]
    return shared and not world.has("user") and not world.private


OF_HOST = ("/etc", "/etc/passwd", "/usr/bin", "/var/log", "/var/lib/dpkg")  # hier(7): the host's own
# every image may hold the same
PUBLIC = ("/etc/hosts", "/etc/hostname", "/etc/os-release", "/etc/ssl/certs", "/usr/share/zoneinfo")


def leads_to_host(world: World) -> bool:
    """
    Whether a drawn mount shows what the host uses itself: a bind, an overlay over it (overlayfs.rst).

    A sysfs in the host's own network namespace is the host's.  A procfs is an instance of its own since Linux 5.8
    (proc.rst), whichever pid namespace it shows: ns.pid.procfs judges that.
    """
    layers = [part for one in world.drawn("overlay") for part in one["options"][0].partition("=")[2].split(":")]
    binds = [one["source"] for one in world.drawn("bind")]
    writable = [one["source"] for one in world.drawn("bind", mode="rw")]
    return bool({*layers, *binds} & {*OF_HOST} or {*writable} & {*PUBLIC}) or (
        bool(world.drawn("sysfs")) and not world.has("network")
    )


def uncovered_binds(world: World) -> list[str]:
    """Return the sources of the drawn writable binds with nothing mounted over them."""
    over = {one["destination"] for one in world.drawn("proc", "sysfs")}
    return [one["source"] for one in world.drawn("bind", mode="rw") if one["destination"] not in over]


def binds_files(world: World) -> bool:
    """Whether a writable bind of files is drawn, with nothing mounted over it; nodes of devtmpfs are no files."""
    return any(not source.startswith("/dev/") for source in uncovered_binds(world))


RULES: dict[str, Rule] = {
    "dev.nodes": open_if(
        lambda world: bool(world.devices) or any(one["source"] == "/dev/kmsg" for one in world.drawn("bind"))
    ),
    "mnt.host_paths": open_if(lambda world: world.bound("/bound").startswith(("/etc", "/usr")) or leads_to_host(world)),
    "mnt.propagation": open_if(spreads),
    "mnt.locked_ro": opened_if(
        lambda world: (
            "SYS_ADMIN" in world.effective
            and not world.refused("fsopen")
            and bool(world.bound("/bound") or world.drawn(mode="ro"))
        )
    ),
    "mnt.layers": open_if(lambda world: not world.config["root"]["readonly"] and world.opens_roots_files),
    "mnt.rootfs_ro": open_if(lambda world: not world.config["root"]["readonly"]),
}
