"""Users, capabilities and filters of a process, as /proc/PID/status and its maps show them (process/status.c)."""

from __future__ import annotations

from provisioner.observed import Number, Observed


class IdRange(Observed):
    """One line of uid_map or gid_map (user_namespaces(7)), `outside` as seen by the reader."""

    inside: Number
    outside: Number
    count: Number


class Capabilities(Observed):
    """The five sets of capabilities(7) as bit masks."""

    inheritable: Number
    permitted: Number
    effective: Number
    bounding: Number
    ambient: Number


class Seccomp(Observed):
    """`Seccomp` (0 off, 1 strict, 2 filter) and `Seccomp_filters` (None before Linux 5.9) of proc_pid_status(5)."""

    mode: Number
    filters: Number | None
