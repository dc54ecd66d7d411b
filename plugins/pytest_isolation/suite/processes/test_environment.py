"""Checks of the environment: names, and classes of values that the probe tells; no value is archived (environ(7))."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls import environment


@pytest.mark.isolation(
    "env.clean",
    severity="medium",
    profile="baseline",
    gains="reads what the host's environment tells the runtime",
    refs=["environ(7)"],
    shows=["process.environment"],
    reproduce="tr '\\0' '\\n' < /proc/1/environ | cut -d= -f1",
    remedy="start it with its own environment: drop --env-host, use env -i",
)
def test_environment_has_documented_names_only(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The environment has only documented names.

    A name counts if no standard documents it and the host's own environment holds it too.
    What an image or an option sets is intended; what the host's environment passes on is not.
    """
    found = environment.passed_on(sandbox.process.environment, host_facts.process.environment)
    if found:
        raise Open(f"the host's {', '.join(found[:8])}{' …' if len(found) > 8 else ''} was passed on")


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
    """The host's proxy settings are not passed on (they may hold credentials)."""
    found = environment.proxies(sandbox.process.environment)
    if found:
        raise Open(f"it was given {', '.join(found)}")


@pytest.mark.isolation(
    "env.secrets",
    severity="medium",
    profile="baseline",
    gains="reads a secret that every process inside, and every crash report, holds",
    refs=["CIS Docker 4.10"],
    shows=["process.environment", "process.values", "system.values"],
    reproduce="tr '\\0' '\\n' < /proc/1/environ | cut -d= -f1; cat /proc/cmdline",
    remedy="give secrets as files: docker secret, podman secret, a tmpfs",
)
def test_no_name_looks_like_a_secret(sandbox: SandboxView) -> None:
    """
    No name of a variable looks like a secret, and no value.

    The probe compares each value with known shapes (tokens, private keys, URLs with a password, JWT) and gives the name
    of the shape and the length, never the value.
    A name counts by its words (API_TOKEN, GITHUB_PAT, X_DSN) unless the value is empty, a placeholder such as
    `<token>`, a path, a flag or a URL without a password; `changeme` is a password that works.
    The kernel's command line, DMI strings, fw_cfg and the environments of other processes inside count too, if the
    inside was observed.
    """
    process = sandbox.process
    by_shape = [value for value in process.values if value.shape not in environment.HARMLESS]
    found = environment.secrets(process.environment, process.values)
    how = ", ".join(f"{one.name or 'a value'}: {one.shape}, {one.length} characters" for one in by_shape)
    if found:
        raise Open(f"{', '.join(found)} looks like a secret, by its {f'value ({how})' if how else 'name'}")
    around = [] if sandbox.why_blind else environment.told(sandbox.system.values)
    if around:
        raise Open(f"{', '.join(around[:8])} looks like a secret")
