"""Makes a planted sandbox of one target, observes it, and returns the checks that moved.

In: a target's measurements, the session's sandboxes, a `Plant`.
Out: `Outcome`: the verdicts of the sound sandbox and of the planted one, and the expected differences.
Everything that a plant makes on the host ends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from ground import Ground
from judging import Found, judge
from plant import Make, Plant, alone, named
from plants import BASES
from rates import Areas, count
from turns import network_turn

from provisioner.facts.network import NetworkSeen
from provisioner.facts.reach import Reach, Reaches
from provisioner.files.maker import temporary_folder
from provisioner.limits.document import Load, Loads
from provisioner.limits.limit import limit_named
from provisioner.paths import cache_dir
from provisioner.probe.build import BuiltProbe
from provisioner.runtimes.load import overlay
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.loads import measure_loads
from provisioner.sandboxes.reach import measure_reach
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.shared_file import SharedFile, make_shared_file, shared_folder
from provisioner.sandboxes.spec import VOLUME, Spec
from provisioner.sandboxes.teardown import TeardownResult, measure_end
from pytest_isolation.observe.measurements import Measurements
from pytest_isolation.observe.network import measure_network
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.observe.views import observe_sandbox
from pytest_isolation.options import LOCAL
from pytest_isolation.records.record import Record
from pytest_isolation.targets.target import Target
from pytest_isolation.walls.labels import is_selinux, why_unconfined

ENDED = ("survivors", "residue")
_networks_seen: dict[str, NetworkSeen] = {}
_bases: dict[tuple[int, str, str], Record] = {}


@dataclass(frozen=True)
class Outcome:
    """
    The verdicts of the sound sandbox and of the planted one, and the expected differences.

    Attributes:
        before: verdict and reason of each check in the sound sandbox.
        after: the same in the planted one.
        expected: the verdicts of the checks that must move.
        confined: whether the kernel says that AppArmor confines the planted sandbox (proc_pid_attr(5)).
    """

    before: dict[str, Found]
    after: dict[str, Found]
    expected: dict[str, str]
    confined: bool

    @property
    def moved(self) -> dict[str, str]:
        """The checks with a different verdict, and the new verdict."""
        return {
            name: str(self.after[name][0]) for name in self.after if self.after[name][0] is not self.before[name][0]
        }

    @property
    def why(self) -> dict[str, str]:
        """The reasons of the moved checks, for a failure's text."""
        return {name: f"{self.before[name]} -> {self.after[name]}" for name in self.moved}

    @property
    def rates(self) -> Areas:
        """Its cells by area."""
        return count(self.expected, self.moved, self.after)

    @property
    def row(self) -> str:
        """This plant's line of the confusion matrix."""
        moved, expected = self.moved, self.expected
        found = [name for name, verdict in expected.items() if moved.get(name) == verdict]
        missed = [name for name in expected if name not in found]
        extra = [name for name in moved if name not in expected]
        parts = [f"{len(found)}/{len(expected)} moved"]
        parts += [f"{word}: {', '.join(names)}" for word, names in (("blind", missed), ("false", extra)) if names]
        return f"{'; '.join(parts)}; {len(self.after) - len(moved)} stayed"


