"""The arguments by which a runtime is asked for limits, a network and a shared folder.

In: a Runtime, a Spec, the values of the templates.  Out: arguments for `create`.
"""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.errors import IsolationError
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.spec import VOLUME, RefusedError, Spec


def limit_flags(runtime: Runtime, spec: Spec, values: Mapping[str, object]) -> tuple[list[str], set[str]]:
    """
    Return the arguments for the limits, and the names of the limits that are set by hand in a cgroup.

    Raises:
        RefusedError: the runtime has no such limit.
    """
    flags: list[str] = []
    by_hand: set[str] = set()
    for name, further in spec.limits.template_values().items():
        how = runtime.limits.get(name)
        if how is None:
            raise RefusedError(runtime.cannot.get(f"limits.{name}", f"'{runtime.name}' has no such limit"))
        flags += render_argv(how.flags, {**values, **further}, f"{runtime.name}: limits.{name}")
        if how.cgroup:
            by_hand.add(name)
    return flags, by_hand


def network_flags(runtime: Runtime, spec: Spec, values: Mapping[str, object]) -> list[str]:
    """
    Return the arguments for the network mode.

    Raises:
        IsolationError: the runtime has no such mode; the hint names those that it has.
    """
    mode = runtime.network.get(spec.network)
    if mode is None:
        what = f"cannot give '{runtime.name}' the network '{spec.network}'"
        raise IsolationError(what, hint=f"it has: {', '.join(runtime.network)}")
    return render_argv(mode.flags, values, f"{runtime.name}: network")


def volume_flags(runtime: Runtime, spec: Spec, values: Mapping[str, object]) -> list[str]:
    """
    Return the arguments for the folder of the host that is shared.

    Raises:
        RefusedError: the runtime shares no folder.
    """
    if spec.volume is None:
        return []
    if runtime.volume is None:
        raise RefusedError(runtime.cannot.get("volume", f"'{runtime.name}' shares no folder"))
    return render_argv(runtime.volume.flags, values, f"{runtime.name}: volume")


def volume_of(spec: Spec) -> dict[str, str] | None:
    """Return the value `volume` of the templates; None without a shared folder."""
    return None if spec.volume is None else {"source": str(spec.volume), "target": VOLUME}
