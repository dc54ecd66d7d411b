"""Targets that a user names one by one: running sandboxes to attach to, and command lines that start one.

In: the texts of `--isolation-attach` and `--isolation-run`.  Out: `Target`s.  Starts nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import chain, count

import pytest

from provisioner.connection.local import find_program
from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest
from provisioner.limits.limit import limit_names
from provisioner.runtimes.command_line import read_command
from provisioner.runtimes.load import runtime_names
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.attached import BARE, AttachTarget
from pytest_isolation.options import LOCAL, RunOptions
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.targets.running import expand_attached
from pytest_isolation.targets.target import Target, lack_of, load_or_refuse

ATTACHABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}")
NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]{0,62})=")
RUN = "run"  # ids of targets that a command line starts: "run:web"
MAX_PID = (1 << 31) - 1


def attached_targets(options: RunOptions) -> list[Target]:
    """Return the sandboxes to attach to; refuse two with the same id."""
    targets: dict[str, Target] = {}
    for text in expand_attached(options.attach):
        target = attached_target(text)
        if target.id in targets:
            raise pytest.UsageError(f"--isolation-attach: two sandboxes are called '{target.id}': name one at a time")
        targets[target.id] = target
    return list(targets.values())


def attached_target(text: str) -> Target:
    """
    Return the target of a running sandbox.

    Args:
        text: "docker:web", "runc:/run/other/web" (with the folder that the runtime keeps it in), "pid:4242".

    Raises:
        pytest.UsageError: the text names no sandbox, or a runtime that cannot be attached to.
    """
    base, colon, rest = text.partition(":")
    if not colon or not rest:
        raise pytest.UsageError(f"--isolation-attach: '{text}' names no sandbox; it is RUNTIME:NAME: docker:web")
    if base == BARE.name:
        if not re.fullmatch(r"[1-9][0-9]{0,9}", rest) or int(rest) > MAX_PID:
            raise pytest.UsageError(f"--isolation-attach: '{rest}' is no process id; it is pid:N")
        named = AttachTarget(BARE, rest)
    else:
        runtime = _attachable(base)
        at, _, name = rest.rpartition("/")
        named = AttachTarget(runtime, name, at)
        assert runtime.attach is not None
        if not ATTACHABLE.fullmatch(name):
            raise pytest.UsageError(f"--isolation-attach: '{name}' is no name of a sandbox")
        if at and not (runtime.attach.folder and os.path.isabs(at)):
            example = f"{base}:/FOLDER/NAME" if runtime.attach.folder else f"{base}:NAME"
            raise pytest.UsageError(f"--isolation-attach: '{text}' is no name of a sandbox; it is {example}")
        if runtime.binary and find_program(runtime.binary) is None:
            raise pytest.UsageError(f"cannot attach to '{text}': {runtime.binary} is not installed; {runtime.install}")
    return Target(named.id, _not_ours(named.runtime), LOCAL, named=True, attached=named)


def _attachable(name: str) -> Runtime:
    known = [one for one in runtime_names() if load_or_refuse(one).attach is not None]
    listed = ", ".join(f"{one}:NAME" for one in known)
    if name.partition("+")[0].partition("-")[0] not in known:
        mend = suggest(name, [*known, BARE.name], f"there are: {listed}, pid:N")
        raise pytest.UsageError(f"--isolation-attach: nothing of '{name}' can be attached to; {mend}")
    return load_or_refuse(name)


def _not_ours(runtime: Runtime) -> Runtime:
    """Return the runtime with what cannot be done with an attached sandbox."""
    names = ["peer", *(f"network.{mode}" for mode in ("none", "private", "host"))]
    limits = [f"limits.{name}" for name in limit_names()]  # read, not set
    cannot = {name: why for name, why in runtime.cannot.items() if name not in limits}
    cannot |= dict.fromkeys(names, ATTACHED)
    if runtime.attach is None or runtime.attach.exec is None:
        cannot["exec"] = runtime.cannot["attach.exec"]
    return runtime.model_copy(update={"cannot": cannot})


def command_targets(commands: Sequence[str]) -> list[Target]:
    """
    Return the targets that command lines start.

    Args:
        commands: each as COMMAND, or NAME=COMMAND.

    Raises:
        pytest.UsageError: a command line cannot be read, has no place for the probe, or two have one name.
    """
    targets: dict[str, Target] = {}
    for text in commands:
        named = NAMED.match(text)
        line = text[named.end() :] if named else text
        try:
            command = read_command(line)
        except IsolationError as error:
            raise pytest.UsageError(f"--isolation-run: {error}") from None
        lack = lack_of(command.runtime)
        if lack:
            raise pytest.UsageError(f"--isolation-run: {lack[0]}; {lack[1]}")
        name = f"{RUN}:{named['name'] if named else command.name}"
        if named and name in targets:
            raise pytest.UsageError(f"--isolation-run: two command lines are called '{named['name']}'")
        names = chain([name], (f"{name}-{number}" for number in count(2)))
        target_id = next(one for one in names if one not in targets)
        targets[target_id] = Target(
            target_id, command.runtime, LOCAL, named=True, command=line, changed=command.changed
        )
    return list(targets.values())
