"""Environment: which names the first process was given.  Nobody reads their values (environ(7))."""

from __future__ import annotations

import pytest

from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls import environment as walls


@pytest.mark.isolation(
    "env.clean",
    severity="medium",
    profile="baseline",
    gains="reads what the environment of the host told its runtime",
    refs=["environ(7)"],
    shows=["process.environment"],
    reproduce="tr '\\0' '\\n' < /proc/1/environ | cut -d= -f1",
    remedy="start it with an environment of its own: drop --env-host, use env -i",
)
def test_environment_has_documented_names_only(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The environment has only documented names.

    A name is strange when no standard documents it and the host's own environment holds it too: what an image or an
    option sets is meant, what was passed on from the host is not.
    """
    found = walls.passed_on(sandbox.process.environment, host_facts.process.environment)
    assert not found, f"the host's {', '.join(found[:8])}{' …' if len(found) > 8 else ''} was passed on"


@pytest.mark.isolation(
    "env.proxy",
    severity="medium",
    profile="restricted",
    gains="reads the credentials of the host's proxy",
    refs=["containers.conf(5) http_proxy", "docker CLI: proxies in ~/.docker/config.json"],
    shows=["process.environment"],
    reproduce="tr '\\0' '\\n' < /proc/1/environ | cut -d= -f1 | grep -i _proxy",
    remedy="podman run --http-proxy=false; take proxies out of ~/.docker/config.json",
)
def test_proxy_settings_are_not_passed(sandbox: SandboxView) -> None:
    """Host proxy settings are not passed (they may hold credentials)."""
    found = walls.proxies(sandbox.process.environment)
    assert not found, f"it was given {', '.join(found)}"


@pytest.mark.isolation(
    "env.secrets",
    severity="medium",
    profile="baseline",
    gains="reads a secret that any process inside, and any crash report, carries on",
    refs=["CIS Docker 4.10"],
    shows=["process.environment"],
    reproduce="tr '\\0' '\\n' < /proc/1/environ | cut -d= -f1",
    remedy="give secrets as files: docker secret, podman secret, a tmpfs",
)
def test_no_name_looks_like_a_secret(sandbox: SandboxView) -> None:
    """No name looks like a secret."""
    found = walls.secrets(sandbox.process.environment)
    assert not found, f"{', '.join(found)} looks like a secret, by its name"
