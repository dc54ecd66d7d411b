"""--version of both commands, and that it stands in nobody's way."""

from __future__ import annotations

import platform
from importlib.metadata import version

import pytest
import typer
from typer.testing import CliRunner

from provisioner.cli import main as provisioner_cli
from pytest_isolation import cli as isolation_cli

APPS = {"isolation": isolation_cli.app, "provisioner": provisioner_cli.app}


@pytest.mark.parametrize("name", APPS)
def test_the_version_is_that_of_the_distribution(name: str) -> None:
    told = CliRunner().invoke(APPS[name], ["--version"])

    assert (told.exit_code, told.stdout) == (
        0,
        f"{name} {version('pytest-isolation')} (Python {platform.python_version()})\n",
    )


@pytest.mark.parametrize("name", APPS)
def test_without_a_command_the_help_is_printed(name: str) -> None:
    told = CliRunner().invoke(APPS[name], [])

    assert told.exit_code != 0
    assert "Usage:" in told.output
    assert "--version" in told.output
    assert typer.main.get_group(APPS[name]).help is not None
