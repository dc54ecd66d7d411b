"""Writes the config file that a runtime reads: its stock one, what the sandbox needs set in it, and edits.

In: a host, a Runtime with a `prepare`, the values of one sandbox.  Out: the file in the sandbox's own folder.
Called by sandbox.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.hosts.host import Host
from provisioner.limits.limits import LimitValues
from provisioner.runtimes.render import render_argv, render_value
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.spec import Edit


def write_config(
    host: Host, runtime: Runtime, values: dict[str, object], asked: LimitValues, edits: Sequence[Edit] = ()
) -> None:
    """
    Make the runtime's stock config, set what the sandbox needs in it, and let the edits have their say.

    Args:
        host: where the sandbox is made.
        runtime: whose config it is.
        values: what templates may name, the sandbox's folder `bundle` among them.
        asked: the limits, with the values that their templates may name beside the others.
        edits: functions that change the document.

    Raises:
        IsolationError: the runtime does not write its stock config, or a template cannot be rendered.
    """
    prepare = runtime.prepare
    assert prepare is not None
    done = host.connection.run(render_argv(prepare.argv, values, f"{runtime.name}: prepare"), deadline("command"))
    if done.status != 0:
        raise IsolationError(f"cannot prepare '{runtime.name}': {done.last_words}")
    path = Path(str(values["bundle"])) / prepare.file
    config = json.loads(host.site.read(path))
    for key, template in prepare.set.items():
        set_key(config, key, render_value(template, values, f"{runtime.name}: prepare.set.{key}"))
    for name, further in asked.items():
        for key, template in runtime.limits[name].config.items():
            set_key(config, key, render_value(template, {**values, **further}, f"{runtime.name}: {key}"))
    if "volume" in values and runtime.volume is not None:
        for key, template in runtime.volume.config.items():
            set_key(config, key, render_value(template, {**values, "config": config}, f"{runtime.name}: {key}"))
    for edit in edits:
        edit(config)
    host.site.write(path, json.dumps(config, indent=1).encode())


def set_key(config: dict[str, Any], dotted: str, value: object) -> None:
    """Set a key of nested maps, making the maps on the way."""
    *folders, last = dotted.split(".")
    for folder in folders:
        config = config.setdefault(folder, {})
    config[last] = value