def try_plant(
    measurements: Measurements,
    sandboxes: SandboxCache,
    plant: Plant,
    meanwhile: Callable[[], object] = lambda: None,
) -> Outcome:
    """
    Make a planted sandbox, observe it, compare it with the sound one, and delete it.

    Args:
        measurements: what is known of the target.
        sandboxes: the session's sandboxes.
        plant: the plant.
        meanwhile: called once while the planted sandbox is there, after it was observed.
    """
    target = measurements.target
    with ExitStack() as undo:
        if plant.on_hosts_network and target.host == LOCAL:
            undo.enter_context(network_turn())
        before = _base(measurements, sandboxes, plant.base)
        ground = _ground(sandboxes, target, undo)
        if plant.peer is not None:
            spec = _spec(plant.peer, ground)
            ground.make_peer = lambda: undo.enter_context(Sandbox(ground.host, target.runtime, spec))
        if plant.reach:
            measurements.reach("none")
            before = before.model_copy(update={"reaches": measurements.record.reaches})
        if plant.limit:
            measurements.load(plant.limit)
            loads = measurements.record.loads.root | (_base_load(ground, plant) if plant.base else {})
            before = before.model_copy(update={"loads": Loads(loads)})
        if plant.leave or (plant.ends and target.host == LOCAL):  # residue is measured only on this host
            before = _ended(before, measurements.teardown())
        if plant.volume:
            words = _words(BASES[named(target.runtime), plant.base], ground) if plant.base else {}
            before = before.model_copy(update={"shared_file": _file_made(ground, target.runtime, Spec(**words))})
        if plant.network is not None:
            before = before.model_copy(update={"network": _networks(ground.host.probe, target.runtime, None)})
        after = (
            before.model_copy(update={"network": _networks(ground.host.probe, target.runtime, plant.network)})
            if plant.network is not None
            else _left(ground, plant, before, meanwhile)
            if plant.leave
            else _limited(ground, target, plant, before, meanwhile)
            if plant.limit
            else _planted(ground, target, plant, before, meanwhile)
        )
    if plant.kind:
        before, after = (one.model_copy(update={"target": after.target}) for one in (before, after))
    expected = dict.fromkeys(plant.opens_on(target.host == LOCAL), plant.verdict) | dict(plant.also)
    apart = {*plant.apart}
    if plant.limit in ("memory", "swap"):
        apart.add("lim.tmpfs")  # a limit of memory bounds what has no size
    if {"ns.pid", "ns.pid.procfs"} & expected.keys() and "env.secrets" not in plant.opens:
        apart.add("env.secrets")  # it sees the host's processes, and what they hold is the host's state
    first, second = (
        {check: found for check, found in judge(one).items() if check not in apart} for one in (before, after)
    )
    return Outcome(first, second, expected, _is_confined(after))


def _networks(probe: BuiltProbe, runtime: Runtime, changes: Mapping[str, Any] | None) -> NetworkSeen:
    """Try the networks of a runtime, as its role describes them (once) or changed."""
    if changes is None:
        if runtime.name not in _networks_seen:
            _networks_seen[runtime.name] = measure_network(runtime, probe)
        return _networks_seen[runtime.name]
    networked = dict(runtime.networked or {})
    for key, value in changes.items():
        extends = key.endswith("+") and key in networked
        networked[key] = {**networked[key], **value} if extends else value
    return measure_network(runtime.model_copy(update={"networked": networked}), probe)


def _is_confined(record: Record) -> bool:
    """Tell whether AppArmor confines a sandbox, as the host sees it."""
    label = record.outside.process.lsm if record.outside is not None else ""
    return isinstance(label, str) and not is_selinux(label) and why_unconfined(label, "") is None


def _ground(sandboxes: SandboxCache, target: Target, undo: ExitStack) -> Ground:
    """
    Give a plant a folder that a hypervisor of another user may enter.

    It lies on disk: the run's own folder is below /run, on most hosts a tmpfs, and a mask is a tmpfs too.
    """
    host = sandboxes.hosts.host(target.host)
    # not shutil.rmtree at its end: a plant may have mounted a folder of this host there, and its umount may fail
    folder = undo.enter_context(temporary_folder(cache_dir()))
    folder.chmod(0o755)
    return Ground(host, target.runtime, lambda: sandboxes.live(target, "peer"), folder, undo)


def _runtime(ground: Ground, plant: Plant) -> Runtime:
    changes = plant.overlay(ground) if plant.overlay else {}
    return overlay(ground.runtime, changes, f"plant '{plant.name}'") if changes else ground.runtime


def _spec(make: Make, ground: Ground) -> Spec:
    return Spec(**_words(make, ground))


def _words(make: Make, ground: Ground) -> dict[str, Any]:
    return dict(make(ground) if callable(make) else make)


def _base(measurements: Measurements, sandboxes: SandboxCache, name: str) -> Record:
    """Return the record of the sound sandbox that a plant is compared with; observed once."""
    target = measurements.target
    if not name:
        return measurements.record
    key = (id(sandboxes), target.id, name)
    if key not in _bases:
        with ExitStack() as undo:
            ground = _ground(sandboxes, target, undo)
            words = _words(BASES[named(target.runtime), name], ground)
            create = words.pop("create", None)  # a base may also be made by another command
            runtime = overlay(target.runtime, {"create": create}, f"base '{name}'") if create else target.runtime
            with Sandbox(ground.host, runtime, Spec(**words)) as sandbox:
                record = observe_sandbox(target, sandbox, ground.peer)
                _bases[key] = record.model_copy(update={"host": ground.host.look()}) if ground.changed else record
    return _bases[key]


