"""The page docs/reference/runtime-yaml.md: every key of a runtime.yaml, and every variable of its templates.

In: the model of a runtime.yaml, the variables, the filters.  Out: Markdown.  Pure.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from provisioner.files.attributes import read_attributes
from provisioner.files.grammars import FILTERS
from provisioner.limits.limit import find_limits
from provisioner.runtimes.runtime import Runtime
from provisioner.runtimes.variables import ATTRIBUTES, GROUPS, PLACES, limit_variables
from pytest_isolation.reference.checks import plain

HEAD = """\
# runtime.yaml

`roles/NAME/runtime.yaml` says how the sandboxes of a runtime are created, found and deleted.
Roles of your own are found in the folder `roles` beside `isolation.yaml` or `lab.yaml`,
in the folders of `--isolation-roles=DIR`, and in those of the variable `PYTEST_ISOLATION_ROLES`, separated by colons.
They are looked for before the packaged ones; a role of the same name replaces the packaged one as a whole.

    provisioner new-runtime NAME                # writes commented files: roles/NAME/
    provisioner new-runtime NAME --like runc    # or copies those of another runtime
    pytest --isolation-check-runtime=NAME       # tests whether the role describes the runtime rightly
    pytest --isolation=container --isolation-runtime=NAME

An unknown key, variable or filter is an error that names the file, the line and the nearest known word.
[Roles](roles.md#the-other-files-of-a-runtimes-role) describes the files beside it.
This page is made from the code by `script/reference`.

A *template* is a text with [Jinja2](https://jinja.palletsprojects.com/) expressions: `"{{ name }}"`.
In a list of arguments a template that is one expression with a list gives all of its items: `"{{ limits }}"`.
An empty list gives no argument.
"""


def render_runtime_keys() -> str:
    """Return the page."""
    schema = Runtime.model_json_schema(by_alias=True)
    sections = ["\n".join(_section("", schema, schema["$defs"]))]
    return "\n".join([HEAD, *sections, *_variables(), *_filters()]).rstrip() + "\n"


def _section(place: str, part: dict[str, Any], parts: dict[str, Any]) -> Iterator[str]:
    """Yield the table of one object's keys, and then those of the objects in it."""
    about, texts = read_attributes(part.get("description", ""))
    yield f"## `{place}`\n" if place else "## The keys\n"
    if place:
        yield f"{_text(about)}\n"
    yield "| key | value | meaning |\n|---|---|---|"
    deeper: list[tuple[str, str]] = []
    for key, described in part["properties"].items():
        value, inner = _value(described)
        text = texts.get(key) or texts.get(f"{key}_", "")
        bold = f"**{key}**" if key in part.get("required", ()) else key
        yield f"| {bold} | {value} | {_text(text)} |"
        if inner:
            item = ".NAME" if value.startswith("by name") else ""
            deeper.append((f"{place}.{key}{item}".lstrip("."), inner))
    yield ""
    if not place:
        yield "A key in bold is required.\n"
    for further, inner in deeper:
        yield from _section(further, parts[inner], parts)


def _value(described: dict[str, Any]) -> tuple[str, str]:
    """Return the form of a value in words, and the name of the object that it holds or is."""
    choices = [one for one in described.get("anyOf", [described]) if one.get("type") != "null"]
    words, inner = zip(*(_one_value(one) for one in choices), strict=True)
    return " or ".join(words), "".join(inner)


def _one_value(described: dict[str, Any]) -> tuple[str, str]:
    if "$ref" in described:
        return "keys below", described["$ref"].rpartition("/")[2]
    if "const" in described:
        return f"`{described['const']}`", ""
    if "enum" in described:
        return ", ".join(f"`{one}`" for one in described["enum"]), ""
    if described["type"] == "array":
        words, inner = _one_value(described["items"])
        return f"a list: {words}", inner
    if described["type"] == "object":
        held = described.get("additionalProperties") or next(iter(described["patternProperties"].values()))
        words, inner = _one_value(held) if held is not True else ("any value", "")
        return f"by name: {words}", inner
    return {"string": "text", "boolean": "true or false", "number": "a number"}[described["type"]], ""


def _variables() -> Iterator[str]:
    yield "## The variables of templates\n"
    yield "| group | variable | value |\n|---|---|---|"
    for group, variables in GROUPS.items():
        for name, meaning in variables.items():
            yield f"| {group} | `{name}` | {_text(meaning)} |"
    for limit in find_limits():
        names = ", ".join(f"`{name}`" for name in sorted(limit_variables(limit.name)))
        yield f"| limits.{limit.name} | {names} | the amount of this limit, in units that runtimes use |"
    yield "| define | a name of the key `define` | its list, with its own templates filled in |"
    yield "\n| key | groups and variables that its templates may name |\n|---|---|"
    for place, words in PLACES.items():
        key = ".".join("NAME" if part == "*" else part for part in place if part != "#")
        own = ["limits.NAME"] if place[0] == "limits" else []
        known = [word if word in (*GROUPS, "define") else f"`{word}`" for word in words.split()]
        yield f"| `{key}` | {', '.join([*known, *own])} |"
    yield "\nA runtime with a `daemon` is asked for its version first: then `version` may name no variable.\n"
    yield "| attribute | value |\n|---|---|"
    for owner, attributes in ATTRIBUTES.items():
        for name, meaning in attributes.items():
            yield f"| `{owner}.{name}` | {_text(meaning)} |"
    yield ""


def _text(text: str) -> str:
    """Return a text of a docstring for a page: in a file a key is left out where an object has None."""
    parts = " ".join(text.split()).replace("None", "left out").removesuffix(".").split("`")
    return "`".join(part if at % 2 else plain(part) for at, part in enumerate(parts))


def _filters() -> Iterator[str]:
    yield "## The filters of templates\n"
    yield "A path may hold signs that another program's grammar needs for itself; a filter writes it in that grammar."
    yield "Jinja2's own filters are known too.\n"
    yield "| filter | gives |\n|---|---|"
    for name, function in FILTERS.items():
        about = inspect.cleandoc(function.__doc__ or "").partition("\n\n")[0].removeprefix("Return ")
        yield f"| `{name}` | {_text(about)} |"
    yield ""
