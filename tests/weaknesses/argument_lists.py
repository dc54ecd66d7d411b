"""Changed argument lists of runtime.yaml, and execs that are not the runtime's own.

In: an argument list, or a runtime.  Out: another argument list.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ground import Ground

from provisioner.sandboxes.sandbox import Sandbox


def without(argv: Sequence[str], *words: str) -> list[str]:
    """Return the argument list without these words."""
    missing = [word for word in words if word not in argv]
    assert not missing, f"{missing} are not in the runtime's create"
    return [word for word in argv if word not in words]


def replaced(argv: Sequence[str], old: str, new: str) -> list[str]:
    """Return the argument list with one word replaced."""
    assert old in argv, f"{old} is not in the runtime's create"
    return [new if word == old else word for word in argv]


def with_descriptor(argv: Sequence[str], path: Path) -> list[str]:
    """Return the argument list with descriptor 3 open on `path`."""
    return ["sh", "-c", 'path=$1; shift; exec "$@" 3<"$path"', "sh", str(path), *argv]


def with_filters(argv: Sequence[str], *programs: bytes, listener: int = 0) -> list[str]:
    """Return the argument list under these filters; the listener of the last one is descriptor `listener`, if any."""
    script = str(Path(__file__).with_name("with_filters.py"))
    words = [base64.b64encode(program).decode() for program in programs]
    return [sys.executable, "-I", script, str(listener), *words, "--", *argv]


def as_root(argv: Sequence[str]) -> list[str]:
    """Return the argument list without the words that switch to an unprivileged user."""
    return [word for word in argv if "--uid" not in word]


def nsenter(ground: Ground, sandbox: Sandbox) -> list[str]:
    """Return an exec that joins only the namespaces, and no other wall."""
    facts = sandbox.outside()
    assert facts is not None
    return ["nsenter", "--target", str(facts.process.pid), "--all", "--root", "--", "{{ argv }}"]


def exec_with(*more: str) -> Callable[[Ground, Sandbox], list[str]]:
    """Return the runtime's own exec with further flags."""

    def make(ground: Ground, sandbox: Sandbox) -> list[str]:
        argv = list(ground.runtime.exec or ())
        at = argv.index("exec") + 1
        return [*argv[:at], *more, *argv[at:]]

    return make
