"""Checks of what makes a VM: its own kernel.  Containers are open here, and no profile demands it of them."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.kernels import may_be_elsewhere
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.machine.own_kernel import signs_of_hosts_kernel, signs_of_its_own_kernel


@pytest.mark.isolation(
    "vm.kernel",
    severity="critical",
    profile={"vm": "privileged"},
    gains="reaches every other sandbox through one hole in the shared kernel",
    refs=["random(4)", "uname(2)"],
    shows=["boot_id", "system.kernel"],
    reproduce="cat /proc/version /proc/sys/kernel/random/boot_id    # inside and on the host",
    remedy="run it in a VM",
)
def test_it_runs_its_own_kernel(sandbox: SandboxView) -> None:
    """
    The sandbox runs its own kernel.

    It runs on the host's kernel if the host sees the subject as one of its processes, or if both read the same boot id.
    Equal versions prove nothing, because a VM may boot the host's own image.
    """
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    if sandbox.shares_kernel:
        raise Open(f"it runs on the host's kernel {sandbox.host.system.kernel.release}")


@pytest.mark.isolation(
    "vm.declared",
    severity="critical",
    profile="privileged",
    gains="is trusted with the walls of another kind of sandbox, which nobody checked",
    refs=["random(4)", "proc_version(5)", "systemd-nspawn(1)"],
    shows=["boot_id", "system.kernel", "system.tasks", "process.mounts"],
    reproduce="cat /proc/version; cat /proc/2/comm; grep boot_id /proc/self/mountinfo    # inside and on the host",
    remedy="set kind, class and boundary of its runtime.yaml to what it is",
)
def test_it_is_of_the_kind_that_it_is_declared(sandbox: SandboxView) -> None:
    """
    The sandbox is of the kind that its runtime declares: a container, one behind a sentry, or a VM.

    The host's kernel, the boot id, what is mounted over it, /proc/version and kernel threads show which kernel it runs
    on.
    A container of an engine that may be on another machine shows the same as a VM here: then it is unknown.
    Other checks believe the declaration: which of them apply, and what is a wall, depends on it.
    """
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    host = sandbox.this_machine or sandbox.host.facts
    if sandbox.target.kind == "vm":
        seen = sandbox.outside.process.pid if sandbox.has_outside else None
        shared = signs_of_hosts_kernel(sandbox.inside, host, seen)
        if shared:
            raise Open(f"it is declared a VM, and runs on the host's kernel: {shared[0]}")
    elif sandbox.target.boundary == "sentry" and sandbox.shares_kernel:
        raise Open("it is declared to run behind a sentry, and runs on the host's kernel")
    elif sandbox.target.boundary == "process" and not sandbox.has_outside:
        own = signs_of_its_own_kernel(sandbox.inside, host)
        if own and not may_be_elsewhere(sandbox.target):
            raise Open(f"it is declared a container, and runs a kernel of its own: {own[0]}")
        sandbox.outside  # noqa: B018 - the host did not see it: unknown


@pytest.mark.isolation(
    "vm.boot_id",
    severity="high",
    profile={"vm": "privileged"},
    gains="passes for its clone or for the host wherever these ids are trusted",
    refs=["random(4)", "machine-id(5)"],
    shows=["boot_id", "system.machine_id"],
    reproduce="cat /proc/sys/kernel/random/boot_id /etc/machine-id    # inside, in a clone, on the host",
    remedy="boot each VM anew, and empty /etc/machine-id in the image",
)
def test_boot_id_and_machine_id_are_its_own(sandbox: SandboxView, peer: SandboxView, host_facts: HostView) -> None:
    """
    Boot id and machine id are the sandbox's own, and differ between clones.

    They are compared with the host's, and with the peer's if there is one.
    """
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    alone = "peer" in sandbox.target.cannot
    if sandbox.inside.boot_id == host_facts.boot_id:
        raise Open("its boot id is the host's")
    if not alone and sandbox.inside.boot_id == peer.inside.boot_id:
        raise Open("its boot id is its peer's")
    own = sandbox.system.machine_id
    if not own:
        return  # an image without one
    if own == host_facts.system.machine_id:
        raise Open("its machine id is the host's")
    if not alone and own == peer.system.machine_id:
        raise Open("its machine id is its peer's, baked into the image")


@pytest.mark.isolation(
    "vm.entropy",
    severity="high",
    profile="baseline",
    gains="guesses the keys and nonces of its copy from its own",
    refs=["random(7)", "drivers/virt/vmgenid.c", "Documentation/devicetree/bindings/rng/microsoft,vmgenid.yaml"],
    kinds=["vm"],
    kinds_reason="containers use the host's own random number generator",
    shows=["entropy", "boot_id", "platform.devices"],
    reproduce="head -c32 /dev/urandom | sha256sum    # the first command in both copies",
    remedy="give it a vmgenid device and a guest kernel with CONFIG_VMGENID, or boot each copy anew",
)
def test_two_copies_do_not_yield_the_same_random_bytes(sandbox: SandboxView, peer: SandboxView) -> None:
    """
    After a snapshot restore two copies do not yield the same random bytes.

    The check compares the hashes of the first 32 bytes that each got from getrandom(2).
    Two VMs that were booted seed their generators separately.
    Two that were restored from one snapshot continue from the same state, until a vmgenid device tells the kernel or
    the kernel mixes in other data.
    """
    if sandbox.system.entropy == peer.system.entropy:
        raise Open("it drew the same random bytes as its peer")
