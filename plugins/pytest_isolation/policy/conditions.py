"""What is known of a target and its host that a documented exception may depend on.

Out: `Conditions`, which are archived with the target's record, and which `when` in expected.yaml is compared with.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from provisioner.observed import Text
from pytest_isolation.policy.versions import is_version

YesOrNo = Literal["yes", "no"]
ELSEWHERE = "its daemon is not on this machine"
BEHIND = "its daemon is outside of the container that pytest runs in"
# those that the host decides on which the sandbox runs
HOST_CONDITIONS = (
    *("cgroup", "user", "sys_admin", "lsm", "kernel", "ptrace_scope", "smt", "flaws"),
    *("env_more", "env_proxies", "env_secrets"),
)


class Conditions(BaseModel):
    """
    The conditions of one target; None for one that was not observed or that the target does not have.

    Attributes:
        variant: the variant of its runtime: "rootless"; "default" for none.
        option: the option of its runtime: "runc" in podman+runc; "default" for none.
        accelerator: of a VM, what runs it and why: "tcg: /dev/kvm is missing".
        cgroup: the version of the host's cgroups; both versions at once count as v1.
        user: who runs the runtime's commands.
        sys_admin: whether these commands have CAP_SYS_ADMIN.
        lsm: the LSM that confines processes on the host, "none" if none does, "" if it could not be observed.
        kernel: the host's kernel release (uname(2)).
        ptrace_scope: the host's kernel.yama.ptrace_scope.
        smt: whether hyper-threads are on.
        flaws: the host's worst report of a flaw of its processors.
        env_more, env_proxies, env_secrets: whether the environment that runtimes are started with names more than the
            usual variables, proxies, secrets.
        version: the runtime's version.
        provider: of a machine, its provider in lab.yaml.
        unseen: of an attached sandbox, why its inside view is missing or incomplete.
        command: whether a user's own command line starts it.
        elsewhere: why nothing was observed of the host on which the sandbox runs: its daemon is on another machine.
    """

    # the order is that of the archived document
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    variant: Text | None = None
    option: Text | None = None
    accelerator: Text | None = None
    cgroup: Literal["v1", "v2", "none"] | None = None
    user: Literal["root", "other"] | None = None
    sys_admin: YesOrNo | None = None
    lsm: Text | None = None
    kernel: Text | None = None
    ptrace_scope: Text | None = None
    smt: Literal["on", "off"] | None = None
    flaws: Literal["open", "unknown", "mitigated"] | None = None
    env_more: YesOrNo | None = None
    env_proxies: YesOrNo | None = None
    env_secrets: YesOrNo | None = None
    version: Text | None = None
    provider: Text | None = None
    unseen: Text | None = None
    elsewhere: Text | None = None
    command: Literal["yes"] | None = None

    @property
    def by_user(self) -> YesOrNo:
        """Whether the user decides how it is started: it is attached, or a command line of theirs starts it."""
        return "no" if self.unseen is None and self.command is None else "yes"

    @property
    def has_kvm(self) -> bool:
        """Whether KVM runs it."""
        return self.accelerator is not None and self.accelerator.partition(":")[0] == "kvm"

    def is_unread(self, name: str) -> bool:
        """
        Whether a condition could not be read, so that what depends on it cannot be told.

        Any other condition that is None does not exist there: a kernel without Yama has no ptrace scope.
        """
        value = getattr(self, name)
        if name in ("version", "kernel"):
            return value is None or not is_version(value)
        return name in HOST_CONDITIONS and value is None and self.elsewhere is not None

    @model_serializer(mode="wrap")
    def _without_none(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialise(self).items() if value is not None}
