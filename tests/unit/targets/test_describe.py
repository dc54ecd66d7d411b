"""Conditions of a target that documented exceptions name: what the environment of the host holds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from facts_factory import SOUND, record_of

from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import When
from pytest_isolation.targets.conditions import host_environment

PLAIN = {"env_more": "no", "env_proxies": "no", "env_secrets": "no"}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["PATH", "HOME", "TERM"], PLAIN),
        (["PATH", "EDITOR"], PLAIN | {"env_more": "yes"}),
        (["https_proxy"], PLAIN | {"env_more": "yes", "env_proxies": "yes"}),
        (["API_TOKEN"], PLAIN | {"env_more": "yes", "env_secrets": "yes"}),
        ({"unobserved": "EACCES", "why": "not root"}, {}),
    ],
)
def test_the_names_in_the_hosts_environment_are_conditions(names: object, found: dict[str, str]) -> None:
    document = SOUND["docker"][0]()
    document["host"]["process"]["environment"] = names

    assert host_environment(record_of(document).host) == found
    assert When(env_secrets="yes").fits(Conditions.model_validate(found)) is (found.get("env_secrets") == "yes")
