"""What set one limit of a sandbox, as a user would repeat it.

In: a Runtime, the limit's amount, the values of the sandbox's templates.  Out: one line of text.  Runs nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.limits.limit import limit_named
from provisioner.runtimes.render import render_argv, render_value
from provisioner.runtimes.runtime import Runtime


def what_set(
    runtime: Runtime, name: str, amount: float, values: Mapping[str, object], cgroups: tuple[Path, ...] = ()
) -> str:
    """
    Return what set a limit: "docker … --pids-limit 32", "config.json: linux.resources.pids = …", or files of a cgroup.

    Where nothing but the whole command names the amount, it is the whole command.

    Args:
        runtime: the runtime.
        name: the limit's name.
        amount: the limit's amount.
        values: what templates may name.
        cgroups: the cgroups that were made by hand.
    """
    how = runtime.limits.get(name)
    further = {**values, **limit_named(name).template_values(amount)}
    try:
        if how is not None and how.flags:
            flags = render_argv(how.flags, further, f"{runtime.name}: limits.{name}")
            return f"{runtime.binary or runtime.name} … {shlex.join(flags)}"
        if how is not None and how.config:
            keys = (f"{key} = {render_value(text, further, key)}" for key, text in how.config.items())
            file = runtime.prepare.file if runtime.prepare else "config"
            return f"{file}: {'; '.join(keys)}"
        if how is not None and how.cgroup:
            return _by_hand(name, amount, cgroups)
        return shlex.join(render_argv(runtime.create, values, f"{runtime.name}: create"))
    except IsolationError:
        return ""


def _by_hand(name: str, amount: float, cgroups: tuple[Path, ...]) -> str:
    """Return the files that hold the amount, each with what was written."""
    setting = limit_named(name).cgroup_setting(amount)
    if setting is None:
        return ""
    files = {file.name: file for version in (setting.v1, setting.v2) for file in version}
    found = [(folder / file.name, file.value) for folder in cgroups for file in files.values()]
    return "; ".join(f"{path} = {value}" for path, value in found if path.exists())
