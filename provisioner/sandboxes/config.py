"""Writes the config file that a runtime reads: its default config, with the sandbox's values and with edits.

In: a host, a Runtime with a `prepare`, the values of one sandbox.  Out: the file in the sandbox's own folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.hosts.host import Host
from provisioner.runtimes.render import render_argv, render_value
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.flags import volumes_of
from provisioner.sandboxes.spec import Spec


def write_config(host: Host, runtime: Runtime, values: dict[str, object], spec: Spec) -> None:
    """
    Write the runtime's default config, set the sandbox's values in it, and apply the edits.

    Args:
        host: the host that the sandbox is created on.
        runtime: the runtime, which must have a `prepare`.
        values: what templates may name, among it the sandbox's folder `bundle`.
        spec: what is asked of the sandbox: limits, volumes, edits.

    Raises:
        IsolationError: the runtime does not write its default config, or a template cannot be rendered.
    """
    prepare = runtime.prepare
    assert prepare is not None
    path = Path(str(values["bundle"])) / prepare.file
    config = _default_config(host, runtime, values, path)
    for key, template in prepare.set.items():
        set_key(config, key, render_value(template, values, f"{runtime.name}: prepare.set.{key}"))
    for name, further in spec.limits.template_values().items():
        for key, template in runtime.limits[name].config.items():
            known = {**values, **further, "config": config}
            set_key(config, key, render_value(template, known, f"{runtime.name}: {key}"))
    shared = runtime.volume.config if runtime.volume else {}
    for volume in volumes_of(spec):
        for key, template in shared.items():
            further = {"config": config, "volume": volume}
            set_key(config, key, render_value(template, {**values, **further}, f"{runtime.name}: {key}"))
    for edit in spec.edits:
        edit(config)
    host.files.write(path, json.dumps(config, indent=1).encode())


def _default_config(host: Host, runtime: Runtime, values: dict[str, object], path: Path) -> dict[str, Any]:
    """
    Return what the runtime's `prepare` writes.

    The command runs once on a host, unless its arguments or the file name the sandbox in more than its folder.
    """
    assert runtime.prepare is not None
    argv = render_argv(runtime.prepare.argv, values, f"{runtime.name}: prepare")
    command = (runtime.name, *(part.replace(str(path.parent), "") for part in argv))
    if (known := host.default_configs.get(command)) is not None:
        return dict(json.loads(known))
    done = host.connection.run(argv, deadline("command"))
    if done.status != 0:
        raise IsolationError(f"cannot prepare '{runtime.name}': {done.last_words}")
    config = _read_config(host, runtime, path, done.last_words)
    text = json.dumps(config)
    if not any(str(values[name]) in text for name in ("name", "nonce")):
        host.default_configs[command] = text
    return config


def _read_config(host: Host, runtime: Runtime, path: Path, last_words: str) -> dict[str, Any]:
    try:
        config = json.loads(host.files.read(path))
    except (IsolationError, ValueError):
        config = None
    if not isinstance(config, dict):
        hint = f"look whether '{runtime.binary}' is {runtime.name}: install it again"
        raise IsolationError(f"cannot prepare '{runtime.name}': it wrote no usable {path.name}", hint, last_words)
    return config


def set_key(config: dict[str, Any], dotted: str, value: object) -> None:
    """
    Set a key of nested maps; missing maps are added.

    Args:
        config: the outermost map.
        dotted: the key: "linux.resources.memory".
        value: its new value.
    """
    *folders, last = dotted.split(".")
    for folder in folders:
        config = config.setdefault(folder, {})
    config[last] = value
