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
    weak(
        "ns.pid.reap",
        "a process that outlives the first",
        put("survivors", to=["process 4711 (probe)"]),
        "there still run process 4711 (probe)",
    ),
    weak("ns.pid.reap", "a helper of QEMU's", put("survivors", to=["process 7 (sh)"]), "process 7 (sh)", record="vm"),
    weak(
        "ns.pid.reap",
        "nobody saw the processes left",
        put("survivors", to={"unobserved": "", "why": "cannot see the processes left"}),
        "could not be observed",
        verdict="unknown",
    ),
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
        tuple((name, "not_applicable") for name in ("run.no_residue", "ns.pid.reap", "user.file_owner")),
    ),
    Lookalike("no engine", "container", put("target", "settings", to=None), (("run.daemon_opts", "not_applicable"),)),
)
