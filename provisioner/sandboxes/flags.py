"""The arguments by which a runtime is asked for limits, a network and shared folders.

In: a Runtime, a Spec, the values of the templates.  Out: arguments for `create`.
"""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.errors import IsolationError
from provisioner.images.debian import MEMORY as DEBIAN_MEMORY
from provisioner.images.image import IMAGES, Image
from provisioner.limits.limit import limit_named
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.spec import RefusedError, Spec


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
        _require_step(runtime, name, spec.limits.amounts[name], how.step)
        flags += render_argv(how.flags, {**values, **further}, f"{runtime.name}: limits.{name}")
        if how.cgroup:
            by_hand.add(name)
    return flags, by_hand


def amounts_of(runtime: Runtime, spec: Spec) -> dict[str, float | None]:
    """Return the value `limit` of the templates; a guest whose root is Debian in memory gets enough of it."""
    limits = spec.limits.by_argument()
    image = spec.image if isinstance(spec.image, Image) else IMAGES[spec.image]
    if image.debian and runtime.image == "initramfs":
        limits["memory"] = limits["memory"] or DEBIAN_MEMORY
    return limits


def _require_step(runtime: Runtime, name: str, amount: float, step: float | None) -> None:
    """Raise RefusedError for less than the least amount that the runtime can give."""
    limit = limit_named(name)
    if step is not None and amount < step:
        raise RefusedError(
            f"cannot limit {limit.argument} of '{runtime.name}' to {limit.show_amount(amount)}",
            f"it needs at least {limit.show_amount(step)}",
        )


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
    Return the arguments for the folders of the host that are shared.

    Raises:
        RefusedError: the runtime shares no folder.
    """
    if spec.volumes and runtime.volume is None:
        raise RefusedError(runtime.cannot.get("volume", f"'{runtime.name}' shares no folder"))
    flags: list[str] = []
    for volume in volumes_of(spec):
        assert runtime.volume is not None
        flags += render_argv(runtime.volume.flags, {**values, "volume": volume}, f"{runtime.name}: volume")
    return flags


def volumes_of(spec: Spec) -> list[dict[str, str]]:
    """Return the value `volume` of the templates for each shared folder."""
    return [{"source": str(source), "target": target} for source, target in spec.volumes]
