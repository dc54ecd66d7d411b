"""The rules of predict/ that differ for engines."""

from __future__ import annotations

import os
from pathlib import Path

from predict import RULES as OCI
from predict.filters import BLOCKED, BLOCKED_IN_PART
from predict.rules import HOLDS, HOSTS, OPEN, Rule, open_if, opened_if
from world import World

from engines.documented import CAPABILITIES
from engines.filters import REFUSED, default_profile
from pytest_isolation.differential.edits import MODULES

AUDIT = ("socket", 16, 0, 9)  # AF_NETLINK, NETLINK_AUDIT: netlink(7)
# Calls that load code into the kernel do nothing in one that cannot: many have no modules, and no kexec.
QUESTIONS = (*((call,) for call in (*BLOCKED, *REFUSED) if call not in MODULES), *BLOCKED_IN_PART, ("vmsplice",), AUDIT)


def lets_more_through(world: World) -> bool:
    """Whether its filter lets a dangerous call through that the engine's default filter refuses."""
    if not world.filtered:
        return True
    stock = World({"linux": {"seccomp": default_profile(world.runtime, CAPABILITIES[world.runtime])}}, "", False)
    return any(stock.refused(*one) and not world.refused(*one) for one in QUESTIONS)  # type: ignore[arg-type]  # a star hides the types


def privileged(world: World) -> bool:
    """Whether it has every device of the host."""
    return "every device of the host" in world.devices


def exists(*paths: str) -> bool:
    return any(Path(path).exists() for path in paths)


def setuid_counts(world: World) -> bool:
    """
    Whether a setuid program counts on a file system that it can write.

    Engines bind without nosuid, docker the host's /dev/shm too.
    """
    shm = world.runtime == "docker" and not world.has("ipc") and not guarded("/dev/shm")
    writable = not world.config["root"]["readonly"] or bool(world.drawn("bind", mode="rw")) or shm
    return not world.no_new_privs and writable


def guarded(path: str) -> bool:
    """Whether the host mounts the path nosuid or noexec."""
    return bool(os.statvfs(path).f_flag & (os.ST_NOSUID | os.ST_NOEXEC))


def may_remount(world: World) -> bool:
    """Whether it may make a bind writable again: drawn ones, and with --read-only those that engines make."""
    some = world.config["root"]["readonly"] or bool(world.drawn(mode="ro"))
    return some and "SYS_ADMIN" in world.effective and not world.refused("fsopen")


def as_declared(world: World) -> str | None:
    """podman tells the config.json; docker's inspect leaves out the mounts that it makes itself."""
    rule = OCI.get("run.as_declared")
    return rule(world) if rule and world.runtime == "podman" else None


def tmpfs_bounds(world: World) -> str | None:
    """docker-run(1), podman-run(1) --tmpfs: no size unless one is given; memory.rst: a memory limit counts them."""
    if "memory" in world.config["linux"].get("resources", {}):
        return HOLDS
    mounts = [one["options"] for one in world.config["mounts"] if one["type"] == "tmpfs"]
    return None if all(any(word.startswith("size=") for word in options) for options in mounts) else OPEN


RULES: dict[str, Rule] = {
    **{check: rule for check, rule in OCI.items() if check not in ("mnt.layers", "nnp.setuid")},
    "nnp.setuid": open_if(setuid_counts),
    # The canary listens in the host's network namespace, and docker's daemon may live in another.
    "ipc.abstract": lambda world: HOLDS if world.has("network") else HOSTS if world.runtime == "docker" else OPEN,
    # A network namespace has one superblock of sysfs, read-only if the first container in it mounts it so.
    "path.sys_ro": lambda world: HOSTS if privileged(world) and not world.has("network") else OCI["path.sys_ro"](world),
    "run.as_declared": as_declared,
    "lim.tmpfs": tmpfs_bounds,
    "dev.shm": open_if(lambda world: not world.has("ipc")),
    "dev.fuse_tun": opened_if(
        lambda world: "/dev/fuse" in world.devices or (privileged(world) and exists("/dev/fuse", "/dev/net/tun"))
    ),
    # the modes of the host's nodes keep other users than root from most
    "dev.block": opened_if(lambda world: privileged(world) and world.host_root),
    "dev.cgroup": opened_if(privileged),
    "dev.kvm_vhost": opened_if(lambda world: privileged(world) and world.host_root and exists("/dev/kvm")),
    "mnt.locked_ro": opened_if(may_remount),
    "seccomp.dangerous": open_if(lets_more_through),
    "kern.io_uring": open_if(lambda world: not world.refused("io_uring_setup")),
    "user.nested_userns": open_if(lambda world: not world.refused("unshare", 0x10000000)),
    "kern.swap_acct_quota": open_if(
        lambda world: (
            ("SYS_ADMIN" in world.over_host and not (world.refused("swapon") and world.refused("swapoff")))
            or ("SYS_PACCT" in world.over_host and not world.refused("acct"))
        )
    ),
}
