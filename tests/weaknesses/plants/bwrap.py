"""Plants for bubblewrap: arguments of bwrap(1)."""

from __future__ import annotations

from argument_lists import replaced
from ground import Ground
from plant import (
    OTHERS_LINKS,
    Plant,
    flags,
)

BWRAP = ("bwrap",)


def _with_hosts_pids(ground: Ground) -> list[str]:
    """Return create without a pid namespace: a /proc of the host's can then only be bound."""
    create = replaced(ground.runtime.create, "--proc", "--ro-bind")
    proc = create.index("/proc")
    all_ = create.index("--unshare-all")
    kinds = [f"--unshare-{kind}" for kind in ("user", "ipc", "net", "uts", "cgroup")]
    return [*create[:all_], *kinds, *create[all_ + 1 : proc], "/proc", *create[proc:]]


PLANTS = (
    Plant(
        "--share-net",
        BWRAP,
        {"ns.net": "host's network namespace", "ipc.abstract": "it connects to the host's @"},
        spec=flags("--share-net"),
        apart=OTHERS_LINKS,
    ),
    Plant(
        "the host's /etc bound",
        BWRAP,
        {"mnt.host_paths": "/usr is the host's /etc"},
        spec=flags("--ro-bind", "/etc", "/usr"),
    ),
    Plant(
        "no --unshare-pid",
        BWRAP,
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "sig.peer": "signal its peer's process",  # of the same user, as the host's is not
            "ns.pid.reap": "there still run process",
            "mnt.flags": "/proc lacks noexec",  # as bwrap binds it
        },
        overlay=lambda ground: {"create": _with_hosts_pids(ground)},
        ends=True,
    ),
    Plant("--uid 0", BWRAP, {"user.nonroot": "uid 0 inside"}, spec=flags("--uid", "0")),
    # look-alikes
    Plant("an innocent folder", BWRAP, spec=lambda ground: flags("--ro-bind", str(ground.directory("data")), "/usr")),
    Plant("another host name", BWRAP, spec=flags("--hostname", "other")),
)

HOME = "the user who starts the session may have none of these files; tests/e2e/jails/test_home_live.py makes some"
ONLY_SYNTHETIC = {"mnt.user_secrets": HOME, "mnt.user_startup": HOME}
