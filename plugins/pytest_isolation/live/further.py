"""A further sandbox that a test makes: observed on first use, and acted in like the target's own.

In: a target, the session's sandboxes, and what `sandbox_factory` was asked for.
Out: `FurtherSandbox`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from provisioner.errors import IsolationError
from provisioner.files.suggest import nearest
from provisioner.hosts.runtime_images import ImageName
from provisioner.images.image import Image
from provisioner.limits.limits import Limits
from provisioner.probe.request import Reply
from provisioner.runtimes.own_image import with_image
from provisioner.sandboxes.spec import Spec
from pytest_isolation.live.acting import Acting
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.observe.views import observe_sandbox
from pytest_isolation.policy.raised import NotAsked
from pytest_isolation.records.record import Record
from pytest_isolation.records.view import SandboxView
from pytest_isolation.targets.target import Target

if TYPE_CHECKING:
    from provisioner.sandboxes.sandbox import Sandbox
    from pytest_isolation.live.limit_load import LimitLoad

IMAGES: tuple[str, ...] = get_args(ImageName)


class FurtherSandbox(Acting, SandboxView):
    """
    A further sandbox of a target; it is ended with its test.

    Args:
        target: the target.
        sandbox: the running sandbox.
        host_cpus: processors online on its host.

    Attributes:
        live: the running sandbox itself.
    """

    def __init__(self, target: Target, sandbox: Sandbox, host_cpus: int = 1) -> None:
        self.live = sandbox
        self._target = target
        self._host_cpus = host_cpus
        self._peer = False

    def __repr__(self) -> str:
        return f"<further sandbox of {self._target.id}>"

    @functools.cached_property
    def _observed(self) -> Record:
        return observe_sandbox(self._target, self.live, None)

    @property
    def record(self) -> Record:
        """All that is observed of it: once, on first use."""
        return self._observed

    @property
    def acting_name(self) -> str:
        return self._target.id

    @property
    def send(self) -> Callable[..., Reply]:
        return self.live.request

    def load(self, name: str, amount: str | float | None = None) -> LimitLoad:  # type: ignore[override]
        """
        Start a load against one of its limits, bounded in amount and time, and return at once.

        What it returns has `result()`, `ended` and `why_not_in_force()`, which wait for its end.

        Args:
            name: the limit: "memory", "cpus", "pids" and so on.
            amount: how much the load takes at most, a number in the limit's unit or text such as "128MiB"; by default
                twice the limit.

        Raises:
            IsolationError: the sandbox has no such limit, or the amount cannot be read: the test is `unknown`.

        Example:
            def test_memory_limit_is_in_force(sandbox_factory):
                limited = sandbox_factory(limits=Limits(memory="256MiB"))
                load = limited.load("memory", "320MiB")
                assert load.why_not_in_force() is None
                assert load.result().measured <= 256 << 20
        """
        __tracebackhide__ = True
        from pytest_isolation.live.limit_load import start_load

        return start_load(self.live, name, amount, self._host_cpus)

    def close(self) -> None:
        """End it; may be repeated."""
        self.live.close()


def make_further(
    target: Target,
    sandboxes: SandboxCache,
    *,
    limits: Limits | None = None,
    image: str | Image = "probe",
    network: str = "none",
    volumes: Mapping[str | os.PathLike[str], str] | None = None,
    flags: Sequence[str] = (),
    **amounts: str | float | None,
) -> FurtherSandbox:
    """
    Make a further sandbox of a target, as `sandbox_factory` is asked for it.

    Args:
        target: the target.
        sandboxes: the session's sandboxes.
        limits: the limits that it must keep.
        image: "probe", "shell", "debian", an Image, or the name of an image that the target's engine has.
        network: "none", "private" or "host".
        volumes: folders of the host, each with its path inside.
        flags: further arguments for the runtime.
        amounts: further limits, by argument.

    Raises:
        IsolationError: one of them is unknown or cannot be read, or the sandbox cannot be made.
    """
    if isinstance(flags, str):
        raise IsolationError(f"cannot pass the flags {flags!r}: they are one text", f"write a list: [{flags!r}]")
    shared = tuple((_folder(source), _inside(inside)) for source, inside in (volumes or {}).items())
    asked = _joined(limits, Limits(**amounts))
    if isinstance(image, str) and image not in IMAGES:
        near = nearest(image, IMAGES, 0.75)
        if near is not None and not {":", "/"} & set(image):
            raise IsolationError(f"cannot make a sandbox from '{image}'", f"did you mean '{near}'?")
        target, image = replace(target, runtime=with_image(target.runtime, image)), "probe"
    _require_possible(target, network, bool(volumes), asked)
    spec = Spec(asked, network, cast("ImageName | Image", image), shared, tuple(flags))
    return FurtherSandbox(target, sandboxes.create(target, spec), sandboxes.hosts.host_of(target).cpus)


def _joined(limits: Limits | None, further: Limits) -> Limits:
    if limits is None:
        return further
    if not isinstance(limits, Limits):
        mend = 'from provisioner.limits.limits import Limits; limits=Limits(memory="64MiB")'
        raise IsolationError(f"cannot set the limits {limits!r}: they are no Limits", mend)
    if twice := limits.amounts.keys() & further.amounts.keys():
        raise IsolationError(f"cannot set the limit '{min(twice)}' twice", "name it in `limits`, or as an argument")
    return Limits.of({**limits.amounts, **further.amounts})


def _require_possible(target: Target, network: str, volumes: bool, limits: Limits) -> None:
    """Skip the test if the role says that the runtime cannot do it: that is no answer about its walls."""
    asked = {f"network.{network}", *(["volume"] if volumes else [])}
    asked |= {f"limits.{name}" for name in limits.amounts}
    for name in sorted(asked):
        if name in target.runtime.cannot:
            raise NotAsked(f"{target.id}: {target.runtime.cannot[name]}")


def _folder(source: str | os.PathLike[str]) -> Path:
    path = Path(source).absolute()
    if not path.exists():
        raise IsolationError(f"cannot share '{path}': it does not exist", "make it before")
    return path


def _inside(target: str) -> str:
    if not target.startswith("/"):
        raise IsolationError(f"cannot share a folder as '{target}': it is no absolute path", f"write '/{target}'")
    return target
