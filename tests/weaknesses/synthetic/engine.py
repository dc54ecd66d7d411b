"""Synthetic weaknesses and look-alikes: the engine."""

from __future__ import annotations

from weakness import Lookalike, put, weak

WEAKNESSES = (
    weak(
        "run.daemon_opts",
        "seccomp-profile: unconfined",
        put("target", "settings", 0, "value", to="name=seccomp,profile=unconfined name=cgroupns"),
        "seccomp is 'name=seccomp,profile=unconfined name=cgroupns': no filter",
    ),
    weak("run.daemon_opts", "no such option any more", put("target", "settings", 0, "value", to=""), "seccomp is ''"),
    weak("run.no_residue", "a cgroup", put("residue", to=["the cgroup /sys/fs/cgroup/x"]), "left the cgroup"),
    weak("run.no_residue", "QEMU", put("residue", to=["its hypervisor's process 7"]), "its hypervisor's", record="vm"),
)

LOOKALIKES = (
    Lookalike(
        "further options of the engine",
        "container",
        put("target", "settings", 0, "value", to="name=apparmor name=seccomp,profile=default name=cgroupns"),
    ),
    Lookalike(
        "a target that is not ended",
        "container",
        put("target", "cannot", to={"residue": "not made for the run"}),
        (("run.no_residue", "not_applicable"),),
    ),
    Lookalike("no engine", "container", put("target", "settings", to=None), (("run.daemon_opts", "not_applicable"),)),
)
