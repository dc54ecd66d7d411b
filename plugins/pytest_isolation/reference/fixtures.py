"""The page docs/reference/fixtures.md: the fixtures, what they return, and the markers.

In: the docstrings of the fixtures and of the classes that they return.  Out: Markdown.  Pure.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pytest_isolation.options import MARKERS
from pytest_isolation.records.host_view import HostView
from pytest_isolation.records.view import SandboxView

HEAD = """\
# The fixtures

What a test of yours may ask for, made from the docstrings by `script/reference`.
`sandbox`, `peer` and what `sandbox_factory` makes are used in the same way.

A test that cannot do what it asks for is `unknown`, never `open` and never green: a program that could not be started,
a file that cannot be read, a fact that was not observed, a sandbox that died.
"""
NAMES = ("sandbox", "peer", "sandbox_factory", "host_facts", "machine", "isolation_target")
SECTION = re.compile(r"^(Args|Returns|Raises|Attributes|Example):$", re.MULTILINE)


@dataclass(frozen=True)
class Sources:
    """
    What the page describes; this room does not import the rooms above it.

    Attributes:
        fixtures: the module of the fixtures.
        acting: what `sandbox`, `peer` and further sandboxes share.
        live: the class of `sandbox` and `peer`.
        further: the class of what `sandbox_factory` makes.
        machine: the class of `machine`.
        load: the class of what `load` of a further sandbox returns.
        figures: the class of what its `result()` returns.
        completed: the class of what `run` returns.
        errors: the errors of its own that `run` raises.
    """

    fixtures: Any
    acting: type
    live: Any
    further: Any
    machine: Any
    load: Any
    figures: type
    completed: type
    errors: tuple[type, ...]


def render_fixtures(sources: Sources) -> str:
    """Return the page."""
    parts = [HEAD, "## Fixtures\n"]
    for name in NAMES:
        parts += [f"### {name}\n", *_doc(_function(getattr(sources.fixtures, name)))]
    parts += ["## Act in a sandbox\n", "Methods of `sandbox`, of `peer` and of what `sandbox_factory` makes.\n"]
    parts += _methods(sources.acting)
    parts += ["`testinfra` (of `sandbox` and `peer`):\n", *_doc(sources.live.testinfra)]
    parts += ["`close()` (of what `sandbox_factory` makes):\n", *_doc(sources.further.close)]
    parts += [f"### load\n\n    load{_signature(sources.further.load)}\n", *_doc(sources.further.load)]
    parts += ["What `load` returns:\n", _attributes(sources.load), "What its `result()` returns:\n"]
    parts += _doc(sources.figures)
    parts += ["### What a program came to\n", *_doc(sources.completed), _errors(sources.errors)]
    parts += ["## Facts of a sandbox\n", "Attributes of the same objects.\n", _attributes(SandboxView)]
    parts += ["## Facts of its host\n", "Attributes of `host_facts`.\n", _attributes(HostView)]
    parts += ["## A machine\n", *_doc(sources.machine.run), _attributes(sources.machine)]
    parts += ["## Markers\n", "\n".join(f"- `{name}`: {what}" for name, what in _markers()), ""]
    return "\n".join(parts)


def _function(fixture: Any) -> Any:
    return inspect.unwrap(getattr(fixture, "__wrapped__", None) or getattr(fixture, "_fixture_function", fixture))


def _markers() -> list[tuple[str, str]]:
    pairs = [line.partition(": ") for line in MARKERS]
    return [(name, what) for name, _, what in pairs]


def _errors(errors: tuple[type, ...]) -> str:
    lines = [f"- `{one.__name__}`: {_first(one)}." for one in errors]
    return "\n".join(["Errors, all of them `provisioner.errors.IsolationError`:\n", *lines, ""])


def _methods(kind: type) -> list[str]:
    parts: list[str] = []
    for name, value in vars(kind).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            parts += [f"### {name}\n", f"    {name}{_signature(value)}\n", *_doc(value)]
    return parts


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    text = str(signature.replace(parameters=parameters)).replace("'", "")
    text = text.replace("os.PathLike[str]", "Path").replace("str | Path", "Path | str").replace("= b)", '= "")')
    return text.replace("bytes = b,", 'bytes = "",').replace("mode: int = 420", "mode: int = 0o644")


def _attributes(kind: type) -> str:
    """Return a table of the public properties and methods of a class, by the first lines of their docstrings."""
    rows = ["| name | what it is |", "|---|---|"]
    for name, value in vars(kind).items():
        if name.startswith("_") or name in ("run", "testinfra"):
            continue
        if isinstance(value, property):
            rows.append(f"| `{name}` | {_first(value)} |")
        elif inspect.isfunction(value):
            rows.append(f"| `{name}{_short(value)}` | {_first(value)} |")
    return "\n".join([*rows, ""])


def _short(function: Any) -> str:
    return f"({', '.join(name for name in inspect.signature(function).parameters if name != 'self')})"


def _first(thing: Any) -> str:
    paragraph = (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")
    return paragraph.replace("|", "\\|").removesuffix(".")


def _doc(thing: Any) -> Iterator[str]:
    """Yield a docstring as Markdown: its text, lists of arguments, and its example as code."""
    pieces = SECTION.split(inspect.getdoc(thing) or "")
    yield pieces[0].strip() + "\n"
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        block = textwrap.dedent(body.strip("\n"))
        if title == "Example":
            yield "Example:\n"
            yield "\n".join(f"    {line}".rstrip() for line in block.splitlines()) + "\n"
        elif title == "Returns":
            yield f"Returns: {' '.join(block.split())}\n"
        else:
            yield f"{title}:\n"
            yield "\n".join(_items(block)) + "\n"


def _items(block: str) -> Iterator[str]:
    for item in re.split(r"\n(?=\S)", block):
        name, colon, what = " ".join(item.split()).partition(": ")
        yield f"- `{name}`: {what}" if colon else f"- {name}"
