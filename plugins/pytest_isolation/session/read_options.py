"""Reads the plugin's options and ini keys.

In: pytest's config, of a run of ours.
Out: a frozen `RunOptions`, with the source of each setting.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_isolation.options import KINDS, USERLANDS, RunOptions


def read_options(config: pytest.Config) -> RunOptions:
    """
    Return the options of a run that `is_asked`.

    Raises:
        pytest.UsageError: a value is unknown or out of range; the error names the nearest known one.
    """
    given = config.getoption("isolation")
    kinds = ("container",) if given is None else _names(given)
    if not kinds:
        raise pytest.UsageError(f"--isolation needs a kind: {', '.join(KINDS)}")
    for kind in kinds:
        _known(kind, KINDS, "--isolation", "kind")
    hosts = _names(config.getoption("isolation_host"))
    if not hosts:
        raise pytest.UsageError("--isolation-host needs a host: local, or a machine of lab.yaml")
    sources: list[tuple[str, str]] = []
    profile = _setting(config, "isolation_profile", sources)
    runtimes = _names(_setting(config, "isolation_runtime", sources))
    waivers = _setting(config, "isolation_waivers", sources)
    expected = _setting(config, "isolation_expected", sources)
    userland = _setting(config, "isolation_userland", sources) or USERLANDS[0]
    _known(userland, USERLANDS, "--isolation-userland", "userland")
    default = config.rootpath / "isolation.yaml"
    own = config.rootpath / "isolation-expected.yaml"
    pyproject = config.rootpath / "pyproject.toml"
    most = config.getoption("isolation_max_skip")
    if most is not None and most < 0:
        raise pytest.UsageError(f"--isolation-max-skip must be 0 or more, not {most}")
    return RunOptions(
        kinds=kinds,
        runtimes=runtimes,
        required=_names(config.getoption("isolation_require")),
        profile=profile,
        report=_report(config.getoption("isolation_report")),
        max_skip=most,
        suite=config.getoption("isolation_suite"),
        kernel=Path(config.getoption("isolation_kernel")) if config.getoption("isolation_kernel") else None,
        waivers=config.rootpath / waivers if waivers else (default if default.exists() else None),
        scale=_scale(config),
        sources=tuple(sources),
        hosts=hosts,
        machines=_names(config.getoption("isolation_machine")),
        lab=Path(config.getoption("isolation_lab")) if config.getoption("isolation_lab") else None,
        attach=tuple(dict.fromkeys(config.getoption("isolation_attach"))),
        expected=config.rootpath / expected if expected else (own if own.exists() else None),
        pyproject=pyproject if pyproject.exists() else None,
        commands=tuple(dict.fromkeys(config.getoption("isolation_run"))),
        images=tuple(dict.fromkeys(config.getoption("isolation_image"))),
        composes=tuple(dict.fromkeys(config.getoption("isolation_compose"))),
        services=_names(config.getoption("isolation_service")),
        pods=tuple(dict.fromkeys(config.getoption("isolation_pod"))),
        roles=tuple(Path(text) for text in config.getoption("isolation_roles")),
        only_named=given is None,
        userland=userland,
        helper=config.getoption("isolation_helper"),
        network=config.getoption("isolation_network"),
        checks=_names(config.getoption("isolation_check")),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _known(name: str, known: tuple[str, ...], option: str, what: str) -> None:
    if name in known:
        return
    from provisioner.files.suggest import suggest

    mend = suggest(name, known, f"there are: {', '.join(known)}")
    raise pytest.UsageError(f"{option}: unknown {what} '{name}'; {mend}")


def _setting(config: pytest.Config, name: str, sources: list[tuple[str, str]]) -> str:
    """Return the value of an option, else of its ini key, and add where it came from to `sources`."""
    option: str | None = config.getoption(name)
    if option is not None:
        sources.append((name, "command line"))
        return option
    ini = str(config.getini(name))
    if ini:
        sources.append((name, config.inipath.name if config.inipath else "ini"))
    return ini


def _scale(config: pytest.Config) -> float:
    """Return the factor of all deadlines: of -o, else of the environment, else of the ini file."""
    from provisioner.deadlines import VARIABLE, scale_of
    from provisioner.errors import IsolationError

    name, given = "isolation_timeout_scale", os.environ.get(VARIABLE, "").strip()
    overridden = any(one.startswith(f"{name}=") for one in config.getoption("override_ini") or ())
    use = (given, VARIABLE) if given and not overridden else (config.getini(name), name)
    try:
        return scale_of(*use)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def _report(text: str | None) -> Path | None:
    """Refuse a path that cannot become a folder before anything runs."""
    if not text:
        return None
    try:
        path = Path(text).absolute()
        if not path.exists():
            return path
    except OSError as error:  # a name that is too long, or a removed working folder
        from provisioner.faults.explain import explain

        raise pytest.UsageError(f"--isolation-report: {explain(error)}") from None
    if not path.is_dir():
        raise pytest.UsageError(f"--isolation-report: '{text}' exists and is not a folder")
    from provisioner.errors import IsolationError
    from provisioner.files.folder import Folder

    try:
        Folder.open(path, shared=True).close()
    except IsolationError as error:
        raise pytest.UsageError(f"--isolation-report: {error}") from None
    return path
