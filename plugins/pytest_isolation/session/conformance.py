"""Runs the tests of a role instead of everything else: `pytest --isolation-check-runtime=NAME`.

In: pytest's config.  Out: its arguments, which name those tests alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_isolation.options import is_asked
from pytest_isolation.session.inputs import read_roles
from pytest_isolation.session.suite import SuiteCollector

FOLDER = Path(__file__).resolve().parents[1] / "conformance"
OPTION = "--isolation-check-runtime"


def run_conformance(config: pytest.Config) -> None:
    """
    Replace pytest's arguments by the tests of a role.

    Raises:
        pytest.UsageError: there is no such runtime, or something else is to be run too.
    """
    from provisioner.runtimes.runtime import MACHINE
    from pytest_isolation.targets.target import load_or_refuse

    if config.args_source is pytest.Config.ArgsSource.ARGS or is_asked(config.option):
        raise pytest.UsageError(f"{OPTION} runs its own tests: give it neither files nor other targets")
    config.add_cleanup(read_roles([Path(text) for text in config.option.isolation_roles], config.rootpath))
    runtime = load_or_refuse(config.option.isolation_check_runtime)
    if runtime.boundary == "none" or runtime.name == MACHINE:
        raise pytest.UsageError(f"{OPTION}: '{runtime.name}' creates no sandboxes; there is nothing to test")
    config.pluginmanager.register(SuiteCollector(FOLDER), "isolation-conformance")
    config.args = [str(FOLDER)]
    config.option.verbose = max(config.option.verbose, 1)  # a line for each test: they are steps
