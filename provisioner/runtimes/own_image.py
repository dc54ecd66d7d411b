"""Makes a runtime that starts sandboxes from an image of the user's engine.

In: a Runtime, and an image's name.  Out: the Runtime that starts the probe in that image, with the limits, networks
and folders of the first one.  The engine must have the image: nothing is pulled.
"""

from __future__ import annotations

import shlex

from provisioner.errors import IsolationError
from provisioner.runtimes.command_line import read_command
from provisioner.runtimes.runtime import Runtime


def with_image(runtime: Runtime, image: str) -> Runtime:
    """
    Return a runtime that starts its sandboxes from this image.

    Args:
        runtime: an engine's runtime.
        image: the image's name, such as "python:3.12-slim".

    Raises:
        IsolationError: the runtime is no engine with images.
    """
    if runtime.command_line is None or runtime.binary is None:
        raise IsolationError(
            f"cannot make a sandbox of '{runtime.name}' from '{image}': it has no images",
            'use image="debian", or an Image with files of your own',
        )
    engine = read_command(shlex.join([runtime.binary, "run", image])).runtime
    pairs = [(words[at], words[at + 1]) for words in runtime.define.values() for at in _runtime_option(words)]
    create = [*engine.create[:-3], *(word for pair in pairs for word in pair)]
    return engine.model_copy(
        update={
            "name": runtime.name,
            "title": runtime.title,
            "create": [*create, "{{ network }}", "{{ limits }}", "{{ flags }}", *engine.create[-3:]],
            "limits": runtime.limits,
            "network": runtime.network,
            "volume": runtime.volume,
            "cannot": runtime.cannot,
            "conditions": runtime.conditions,
        }
    )


def _runtime_option(words: list[str]) -> list[int]:
    """Return where a definition names the engine's OCI runtime: docker-run(1), podman(1)."""
    return [at for at, word in enumerate(words) if word == "--runtime" and at + 1 < len(words)]
