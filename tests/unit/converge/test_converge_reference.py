"""docs/reference/roles.md says of role.yaml what its schema says, and its example is a role."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from provisioner.converge.role import DETAILS, load_roles, role_model
from provisioner.converge.state import collect_wanted
from provisioner.files.yaml import parse_yaml
from pytest_isolation.policy.remedies import Case, NoSetting, RemedyFile

DOC = (Path(__file__).parents[3] / "docs/reference/roles.md").read_text("utf-8")
SCHEMA = role_model().model_json_schema()


def section(heading: str) -> str:
    return re.split(r"^#{2,3} ", DOC.split(f"# {heading}\n", 1)[1], flags=re.MULTILINE)[0]


def keys(heading: str) -> set[str]:
    """Return the first cells of a section's table."""
    return set(re.findall(r"^\| `(\w+)` \|", section(heading), re.MULTILINE))


def test_every_key_of_role_yaml_is_in_the_table_and_no_other() -> None:
    assert keys("The keys of role.yaml") == set(SCHEMA["properties"])


@pytest.mark.parametrize(
    ("heading", "model"), [("An item of `files`", "FileItem"), ("An item of `services`", "ServiceItem")]
)
def test_every_key_of_an_item_is_in_its_table_and_no_other(heading: str, model: str) -> None:
    assert keys(heading) == set(SCHEMA["$defs"][model]["properties"])


def test_every_subject_of_a_promise_is_in_its_table_with_its_details() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|(.*)\|$", section("An item of `verify`"), re.MULTILINE)
    known = set(SCHEMA["$defs"]["Promise"]["properties"]) - set(DETAILS)

    assert {name: set(re.findall(r"`(\w+)`", details)) & known for name, details in rows} == DETAILS


def test_the_defaults_of_a_file_are_those_of_the_schema() -> None:
    details = SCHEMA["$defs"]["FileItem"]["properties"]
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| (.*) \|$", section("An item of `files`"), re.MULTILINE))

    assert json.loads(rows["mode"].strip("`")) == details["mode"]["default"]
    assert (rows["owner"], rows["group"]) == (details["owner"]["default"], details["group"]["default"])


def test_the_example_of_remedies_is_such_a_file() -> None:
    *_, remedies = re.findall(r"^```yaml\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)

    assert parse_yaml(remedies.encode(), RemedyFile, "roles.md").like == "runc"
    assert keys("remedies.yaml") == {*RemedyFile.model_fields, *NoSetting.model_fields, *Case.model_fields}


def test_the_example_is_a_role_that_renders(tmp_path: Path) -> None:
    role, lab, _ = re.findall(r"^```yaml\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)
    [template] = re.findall(r"^```jinja\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)
    for name in ("base", "web/templates"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "base/role.yaml").write_text("")
    (tmp_path / "web/role.yaml").write_text(role)
    (tmp_path / "web/templates/web.conf.j2").write_text(template)
    [port] = re.findall(r"variables: \{port: (\d+)\}", lab)
    wanted = collect_wanted(load_roles(["web"], tmp_path), {"port": int(port)})

    assert wanted.kinds["file"]["/etc/nginx/conf.d/web.conf"].content == b"server { listen 80; }\n"
