"""The published JSON Schemas are those of the models, and real documents fit them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from fakes import facts_document
from ruamel.yaml import YAML

from provisioner.cli.schemas import MODELS
from provisioner.files.schemas import render_schema
from provisioner.paths import PACKAGE

DOCUMENT = facts_document()


def test_published_schemas_are_those_of_the_models() -> None:
    assert {name: render_schema(model) for name, model in MODELS.items()} == {
        name: (PACKAGE / name).read_text() for name in MODELS
    }


def test_a_real_document_fits_the_published_schema() -> None:
    schema = json.loads((PACKAGE / "probe" / "facts.schema.json").read_text())

    jsonschema.validate(json.loads(DOCUMENT), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(DOCUMENT), "walls": 1}, schema)


def test_every_role_fits_the_published_schema() -> None:
    schema = json.loads((PACKAGE / "schemas" / "runtime.schema.json").read_text())
    files = sorted(Path(PACKAGE, "roles").glob("*/runtime.yaml"))

    assert files
    for file in files:
        jsonschema.validate(YAML(typ="safe", pure=True).load(file), schema)
