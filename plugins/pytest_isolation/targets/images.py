"""Makes a command line for each engine that has an image of the user's: `--isolation-image`.

In: `RunOptions`.
Out: `RunOptions` with these command lines, and the engines that are left out, with reason and remedy.
Asks each engine for the image, and starts nothing.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import replace

import pytest

from provisioner.connection.local import LocalConnection
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.runtimes.command_line import ARCHIVES
from provisioner.runtimes.engine import Engine
from provisioner.runtimes.engine_run import image_name
from provisioner.runtimes.load import runtime_names
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime, symptom_in
from pytest_isolation.options import RunOptions
from pytest_isolation.targets.named import NAMED
from pytest_isolation.targets.target import Skipped, lack_of, load_or_refuse


def with_images(options: RunOptions) -> tuple[RunOptions, list[Skipped]]:
    """
    Return the options with a command line for each image and each engine that can start it.

    Args:
        options: what the user asked for.

    Raises:
        pytest.UsageError: no engine here has an image.
    """
    if not options.images:
        return options, []
    engines = [runtime for name in runtime_names() if (runtime := load_or_refuse(name)).command_line is not None]
    commands: list[str] = []
    skipped: list[Skipped] = []
    for text in options.images:
        named = NAMED.match(text)
        image = text[named.end() :] if named else text
        name = named["name"] if named else image_name(image)
        lacks = {runtime.name: _lack(runtime, image) for runtime in engines}
        if None not in lacks.values():
            why = "; ".join(f"{engine}: {lack[0]} ({lack[1]})" for engine, lack in lacks.items() if lack)
            raise pytest.UsageError(f"--isolation-image: no engine here has '{image}': {why}")
        for engine, lack in lacks.items():
            if lack is None:
                commands.append(f"{name}-{engine}={engine} run {shlex.quote(_start_of(image))}")
            else:
                skipped.append(Skipped(f"{name}-{engine}", *lack))
    return replace(options, commands=tuple(dict.fromkeys([*options.commands, *commands]))), skipped


def _start_of(image: str) -> str:
    """Return what an engine's `run` is given: a file is an archive, which is loaded for the run."""
    return f"{ARCHIVES[0]}:{os.path.abspath(image)}" if os.path.isfile(image) else image


def _lack(runtime: Runtime, image: str) -> tuple[str, str] | None:
    """Return why an engine cannot start an image, and what to do about it; None if it can."""
    lack = lack_of(runtime)
    if lack is not None or _start_of(image).partition(":")[0] in ARCHIVES:
        return lack
    if image.endswith(".tar") or image.startswith(("/", ".")):
        return f"there is no file '{image}'", f"{runtime.name} save --output {image} IMAGE"
    assert runtime.command_line is not None
    argv = render_argv(runtime.command_line.stored, {"name": image}, f"{runtime.name}: command_line.stored")
    try:
        done = Engine(runtime, LocalConnection()).run(argv, deadline("command"))
    except IsolationError as error:
        return error.what, error.hint
    if done.status == 0:
        return None
    symptom = symptom_in(runtime, done.stderr.decode("utf-8", "backslashreplace"))
    return (symptom.cause, symptom.mend) if symptom else ("it has no such image", f"{runtime.name} pull {image}")
