"""provisioner.runtimes.runtime: roles are data, and a fault in one is told by file, line and nearest key."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import IsolationError
from provisioner.paths import ROLES
from provisioner.runtimes.load import load_runtime, overlay, runtime_names
from provisioner.runtimes.render import render_argv, render_value
from provisioner.runtimes.runtime import Runtime

MINIMAL = """\
title: a runtime for tests
kind: container
class: container
boundary: process
create: [start, "{{ name }}"]
network:
  none: {}
install: nothing to install
options:
  fast:
    create+: [--fast]
    environment+: {SPEED: "9"}
  other:
    create: [other]
variants:
  rootless:
    cannot+: {exec: it has none}
"""
SETTING = "{argv: [x], look: {a: {value: 'json:/a', sound: '(', why: b}}}"


@pytest.fixture
def roles(tmp_path: Path) -> Path:
    write(tmp_path, "plain", MINIMAL)
    return tmp_path


def write(roles: Path, name: str, text: str) -> None:
    (roles / name).mkdir(exist_ok=True)
    (roles / name / "runtime.yaml").write_text(text)


def refused(name: str, roles: Path = ROLES) -> str:
    with pytest.raises(IsolationError) as error:
        load_runtime(name, roles)
    assert str(error.value).isprintable()
    return str(error.value)


# --- roles


@pytest.mark.parametrize("name", runtime_names())
def test_every_role_loads_with_each_option_and_variant(name: str) -> None:
    runtime = load_runtime(name)

    assert runtime.name == name
    for option in runtime.options:
        assert load_runtime(f"{name}+{option}").conditions["option"] == option
    for variant in runtime.variants:
        assert load_runtime(f"{name}-{variant}").conditions["variant"] == variant


@pytest.mark.parametrize("name", runtime_names())
def test_every_symptom_names_an_option_that_is_there(name: str) -> None:
    runtime = load_runtime(name)

    assert {symptom.instead for symptom in runtime.symptoms if symptom.instead} <= set(runtime.options)


def test_a_new_folder_is_a_new_runtime(roles: Path) -> None:
    write(roles, "novel", MINIMAL)

    assert runtime_names(roles) == ["novel", "plain"]
    assert load_runtime("novel", roles).title == "a runtime for tests"


def test_a_folder_with_a_dash_in_its_name_is_no_variant(roles: Path) -> None:
    shutil.copytree(roles / "plain", roles / "plain-rootless")

    assert load_runtime("plain-rootless", roles).conditions["variant"] == "default"


def test_an_unknown_runtime_names_the_nearest() -> None:
    assert "cannot find runtime 'dokcer'; did you mean 'docker'?" in refused("dokcer")


def test_an_unknown_runtime_near_to_none_lists_all() -> None:
    assert f"there are: {', '.join(runtime_names())}" in refused("xyzzy")


def test_an_unknown_option_names_the_nearest() -> None:
    assert "cannot find option 'cruun' of runtime 'docker'; did you mean 'crun'?" in refused("docker+cruun")


def test_an_unknown_variant_names_the_nearest(roles: Path) -> None:
    assert "cannot find variant 'rootles' of runtime 'plain'; did you mean 'rootless'?" in refused(
        "plain-rootles", roles
    )


def test_an_unknown_variant_of_a_runtime_without_any_says_so(roles: Path) -> None:
    write(roles, "bare", MINIMAL.partition("options:")[0])

    assert "there are: none" in refused("bare-rootless", roles)


@pytest.mark.parametrize(
    ("wrong", "line", "told"),
    [
        (("boundary:", "boundry:"), 4, "unknown key 'boundry' (and 1 more); did you mean 'boundary'?"),
        (("  none: {}", "  none: {flgs: []}"), 7, "unknown key 'flgs'; did you mean 'flags'?"),
        (("kind: container", "kind: conteiner"), 2, "did you mean 'container'?"),
        (("  none: {}", "  bridge: {}"), 7, "bridge"),
        (("title: a runtime for tests\n", ""), 1, "missing key 'title'"),
        (("[start, ", "[start, 3, "), 5, "create.1"),
        (("install:", "title:"), 8, "the key 'title' appears twice"),
        (("install:", "conditions: {kernel: new}\ninstall:"), 8, "the key 'kernel' is not allowed"),
        (("install:", f"settings: {SETTING}\ninstall:"), 8, "sound: should be a regular expression: "),
    ],
)
def test_a_fault_names_file_line_and_nearest_key(roles: Path, wrong: tuple[str, str], line: int, told: str) -> None:
    assert wrong[0] in MINIMAL
    write(roles, "plain", MINIMAL.replace(*wrong))

    message = refused("plain", roles)

    assert message.startswith(f"{roles}/plain/runtime.yaml:{line}: ")
    assert told in message


def test_a_fault_in_an_option_names_the_option_and_the_key(roles: Path) -> None:
    write(roles, "plain", MINIMAL.replace("create+: [--fast]", "creat: [--fast]"))

    message = refused("plain+fast", roles)

    assert "plain/runtime.yaml: option fast" in message
    assert "creat" in message


# --- overlays


def test_a_key_with_a_plus_extends_lists_and_maps(roles: Path) -> None:
    fast = load_runtime("plain+fast", roles)

    assert fast.create == ["start", "{{ name }}", "--fast"]
    assert fast.environment == {"SPEED": "9"}


def test_a_plain_key_replaces(roles: Path) -> None:
    assert load_runtime("plain+other", roles).create == ["other"]


def test_a_variant_and_an_option_go_together(roles: Path) -> None:
    both = load_runtime("plain-rootless+fast", roles)

    assert {what: why for what, why in both.cannot.items() if not what.startswith("limits.")} == {"exec": "it has none"}
    assert both.create[-1] == "--fast"
    assert both.conditions == {"variant": "rootless", "option": "fast"}


def test_an_overlay_leaves_the_runtime_as_it_was(roles: Path) -> None:
    runtime = load_runtime("plain", roles)
    before = runtime.model_dump()

    overlay(runtime, {"create+": ["x"], "cannot+": {"a": "b"}}, "here")

    assert runtime.model_dump() == before


def test_an_overlay_that_gives_no_runtime_is_refused(roles: Path) -> None:
    with pytest.raises(IsolationError, match=r"cannot read here.kind"):
        overlay(load_runtime("plain", roles), {"kind": "planet"}, "here")


def test_an_overlay_cannot_extend_a_scalar(roles: Path) -> None:
    with pytest.raises(IsolationError, match="here"):
        overlay(load_runtime("plain", roles), {"title+": ["x"]}, "here")


def test_an_overlay_cannot_extend_a_list_by_a_map(roles: Path) -> None:
    with pytest.raises(IsolationError, match="here"):
        overlay(load_runtime("plain", roles), {"cannot+": ["x"]}, "here")


# --- rendering


def test_an_expression_keeps_its_type() -> None:
    assert render_value("{{ limit }}", {"limit": {"memory": 3}}, "here") == {"memory": 3}
    assert render_value("{{ false }}", {}, "here") is False
    assert render_value("{{ {'a': [n]} }}", {"n": 1}, "here") == {"a": [1]}


def test_text_around_an_expression_makes_text() -> None:
    assert render_value("run={{ run }}", {"run": 7}, "here") == "run=7"
    assert render_value("{{ a }}-{{ b }}", {"a": 1, "b": 2}, "here") == "1-2"


def test_a_list_becomes_several_arguments_or_none() -> None:
    argv = render_argv(["a", "{{ many }}", "{{ nobody }}", "z"], {"many": ["b", 3], "nobody": []}, "here")

    assert argv == ["a", "b", "3", "z"]


def test_a_literal_go_template_passes_through() -> None:
    assert render_argv(["--format", "{{ '{{.Names}}' }}"], {}, "here") == ["--format", "{{.Names}}"]


def test_an_undefined_name_is_told_with_its_template() -> None:
    with pytest.raises(IsolationError, match=r"cannot render here: '\{\{ nmae \}\}': 'nmae' is undefined"):
        render_value("{{ nmae }}", {"name": 1}, "here")


@pytest.mark.parametrize("template", ["{{ a.b.c }}", "{{ a", "{{ 1 // 0 }}", "{{ [] + 1 }}", "x{{ 1 // 0 }}"])
def test_a_fault_in_a_template_is_one_line(template: str) -> None:
    with pytest.raises(IsolationError) as error:
        render_value(template, {"a": {}}, "here")

    assert str(error.value).startswith("cannot render here: ")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("template", ["{{ ''.__class__.__mro__ }}", "{{ cycler.__init__.__globals__ }}"])
def test_a_template_cannot_reach_the_interpreter(template: str) -> None:
    with pytest.raises(IsolationError, match="cannot render"):
        render_argv([template], {}, "here")


@pytest.mark.parametrize("value", [True, None, {"a": 1}, [["nested"]], b"bytes"])
def test_what_is_no_argument_is_refused(value: Any) -> None:
    with pytest.raises(IsolationError, match="which is no argument"):
        render_argv(["{{ value }}"], {"value": value}, "here")


@given(st.text())
def test_a_value_is_never_rendered_itself(text: str) -> None:
    hostile = "{{ " + text + " }}"

    assert render_argv(["{{ value }}", "{{ many }}"], {"value": hostile, "many": [hostile]}, "here") == [hostile] * 2
    assert render_value("x{{ value }}", {"value": hostile}, "here") == f"x{hostile}"


def test_the_type_of_a_role_is_frozen() -> None:
    runtime = load_runtime("self")

    assert isinstance(runtime, Runtime)
    with pytest.raises(ValueError, match="frozen"):
        runtime.title = "other"
