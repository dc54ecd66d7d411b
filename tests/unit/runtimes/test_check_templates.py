"""A template of a runtime.yaml that names an unknown variable, filter or attribute is an error with file and line."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from provisioner.errors import IsolationError
from provisioner.files.grammars import FILTERS
from provisioner.files.schemas import render_schema
from provisioner.limits.limit import limit_names
from provisioner.paths import ROLES
from provisioner.role_folders import role_folders
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.runtime import Runtime
from provisioner.runtimes.variables import GROUPS, PLACES, find_templates, limit_variables

MINIMAL = """\
title: mine
kind: container
class: container
boundary: process
binary: mine
install: make it
network: {none: {}}
define: {common: [--quiet]}
create:
  - mine
  - "{{ common }}"
  - CREATE
limits:
  memory: {flags: ["LIMIT"]}
"""


def write(folder: Path, create: str = "{{ nonce }}", limit: str = "{{ bytes }}", more: str = "") -> Path:
    (folder / "mine").mkdir(exist_ok=True)
    text = MINIMAL.replace("CREATE", f'"{create}"').replace("LIMIT", limit) + more
    (folder / "mine" / "runtime.yaml").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("given", "line", "what", "hint"),
    [
        ({"create": "{{ nmae }}"}, 12, "create.2: no variable 'nmae'", "did you mean 'name'?"),
        ({"create": "{{ zzzzzzzz }}"}, 12, "create.2: no variable 'zzzzzzzz'", "there are here: accelerator, "),
        ({"create": "{{ bytes }}"}, 12, "create.2: no variable 'bytes'", ""),
        ({"create": "{{ host.cgruop }}"}, 12, "create.2: 'host' has no 'cgruop'", "did you mean 'cgroup'?"),
        ({"create": "{{ name | fstba }}"}, 12, "create.2: no filter 'fstba'", "did you mean 'fstab'?"),
        ({"create": "{{ name"}, 12, "create.2: not a template: ", ""),
        ({"limit": "{{ byte }}"}, 14, "limits.memory.flags.0: no variable 'byte'", "did you mean 'bytes'?"),
        ({"limit": "{{ count }}"}, 14, "limits.memory.flags.0: no variable 'count'", ""),
        (
            {"more": 'options:\n  odd:\n    define: {extra: ["{{ prob }}"]}\n'},
            17,
            "options.odd.define.extra.0: no variable 'prob'",
            "did you mean 'probe'?",
        ),
        ({"more": 'variants:\n  odd:\n    create+: ["{{ argv }}"]\n'}, 17, "variants.odd.create+.0: no variable", ""),
        ({"more": 'attach:\n  state: [mine, "{{ run }}"]\n  pid: "json:"\n'}, 16, "attach.state.1: no variable", ""),
    ],
)
def test_a_fault_names_file_line_and_the_nearest(
    tmp_path: Path, given: dict[str, str], line: int, what: str, hint: str
) -> None:
    write(tmp_path, **given)

    with pytest.raises(IsolationError) as refused:
        load_runtime("mine", tmp_path)

    assert refused.value.what.startswith(f"{tmp_path}/mine/runtime.yaml:{line}: {what}")
    assert hint in refused.value.hint


def test_the_first_of_two_faults_is_told_with_their_number(tmp_path: Path) -> None:
    write(tmp_path, create="{{ nmae }}", limit="{{ byte }}")

    with pytest.raises(IsolationError, match=r":12: create\.2: no variable 'nmae' \(and 1 more\)"):
        load_runtime("mine", tmp_path)


@pytest.mark.parametrize(
    "template", ["{{ common }}", "{{ name ~ nonce }}", "{{ [x for x in []] if 0 else 'a' }}", "plain"]
)
def test_what_is_known_passes(tmp_path: Path, template: str) -> None:
    if " for " in template:  # Jinja2 has no comprehension
        template = "{% for x in limits %}{{ x }}{% endfor %}"

    assert load_runtime("mine", write(tmp_path, create=template)).create[-1] == template


def test_the_version_of_a_runtime_with_a_daemon_knows_no_variable(tmp_path: Path) -> None:
    version = "version: {argv: [mine, '{{ state }}'], match: x}\n"
    assert load_runtime("mine", write(tmp_path, more=version)).version is not None

    daemon = "daemon: {binary: mined, argv: [], ready: [mine, up]}\n"
    with pytest.raises(IsolationError, match=r"version\.argv\.1: no variable 'state'"):
        load_runtime("mine", write(tmp_path, more=version + daemon))


def _texts(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(node, str):
        yield path, node
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from _texts(value, (*path, key))


@pytest.mark.parametrize("runtime", list(role_folders("runtime.yaml", ROLES)))
def test_every_template_of_a_packaged_role_is_at_a_known_place(runtime: str) -> None:
    document = YAML(typ="safe", pure=True).load((ROLES / runtime / "runtime.yaml").read_text("utf-8"))
    overlays = [document.pop(kind, {}) for kind in ("options", "variants")]
    parts = [document, document.pop("networked", None) or {}, *(part for one in overlays for part in one.values())]
    for part in parts:
        known = {path for _, path, _ in find_templates(part)}
        unknown = [path for path, text in _texts(part) if "{{" in text and path not in known]
        assert unknown == []


def test_the_variables_of_each_limit_are_those_that_its_templates_get() -> None:
    known = {name: sorted(limit_variables(name)) for name in limit_names()}

    assert known["cpu"] == ["cpus", "period", "quota"]
    assert known["memory"] == ["bytes", "mib"]
    assert all(known.values())


def test_each_word_of_a_place_is_a_group_or_a_variable() -> None:
    variables = {name for group in GROUPS.values() for name in group}

    for place, words in PLACES.items():
        assert set(words.split()) <= {*GROUPS, *variables, "define"}, place


def test_each_filter_says_what_it_gives() -> None:
    assert all((inspect.getdoc(one) or "").startswith("Return ") for one in FILTERS.values())


def test_every_key_is_described_in_the_schema() -> None:
    schema = json.loads(render_schema(Runtime))

    for name, part in {"Runtime": schema, **schema["$defs"]}.items():
        lacking = [key for key, described in part["properties"].items() if not described.get("description")]
        assert lacking == [], name