def _planted(ground: Ground, target: Target, plant: Plant, before: Record, meanwhile: Callable[[], object]) -> Record:
    runtime = _runtime(ground, plant)
    spec = _spec(plant.spec, ground)
    with Sandbox(ground.host, runtime, spec) as sandbox, ExitStack() as beside:
        if plant.beside:
            beside.callback(plant.beside(ground, sandbox))
        if plant.exec:
            sandbox.runtime = overlay(runtime, {"exec": plant.exec(ground, sandbox)}, f"plant '{plant.name}'")
        record = _look(ground, target, sandbox, plant, lambda: Sandbox(ground.host, runtime, spec))
        reaches = {"none": measure_reach(sandbox, ground.peer, "none")} if plant.reach else before.reaches.root
        meanwhile()
    record = _with(record, before, before.loads.root, reaches)
    if plant.volume:
        record = record.model_copy(update={"shared_file": _file_made(ground, runtime, spec)})
    return _ended(record, measure_end(lambda _: Sandbox(ground.host, runtime, spec))) if plant.ends else record


def _file_made(ground: Ground, runtime: Runtime, spec: Spec) -> SharedFile:
    """Let a sandbox made like that make a file in a folder that is shared with it."""
    with (
        shared_folder(ground.host) as folder,
        Sandbox(ground.host, runtime, replace(spec, volumes=((folder, VOLUME),))) as sandbox,
    ):
        return make_shared_file(sandbox, folder)


def _look(ground: Ground, target: Target, sandbox: Sandbox, plant: Plant, make: Callable[[], Sandbox]) -> Record:
    """Observe it, and a machine that was set otherwise anew."""
    seen_as = Target(target.id, sandbox.runtime, target.host, target.named)
    if plant.planted_peer:
        with make() as peer:
            record = observe_sandbox(seen_as, sandbox, peer)
    else:
        record = observe_sandbox(seen_as, sandbox, ground.peer)
    return record.model_copy(update={"host": ground.host.look()}) if ground.changed else record


def _limited(ground: Ground, target: Target, plant: Plant, before: Record, meanwhile: Callable[[], object]) -> Record:
    """Put the planted limit under load in a sandbox that is looked at before."""
    runtime = _runtime(ground, plant)
    seen: list[Record] = []

    def create(spec: Spec) -> Sandbox:
        sandbox = Sandbox(ground.host, runtime, spec)
        try:
            seen.append(_look(ground, target, sandbox, plant, lambda: sandbox))
            meanwhile()
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    loads: dict[str, Load] = measure_loads(create, runtime, ground.host.cpus, **_words(plant.spec, ground))
    needed = {plant.limit, limit_named(plant.limit).needs} - {""}
    assert set(loads) == needed, f"the overlay of plant '{plant.name}' leaves the limits {sorted(loads)}"
    loads = before.loads.root | {plant.limit: loads[plant.limit]}
    return _with(seen[-1] if seen else before, before, loads, before.reaches.root)


def _base_load(ground: Ground, plant: Plant) -> dict[str, Load]:
    """Put the limit under load in the sound sandbox that a plant is compared with."""
    runtime = overlay(ground.runtime, alone(plant.limit)(ground), f"base '{plant.base}'")
    words = _words(BASES[named(ground.runtime), plant.base], ground)
    return measure_loads(lambda spec: Sandbox(ground.host, runtime, spec), runtime, ground.host.cpus, **words)


def _left(ground: Ground, plant: Plant, before: Record, meanwhile: Callable[[], object]) -> Record:
    """Delete a sandbox while the plant leaves something behind, and measure residue."""
    leave = plant.leave
    assert leave is not None

    def leaving(sandbox: Sandbox) -> None:
        leave(ground, sandbox)
        meanwhile()

    end = measure_end(lambda spec: Sandbox(ground.host, ground.runtime, spec), leaving)
    return _ended(before, end)


def _ended(record: Record, end: TeardownResult | Record) -> Record:
    return record.model_copy(update={name: end.raw(name) for name in ENDED})


def _with(record: Record, before: Record, loads: dict[str, Load], reaches: dict[str, Reach]) -> Record:
    """Add the measured loads and reaches; other measurements come from before."""
    ends = {name: before.raw(name) for name in (*ENDED, "shared_file")}
    return record.model_copy(update={"loads": Loads(loads), "reaches": Reaches(reaches), **ends})
