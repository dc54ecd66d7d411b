"""Plants of secrets by the shape of their value, under any name and in another process; no value is a real one."""

from __future__ import annotations

from oci_edits import append
from plant import Plant, edits, flags

from plants.tasks import executed

GITHUB = "ghp_" + "a1B2" * 9
SAMPLES = (
    ("DATABASE_URL", "postgres://app:hunter2@db/app", "DATABASE_URL: url_password, 29 characters"),
    ("ANYTHING", GITHUB, "ANYTHING: github_token, 40 characters"),
    ("KEYS_ELSEWHERE", "AKIAA1B2C3D4E5F6G7H8", "aws_key_id, 20 characters"),
    ("OPTIONS", "host=db password=hunter2", "OPTIONS: connection_password"),
    ("GITHUB_PAT", "anything", "GITHUB_PAT looks like a secret, by its name"),
    ("SENTRY_DSN", "anything", "SENTRY_DSN looks like a secret, by its name"),
)
HARMLESS = (
    *("IMAGE=alpine@sha256:" + "ab" * 32, "DB_PASSWORD_FILE=/run/secrets/db", "API_TOKEN=<your-token>"),
    *("DATABASE_URL=postgres://db/app", "MAX_TOKENS=4096", "ID=123e4567-e89b-42d3-a456-426614174000"),
)

PLANTS = (
    *(
        Plant(
            f"a secret in {name}",
            ("runc", "crun"),
            {"env.secrets": told},
            spec=edits(append("process.env", f"{name}={value}")),
        )
        for name, value, told in SAMPLES
    ),
    *(
        Plant(
            f"a secret in {name}", ("docker", "podman"), {"env.secrets": told}, spec=flags("--env", f"{name}={value}")
        )
        for name, value, told in SAMPLES[:2]
    ),
    Plant(
        "a secret in the environment of an exec that stays",
        ("runc",),
        {"env.secrets": "ANYTHING in the environment of process"},
        beside=executed("--env", f"ANYTHING={GITHUB}"),
    ),
    # look-alikes
    Plant("values that only look like secrets", ("runc", "crun"), spec=edits(append("process.env", *HARMLESS))),
)
