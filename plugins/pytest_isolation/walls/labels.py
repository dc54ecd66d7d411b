"""What a label of /proc/PID/attr/current means: whether a mandatory-access policy confines the process.

In: the labels of a process and of its host.  Out: why it is not confined, or None.  Pure.
"""

from __future__ import annotations

# SELinux types that the targeted policy leaves unconfined, and that container engines give with label=disable.
UNCONFINED_TYPES = frozenset({"unconfined_t", "unconfined_service_t", "spc_t", "kernel_t", "init_t", "initrc_t"})


def why_unconfined(label: str, host_label: str) -> str | None:
    """
    Say why a label confines nothing; None if it confines.

    AppArmor writes "PROFILE (MODE)"; only the modes `enforce` and `kill` refuse anything (apparmor(7)).
    A profile with flags=(unconfined) has a name and confines nothing.
    SELinux writes "user:role:type:level".
    """
    label = label.rstrip("\0\n ")
    if not label or label == "unconfined":
        return "no mandatory-access label confines it"
    if label.endswith(")") and " (" in label:
        mode = label.rpartition(" (")[2].removesuffix(")")
        return None if mode in ("enforce", "kill") else f"its label '{label}' is not enforced"
    parts = label.split(":")
    if len(parts) >= 3 and parts[2] in UNCONFINED_TYPES:
        return f"its label's type '{parts[2]}' is unconfined"
    return f"its label '{label}' is the host's own" if label == host_label.rstrip("\0\n ") else None


def is_selinux(label: str) -> bool:
    """Whether the label has SELinux's form "user:role:type[:level]"."""
    label = label.rstrip("\0\n ")
    return not label.endswith(")") and label.count(":") >= 2


def domain(label: str) -> str:
    """Return the part of a label that two sandboxes must not share: the label without AppArmor's mode."""
    label = label.rstrip("\0\n ")
    return label.rpartition(" (")[0] if label.endswith(")") and " (" in label else label
