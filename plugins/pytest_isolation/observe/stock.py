"""Observes a stock sandbox of each runtime that was attached to, or that a user's command line names.

In: what the session observed, and its hosts.
Out: by the id of such a target a `Record` to compare it with, or why there is none.
A sandbox that is created here is in the journal, and is deleted before this returns.
"""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.errors import IsolationError
from provisioner.progress import step
from provisioner.runtimes.command_line import GENERIC
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from pytest_isolation.observe.hosts import Hosts
from pytest_isolation.observe.measurements import Measurements
from pytest_isolation.observe.views import observe_sandbox
from pytest_isolation.options import LOCAL
from pytest_isolation.records.record import Record
from pytest_isolation.targets.select import other_option
from pytest_isolation.targets.target import Target

Stock = Record | str


def observe_stock(observed: Sequence[Measurements], hosts: Hosts) -> dict[str, Stock]:
    """
    Observe one stock sandbox for each runtime that was attached to, and for each engine of a command line.

    Args:
        observed: all targets of the session.  One of the same runtime on this machine serves as the stock sandbox.
        hosts: the session's hosts.

    Returns:
        By the id of each such target, the record of the stock sandbox, or why there is none.
    """
    by_runtime: dict[str, Stock] = {}
    stock: dict[str, Stock] = {}
    for one in observed:
        target = one.target
        if target.attached is not None:
            name, runtime = target.id.partition(":")[0], target.attached.runtime
        elif target.command and target.runtime.name != GENERIC:
            name, runtime = target.runtime.name, load_runtime(target.runtime.name)
        else:
            continue
        if name not in by_runtime:
            by_runtime[name] = _stock_of(name, runtime, observed, hosts)
        stock[target.id] = by_runtime[name]
    return stock


def _stock_of(name: str, runtime: Runtime, observed: Sequence[Measurements], hosts: Hosts) -> Stock:
    if "fresh" in runtime.cannot:
        return runtime.cannot["fresh"]
    for one in observed:
        target = one.target
        same = target.runtime.name == runtime.name and target.runtime.conditions == runtime.conditions
        if same and target.host == LOCAL and target.attached is None and not target.command:
            return one.record
    with step(f"start a fresh {name} beside it"):
        return _make(name, runtime, hosts)


def _make(name: str, runtime: Runtime, hosts: Hosts) -> Stock:
    try:
        return _observe(name, runtime, hosts)
    except IsolationError as error:
        option = other_option(runtime, error)
        if option is None:
            return str(error)
    try:
        return _observe(f"{name}+{option}", load_runtime(f"{name}+{option}"), hosts)
    except IsolationError as error:
        return str(error)


def _observe(name: str, runtime: Runtime, hosts: Hosts) -> Record:
    target = Target(name, runtime, LOCAL, named=False)
    with Sandbox(hosts.host_of(target), runtime, Spec()) as sandbox:
        return observe_sandbox(target, sandbox, None)
