"""How long each thing may take: one table of seconds, and the scale for slow machines.

In: the environment variable PYTEST_ISOLATION_TIMEOUT_SCALE, which the option --timeout-scale of both commands sets too.

The base values fit an emulated guest on two cores that a second guest keeps busy: there a test that starts one or two
containers in docker took 35 to 90 s; `hello.container.remote` is five times that.  In pytest the ini key
`isolation_timeout_scale` counts if the variable is not set.
"""

from __future__ import annotations

import os

from provisioner.errors import IsolationError

VARIABLE = "PYTEST_ISOLATION_TIMEOUT_SCALE"
MOST = 1000.0

_SECONDS = {
    "hello.container": 60.0,
    "hello.vm": 180.0,
    "hello.container.remote": 450.0,
    "hello.vm.remote": 180.0,
    "facts": 90.0,
    "outside": 60.0,
    "exec": 150.0,
    "request": 30.0,
    "load": 120.0,
    "write": 10.0,
    "command": 180.0,
    "delete": 60.0,  # the journal tries it again, within "undo"
    "connect": 60.0,
    "import": 300.0,
    "close": 30.0,
    "undo": 240.0,
    "undo.start": 10.0,
    "undo.end": 1.0,
    "daemon.check": 15.0,  # between two questions to a daemon while one of its commands runs
    "daemon.answer": 30.0,
    "daemon.answer.remote": 120.0,
    "machine.boot": 240.0,
    "machine.restore": 120.0,
    "machine.halt": 120.0,
    "machine.qmp": 60.0,
    "libvirt": 60.0,
    "vagrant.up": 600.0,
    "vagrant.call": 180.0,
    "lab.wait": 1800.0,
    "box.tree": 900.0,
    "box.disk": 300.0,
    "converge.read": 180.0,
    "converge.step": 300.0,
    "converge.install": 900.0,
    "converge.wait": 660.0,
    "doctor.command": 15.0,
    "doctor.look": 30.0,
    "doctor.trial": 75.0,
}
_scale: float | None = None  # until `set_scale`: what the variable says


def set_scale(scale: float) -> None:
    """Multiply every deadline from now on; ValueError unless `scale` is above zero."""
    global _scale
    if not scale > 0:
        raise ValueError(f"a timeout scale must be above zero, not {scale}")
    _scale = scale


def scale_of(text: str, name: str) -> float:
    """
    Return the factor that a user wrote.

    Args:
        text: the number.
        name: of the option, key or variable, for the error.

    Raises:
        IsolationError: it is no number above 0, or more than 1000.
    """
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= MOST:
        raise IsolationError(f"{name} must be a number above 0, at most {MOST:.0f}, not '{text}'")
    return scale


def scale() -> float:
    """Return the factor of all deadlines."""
    given = os.environ.get(VARIABLE, "").strip()
    return _scale if _scale is not None else scale_of(given, VARIABLE) if given else 1.0


def deadline(name: str) -> float:
    """Return how many seconds `name`, a key of the table, may take."""
    return _SECONDS[name] * scale()


def slow_hint() -> str:
    """Return the hint for a deadline that has passed: it counts in every command, and in pytest."""
    return f"on a slow machine set {VARIABLE}={min(max(scale(), 1) * 5, MOST):g}"
