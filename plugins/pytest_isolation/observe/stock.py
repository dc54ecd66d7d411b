"""Makes a fresh sandbox of the runtime of each that was attached to, so that the two can be compared.

In: attached targets, this machine as a host, what the session observed anyway.  Out: by target id a Record, or why
there is none.  Called by pool.py.  What is made here is ours, stands in the journal, and is gone when this returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from provisioner.errors import IsolationError
from provisioner.hosts.host import Host
from provisioner.progress import step
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from pytest_isolation.observe.observe import observe
from pytest_isolation.options import LOCAL
from pytest_isolation.records.record import Record
from pytest_isolation.targets.select import Target

Fresh = Record | str


def observe_fresh(
    targets: Iterable[Target], host: Callable[[], Host], columns: Mapping[str, tuple[Target, Record]]
) -> dict[str, Fresh]:
    """
    Look at a fresh sandbox for each runtime of these targets, once.

    Args:
        targets: those that were attached to.
        host: this machine.
        columns: targets of this session with their records: one of the same runtime serves.
    """
    made: dict[str, Fresh] = {}
    found: dict[str, Fresh] = {}
    for target in targets:
        assert target.attached is not None
        name = target.id.partition(":")[0]
        if name not in made:
            made[name] = _beside(name, target.attached.runtime, host, columns)
        found[target.id] = made[name]
    return found


def _beside(
    name: str, runtime: Runtime, host: Callable[[], Host], columns: Mapping[str, tuple[Target, Record]]
) -> Fresh:
    if "fresh" in runtime.cannot:
        return runtime.cannot["fresh"]
    for column, record in columns.values():
        same = column.runtime.name == runtime.name and column.runtime.conditions == runtime.conditions
        if same and column.host == LOCAL and column.attached is None:
            return record
    with step(f"start a fresh {name} beside it"):
        return _make(name, runtime, host)


def _make(name: str, runtime: Runtime, host: Callable[[], Host]) -> Fresh:
    try:
        return _look(name, runtime, host())
    except IsolationError as error:
        option = next((one.instead for one in runtime.symptoms if one.instead and one.cause in error.what), None)
        if option is None:
            return str(error)
    try:
        return _look(f"{name}+{option}", load_runtime(f"{name}+{option}"), host())
    except IsolationError as error:
        return str(error)


def _look(name: str, runtime: Runtime, host: Host) -> Record:
    with Sandbox(host, runtime, Spec()) as sandbox:
        return observe(Target(name, runtime, LOCAL, named=False), sandbox, None)
