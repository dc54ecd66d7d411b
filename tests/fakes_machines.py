"""Fake machines: they record what is done with them; a test sets their state.

`FakeMachine` implements provisioner.machines.protocol.Machine; the machines of one name share one `FakeState`, as
processes share a machine's folder.  `FakeLab` is a lab of them; its lab.yaml, folder, locks and journal are real.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.connection.address import SshAddress
from provisioner.converge.apply import Applied
from provisioner.converge.kinds import Aspect, Change
from provisioner.converge.plan import Plan
from provisioner.converge.role import Role
from provisioner.converge.state import Wanted
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines import find, operations, prepare
from provisioner.machines.box.build import Box
from provisioner.machines.lab import Lab, MachineSpec, load_lab
from provisioner.machines.protocol import Status


@dataclass
class FakeState:
    """
    The state of one fake machine.

    Attributes:
        status: its status.
        snapshots: its snapshots.
        pid: its hypervisor's pid while it runs.
        did: what was done with it, in order.
        faults: the error of a verb.
        hooks: called when a verb is done.
        drift: how many resources differ from the roles.
        broken: why a promise does not hold; "" if it holds.
        netns: the network namespace in its address.
        reboots: whether `up` restarts it while it runs, as after a change of hardware in lab.yaml.
    """

    status: Status = "absent"
    snapshots: list[str] = field(default_factory=list)
    pid: int = 100
    did: list[str] = field(default_factory=list)
    faults: dict[str, BaseException] = field(default_factory=dict)
    hooks: dict[str, Callable[[], None]] = field(default_factory=dict)
    drift: int = 0
    broken: str = ""
    netns: str | None = None
    reboots: bool = False

    def do(self, verb: str, what: str = "") -> None:
        """Record a verb, call its hook, and raise its fault."""
        self.did.append(f"{verb} {what}".strip())
        self.hooks.get(verb, lambda: None)()
        if verb in self.faults:
            raise self.faults[verb]


class FakeMachine:
    """One machine, as a provider returns it."""

    def __init__(self, spec: MachineSpec, state: FakeState) -> None:
        self.spec = spec
        self.state = state

    @property
    def name(self) -> str:
        return self.spec.name

    def up(self) -> None:
        self.state.do("up")
        if self.state.status != "running" or self.state.reboots:
            self.state.pid += 1
        self.state.status = "running"

    def status(self) -> Status:
        return self.state.status

    def ssh(self) -> SshAddress:
        self.state.do("ssh")
        if self.state.status != "running":
            raise IsolationError(f"cannot reach machine '{self.name}': it does not run", f"provisioner up {self.name}")
        return SshAddress("127.0.0.1", 2222, "root", Path("/keys/login"), "ssh-ed25519 AAAA", self.state.netns)

    def snapshot(self, name: str) -> None:
        self.state.do("snapshot", name)
        self.state.snapshots = [*(one for one in self.state.snapshots if one != name), name]

    def restore(self, name: str) -> bool:
        if name not in self.state.snapshots:
            return False
        self.state.do("restore", name)
        self.state.pid += 1
        self.state.status = "running"
        return True

    def snapshots(self) -> list[str]:
        return list(self.state.snapshots)

    def delete_snapshot(self, name: str) -> None:
        self.state.do("delete", name)
        self.state.snapshots.remove(name)

    def console(self) -> str:
        return ""

    def vmm_pid(self) -> int | None:
        return self.state.pid if self.state.status == "running" else None

    def down(self, destroy: bool = False) -> None:
        self.state.do("destroy" if destroy else "down")
        if destroy:
            self.state.snapshots = []
        if self.state.status != "absent":
            self.state.status = "absent" if destroy else "halted"


class FakeLab:
    """
    A lab of fake machines.

    Args:
        tmp_path: the folder for lab.yaml and the home.
        monkeypatch: replaces the providers.
        text: the content of lab.yaml.
    """

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path / "home"))
        self.file = tmp_path / "lab.yaml"
        self.file.write_text(text)
        self.built: list[str] = []
        self.box = Box(
            *("debian12", "0123456789ab", tmp_path, tmp_path / "disk", tmp_path / "kernel", tmp_path / "initrd"),
            *("quiet", "root", tmp_path / "key", "ssh-ed25519 AAAA"),
        )
        self.lab: Lab = load_lab(self.file)
        self.machines = {name: FakeState() for name in self.lab.machines}
        self.is_built = True
        self._patch(monkeypatch)

    def __getitem__(self, name: str) -> FakeState:
        return self.machines[name]

    def tag(self, name: str) -> str:
        """Return the name of a machine's converged snapshot."""
        spec = self.lab.machine(name)
        return prepare.converged_snapshot(spec, prepare.load_roles(spec.roles))

    def _patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def provide(spec: MachineSpec, box: Box | None, lab: Lab, run: Run) -> FakeMachine:
            return FakeMachine(spec, self.machines.setdefault(spec.name, FakeState()))

        def build(name: str, bake: Sequence[str] = ()) -> Box:
            self.built.append(name)
            return self.box

        monkeypatch.setattr(find, "PROVIDERS", {"qemu": provide, "vagrant": provide})
        monkeypatch.setattr(find, "build_box", build)
        monkeypatch.setattr(find, "find_box", lambda name, bake=(): self.box if self.is_built else None)
        for module in (prepare, operations):
            monkeypatch.setattr(module, "connect", self._connect)
        monkeypatch.setattr(prepare, "converge", self._converge)
        monkeypatch.setattr(operations, "read_present", lambda connection, roles, variables: connection)
        monkeypatch.setattr(operations, "plan_changes", self._plan)
        monkeypatch.setattr(operations, "apply_plan", self._apply)
        monkeypatch.setattr("provisioner.converge.verify.verify_roles", self._verify)

    def _connect(self, machine: FakeMachine, name: str) -> Any:
        machine.ssh()
        return SimpleNamespace(name=name, close=lambda: self[name].do("close"))

    def _converge(self, connection: Any, roles: Sequence[Role], variables: Mapping[str, Any]) -> Applied:
        state = self[connection.name]
        state.do("converge")
        changed, state.drift = state.drift, 0
        return Applied(connection.name, changed)

    def _plan(self, roles: Sequence[Role], variables: Mapping[str, Any], connection: Any) -> Plan:
        state = self[connection.name]
        state.do("plan")
        aspect = Aspect("state", "absent", "installed")
        changes = tuple(Change("package", f"package{at}", (aspect,)) for at in range(state.drift))
        return Plan(connection.name, Wanted(), changes)

    def _apply(self, connection: Any, plan: Plan) -> Applied:
        self[connection.name].do("apply")
        self[connection.name].drift = 0
        return Applied(connection.name, len(plan.changes), (), 1.0)

    def _verify(self, connection: Any, roles: Sequence[Role]) -> list[Any]:
        from provisioner.converge.verify import Checked

        return [Checked(role.name, f"package {role.name}", self[connection.name].broken) for role in roles]
