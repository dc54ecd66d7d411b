"""What a sandbox is shown of memory and processors, and what common run-times conclude from it.

In: facts as the sandbox itself reads them.  Out: `Resources` and `Visible`, which documents hold, and `readings()`: one
amount for each interface or run-time.  Pure.

The rules of run-times, from their sources:
- glibc sysdeps/unix/sysv/linux/getsysstats.c (2.35 and later): _SC_NPROCESSORS_ONLN reads sysfs's cpu/online, which
  os.cpu_count() of Python returns, or else counts /proc/stat;
  _SC_NPROCESSORS_CONF reads cpu/possible; _SC_PHYS_PAGES is sysinfo(2).
- OpenJDK src/hotspot/os/linux (cgroupSubsystem_linux.cpp, cgroupUtil_linux.cpp): the lesser of its affinity and its
  quota, rounded up; the lesser of physical memory and its cgroup's limit.
- Go src/runtime/cgroup_linux.go (1.25 and later): GOMAXPROCS is the lesser of its affinity and its quota, rounded up,
  which counts as 2 if it is less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from provisioner.observed import U64, Fact, Items, Number, Observed, Text, Unobserved

Resource = Literal["memory", "processors"]
READERS: Mapping[Resource, tuple[str, ...]] = {
    "memory": ("/proc/meminfo", "sysconf(_SC_PHYS_PAGES)", "its cgroup", "JVM"),
    "processors": (
        *("/proc/cpuinfo", "/proc/stat", "os.cpu_count()", "sysconf(_SC_NPROCESSORS_CONF)", "sched_getaffinity"),
        *("its cgroup", "JVM", "Go"),
    ),
}
Reading = Mapping[str, float | None]


class Resources(Observed):
    """
    What each interface tells a process of memory and processors, limits apart.

    `sysinfo` is bytes of memory of sysinfo(2).  The others are counts of processors: of /proc/cpuinfo, /proc/stat,
    /sys/devices/system/cpu/online and possible, and sched_getaffinity(2).
    """

    sysinfo: Fact[Number]
    cpuinfo: Fact[Number]
    stat: Fact[Number]
    online: Fact[Number]
    possible: Fact[Number]
    affinity: Fact[Number]


class Visible(Observed):
    """
    What the sandbox of a load sees of memory and processors.

    Attributes:
        resources: what each interface tells.
        meminfo: bytes, MemTotal of /proc/meminfo.
        memory: bytes of its memory limit, in the cgroup files that it sees; None: no limit is shown.
        quota: its quota in processors, in the same way.
        lxcfs: files of /proc and /sys that LXCFS serves.
    """

    resources: Fact[Resources]
    meminfo: Fact[Number]
    memory: Fact[Number | None]
    quota: Fact[Annotated[float, Field(ge=0, le=U64, allow_inf_nan=False)] | None]
    lxcfs: Fact[Items[Text]]


def readings(seen: Visible, resource: Resource) -> Reading:
    """
    Return what each interface and run-time takes for the amount of a resource.

    Args:
        seen: what the sandbox sees.
        resource: the resource.

    Returns:
        Amounts by name; None is "no limit".  What was not observed is left out.
    """
    resources = seen.raw("resources")
    if not isinstance(resources, Resources):
        return {}
    found = _memory(seen, resources) if resource == "memory" else _processors(seen, resources)
    return {name: amount for name, amount in found.items() if not isinstance(amount, Unobserved)}


def _memory(seen: Visible, resources: Resources) -> dict[str, float | Unobserved | None]:
    physical, limit = resources.raw("sysinfo"), seen.raw("memory")
    return {
        "/proc/meminfo": seen.raw("meminfo"),
        "sysconf(_SC_PHYS_PAGES)": physical,
        "its cgroup": limit,
        "JVM": _least(physical, limit),
    }


def _processors(seen: Visible, resources: Resources) -> dict[str, float | Unobserved | None]:
    affinity, quota = resources.raw("affinity"), seen.raw("quota")
    whole = math.ceil(quota) if isinstance(quota, int | float) else quota
    for_go = max(2, whole) if isinstance(whole, int) else whole
    return {
        "/proc/cpuinfo": resources.raw("cpuinfo"),
        "/proc/stat": resources.raw("stat"),
        "os.cpu_count()": _first(resources, "online"),
        "sysconf(_SC_NPROCESSORS_CONF)": _first(resources, "possible"),
        "sched_getaffinity": affinity,
        "its cgroup": quota,
        "JVM": _least(affinity, whole),
        "Go": _least(affinity, for_go),
    }


def _first(resources: Resources, name: str) -> float | Unobserved:
    """Return the count of a file of sysfs, or what glibc falls back to."""
    counts = [resources.raw(one) for one in (name, "stat", "affinity")]
    return next((count for count in counts if not isinstance(count, Unobserved)), counts[0])


def _least(all_of_it: float | Unobserved, limit: float | Unobserved | None) -> float | Unobserved:
    """Return the lesser one; a limit that cannot be read is none to a run-time."""
    if isinstance(all_of_it, Unobserved) or not isinstance(limit, int | float):
        return all_of_it
    return min(all_of_it, limit) or all_of_it
