"""Looks at the limits that this user can set: the cgroup hierarchy, and a trial of each controller.

In: a System.  Out: one `Seen` each.  A trial records its cgroup in the journal, makes it with a limit and removes it.
On v2 it disables a controller again that it enabled.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from provisioner.doctor.finding import Seen, lacking, limited, ok
from provisioner.doctor.look import Look, look
from provisioner.doctor.system import System
from provisioner.errors import IsolationError
from provisioner.limits.limit import Limit, find_limits
from provisioner.limits.limits import Limits
from provisioner.linux.cgroups import cgroup_mode, make_cgroups

GROUP = "limits"
OUTSIDE = "only the runtime or init system that started this system can change that"
V2_AT_BOOT = "v2 is chosen at boot: systemd.unified_cgroup_hierarchy=1 on the kernel's command line"
# user@.service gives its children what it was itself given: systemd.resource-control(5), Delegate=
DELEGATE = (
    r"printf '[Service]\nDelegate=cpu io memory pids\n' | "
    "sudo install -D /dev/stdin /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload"
)


@look(GROUP, "cgroup hierarchy")
def look_at_hierarchy(system: System) -> Seen:
    """Look which version of cgroups has the controllers."""
    mode = cgroup_mode()
    if mode == "v2":
        return ok("v2")
    if mode == "none":
        cost = "no sandbox can be limited, and docker, podman and runc do not start"
        return lacking("no controllers are mounted", cost, note=OUTSIDE)
    if mode == "v1":
        return limited("v1", "nothing is delegated to users: rootless sandboxes have no limits", note=V2_AT_BOOT)
    cost = "podman refuses it with crun (podman+runc does not), and rootless sandboxes have no limits"
    return limited("v1 has the controllers, v2 is mounted beside it", cost, note=V2_AT_BOOT)


def _try(system: System, limit: Limit[Any]) -> Seen:
    run = system.journal()

    def record(folder: Path) -> None:
        run.made("cgroup", folder)

    try:
        # Looks run side by side: each has a parent cgroup of its own, and can remove it.
        settings = Limits.of({limit.name: limit.amount}).cgroup_settings()
        made = make_cgroups(f"{run.id}-{limit.name}", "doctor", settings, before=record)
    except IsolationError as error:
        return _refused(system, limit.name, error.what.replace(f"/isolation-{run.id}-{limit.name}/doctor", ""))
    made.delete()
    return ok("a cgroup with this limit can be made")


def more_looks(also: Iterable[str]) -> list[Look]:
    """Return a look for each limit of a cgroup: it is tried by a cgroup that has it."""
    by_cgroup = [limit for limit in find_limits() if limit.cgroup_setting(limit.amount) is not None]
    return [Look(GROUP, limit.name, partial(_try, limit=limit)) for limit in by_cgroup]


def _refused(system: System, controller: str, why: str) -> Seen:
    cost = f"'unshare' and rootless runtimes get no {controller} limit: their lim.* checks cannot hold"
    if system.root:
        return lacking(why, cost, note=OUTSIDE)
    if cgroup_mode() != "v2" or (system.read("/proc/1/comm") or "").strip() != "systemd":
        return lacking(why, cost, note="run as root: only systemd on v2 delegates cgroups to users")
    if "has no " in why:
        return lacking(why, cost, DELEGATE, "then log in again")
    return lacking(why, cost, "systemd-run --user --scope -p Delegate=yes provisioner doctor")
