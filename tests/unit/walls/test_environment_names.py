"""The names of an environment are facts; its values are never observed."""

from __future__ import annotations

import subprocess

import pytest

from provisioner.facts.document import parse_facts
from provisioner.probe.build import probe_binary
from pytest_isolation.walls.environment import passed_on, proxies, secrets

CANARY = "canary-5d1f0c"


def test_no_value_is_in_any_output_of_the_probe() -> None:
    env = {"API_TOKEN": CANARY, "EMPTY": "", "TWO": f"{CANARY}={CANARY}", f"ODD\n{1}": CANARY}

    done = subprocess.run([str(probe_binary().path), "facts", "nonce"], env=env, capture_output=True, check=True)

    facts = parse_facts(done.stdout.partition(b"\n")[2])
    assert sorted(env) == sorted(facts.process.environment)
    assert CANARY.encode() not in done.stdout + done.stderr


def test_an_untouched_look_makes_no_node() -> None:
    argv = [str(probe_binary().path), "facts", "nonce", "canary=1:x", "untouched"]

    done = subprocess.run(argv, capture_output=True, check=True)

    system = parse_facts(done.stdout.partition(b"\n")[2]).system
    assert system is not None
    assert "touch" in system.raw("device_node").why


@pytest.mark.parametrize("name", ["API_TOKEN", "db.password", "sshKey", "AWS_SECRET_ACCESS_KEY", "MY-CREDENTIALS"])
def test_a_word_for_secrets_is_found_as_a_whole_word(name: str) -> None:
    assert [name] == secrets([name, "KEYBOARD", "MONKEY", "PWD", "GPG_KEY"])


def test_proxies_are_found_in_either_case() -> None:
    assert proxies(["HTTPS_PROXY", "no_proxy", "PROXY_PORT"]) == ["HTTPS_PROXY", "no_proxy"]


def test_a_name_counts_if_the_host_has_it_and_no_standard_documents_it() -> None:
    assert passed_on(["PATH", "EDITOR", "NGINX_VERSION"], ["PATH", "EDITOR", "TERM"]) == ["EDITOR"]
