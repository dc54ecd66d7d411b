"""Classes of values (probe/exposed/secret_shapes.c): which values are secrets, and which only look so."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provisioner.facts.document import parse_facts
from pytest_isolation.walls.environment import secrets, told

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijklmnop"
PEM = "-----BEGIN {} PRIVATE KEY-----\nMIIE\n-----END {} PRIVATE KEY-----"
# name, value, shape; no value is a real one
SECRET = (
    ("DATABASE_URL", "postgres://app:hunter2@db:5432/app", "url_password"),
    ("CACHE", "redis://:hunter2@cache/0", "url_password"),
    ("X", "ghp_" + "a1B2" * 9, "github_token"),
    ("GITHUB_PAT", "github_pat_" + "a1" * 20, "github_token"),
    ("X", "glpat-" + "x1" * 10, "gitlab_token"),
    ("X", "AKIA" + "A1B2C3D4E5F6G7H8", "aws_key_id"),
    ("HEADERS", '{"token": "xoxb-' + "1" * 12 + '-abcdefgh"}', "slack_token"),
    ("X", "npm_" + "a1" * 18, "npm_token"),
    ("X", JWT, "jwt"),
    ("SESSION", f"Bearer {JWT}", "jwt"),
    ("TLS", PEM.format("RSA", "RSA"), "private_key"),
    ("TLS", PEM.format("OPENSSH", "OPENSSH"), "private_key"),
    ("ACCOUNT", '{"private_key": "' + PEM.format("EC", "EC") + '"}', "private_key"),
    ("STORE", "DefaultEndpointsProtocol=https;AccountKey=abcd==;", "connection_password"),
    ("LIBPQ", "host=db user=app password=hunter2", "connection_password"),
    ("X", "Basic dXNlcjpodW50ZXIy", "authorization"),
    ("GITHUB_PAT", "anything", ""),
    ("SENTRY_DSN", "anything", ""),
    ("PGPASSWORD", "changeme", ""),  # a default password works
    ("dbToken", "x1y2z3", ""),
)
NONE = (
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/bin"),
    ("LS_COLORS", "rs=0:di=01;34:ln=01;36:*.tar=01;31"),
    ("ID", "123e4567-e89b-42d3-a456-426614174000"),
    ("IMAGE", "alpine@sha256:" + "ab" * 32),
    ("COMMIT", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ("SSH_PUBLIC_KEY", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHx user@host"),
    ("CERT", "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"),
    ("PUBLIC", "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----"),
    ("DB_PASSWORD_FILE", "/run/secrets/db"),
    ("SECRET_KEY_PATH", "anything"),
    ("API_TOKEN", ""),
    ("API_TOKEN", "<your-token>"),
    ("API_TOKEN", "${API_TOKEN}"),
    ("API_TOKEN", "xxxxxxxx"),
    ("API_TOKEN", "REDACTED"),
    ("GH", "ghp_" + "x" * 36),
    ("USE_TOKEN", "true"),
    ("MAX_TOKENS", "4096"),
    ("DATABASE_URL", "postgres://db:5432/app"),
    ("DATABASE_URL", "sqlite:///app.db"),
    ("REPOSITORY", "https://git@example.org/x.git"),
    ("REPOSITORY", "https://user:<password>@example.org"),
    ("GPG_KEY", "E3FF2839C048B25C084DEBE9B26995E310250568"),
    ("KEYBOARD", "us"),
    ("VERSION", "sk-1.2.3"),
    ("https_proxy", "http://user:hunter2@proxy:3128"),  # env.proxy reports it
)


def values_of(probe: Path, env: dict[str, str]) -> bytes:
    return subprocess.run([str(probe), "facts", "n"], env=env, capture_output=True, check=True).stdout


@pytest.mark.parametrize(("name", "value", "shape"), SECRET)
def test_a_secret_is_found_and_its_value_is_in_no_output(probe: Path, name: str, value: str, shape: str) -> None:
    output = values_of(probe, {name: value})

    process = parse_facts(output.partition(b"\n")[2]).process
    assert secrets(process.environment, process.values) == [name]
    assert [(one.name, one.shape, one.length) for one in process.values] == (
        [(name, shape, len(value))] if shape else []
    )
    assert shape == "" or value.encode() not in output


@pytest.mark.parametrize(("name", "value"), NONE)
def test_what_only_looks_so_is_no_secret(probe: Path, name: str, value: str) -> None:
    process = parse_facts(values_of(probe, {name: value}).partition(b"\n")[2]).process

    assert secrets(process.environment, process.values) == []
    assert told(process.values) == []
