"""What a sandbox sees of memory and processors.

In: the facts as the sandbox itself reads them.  Out: `Visible`.
"""

from __future__ import annotations

from typing import Any

from provisioner.facts.document import Facts
from provisioner.limits.visible import Visible
from provisioner.observed import Observed, Unobserved, unobserved

LXCFS = "fuse.lxcfs"  # the type of its mounts in mountinfo (lxcfs README)


def visible_in(facts: Facts) -> Visible:
    """Return what a sandbox sees; what these facts do not hold is unobserved."""
    system, limits = facts.system, facts.limits
    if system is None:
        gone: Any = unobserved("these facts hold no system")
        return Visible(**dict.fromkeys(Visible.model_fields, gone))
    return Visible(
        resources=system.raw("resources"),
        meminfo=system.raw("memory_total"),
        memory=_of(limits.section("memory"), "limit"),
        quota=_quota(limits.section("cpu")),
        lxcfs=_lxcfs(facts),
    )


def _of(section: Observed | Unobserved, name: str) -> Any:
    return section if isinstance(section, Unobserved) else section.raw(name)


def _quota(section: Observed | Unobserved) -> Any:
    quota, period = _of(section, "quota_us"), _of(section, "period_us")
    if isinstance(quota, Unobserved) or quota is None:
        return quota
    return quota / period if isinstance(period, int) and period else unobserved("the quota has no period")


def _lxcfs(facts: Facts) -> Any:
    mounts = facts.process.raw("mounts")
    if isinstance(mounts, Unobserved):
        return mounts
    return sorted(
        {mount.target for mount in mounts if mount.fstype == LXCFS and mount.target.startswith(("/proc/", "/sys/"))}
    )
