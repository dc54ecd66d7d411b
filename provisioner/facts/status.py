"""Users, capabilities, filters and limits of a process, from /proc/PID (process/status.c, inherited.c)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from provisioner.facts.capabilities import CapabilitySet
from provisioner.facts.forms import U32, Id
from provisioner.observed import Number, Observed


class IdRange(Observed):
    """One line of uid_map or gid_map (user_namespaces(7)), `outside` as seen by the reader."""

    inside: Id
    outside: Id
    count: Annotated[int, Field(ge=1, le=U32)]


Mask = Annotated[Number, AfterValidator(CapabilitySet)]


class Capabilities(Observed):
    """The five sets of capabilities(7): bit masks that print as names."""

    inheritable: Mask
    permitted: Mask
    effective: Mask
    bounding: Mask
    ambient: Mask


class Seccomp(Observed):
    """`Seccomp` (0 off, 1 strict, 2 filter) and `Seccomp_filters` (None before Linux 5.9) of proc_pid_status(5)."""

    mode: Annotated[int, Field(ge=0, le=2)]
    filters: Number | None


class Rlimit(Observed):
    """The soft and the hard value of one resource limit (getrlimit(2)); None is "unlimited"."""

    soft: Number | None
    hard: Number | None
