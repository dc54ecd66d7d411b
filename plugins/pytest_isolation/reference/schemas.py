"""The models that `isolation schemas` publishes as JSON Schemas, by file name in schemas/."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from pytest_isolation.policy.documented_filter import Refusals
from pytest_isolation.policy.expected import Expected, OwnExpected
from pytest_isolation.policy.isolation_file import IsolationFile
from pytest_isolation.policy.remedies import RemedyFile
from pytest_isolation.results.known import KnownFile
from pytest_isolation.results.model import Results

DIRECTORY = Path(__file__).parents[1] / "schemas"
MODELS: dict[str, type[BaseModel]] = {
    "results.schema.json": Results,
    "expected.schema.json": Expected,
    "own_expected.schema.json": OwnExpected,
    "remedies.schema.json": RemedyFile,
    "seccomp.schema.json": Refusals,
    "known.schema.json": KnownFile,
    "isolation.schema.json": IsolationFile,
}
