"""What is written into a cgroup to set one limit by hand.  Plain data: linux/cgroups.py writes it.

Imports no pydantic: a guest with nothing but Python's standard library may use it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CgroupFile:
    """
    One file of a cgroup's folder and the text to write.

    Args:
        name: the file's name: "memory.max".
        value: what is written.
        optional: whether it is left out where the kernel has no such file.
    """

    name: str
    value: str
    optional: bool = False


@dataclass(frozen=True)
class CgroupSetting:
    """
    The files that set one limit (cgroups(7)), in the order of writing.

    Args:
        limit: the limit as errors name it: "cpus".
        controller: the controller that has the files.
        v1: the files of cgroup v1.
        v2: the files of cgroup v2.
    """

    limit: str
    controller: str
    v1: tuple[CgroupFile, ...]
    v2: tuple[CgroupFile, ...]
