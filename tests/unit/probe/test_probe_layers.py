"""The C sources keep to their folders: includes point downwards, and headers declare what other files call."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from provisioner.probe.build import DEFINITIONS, SOURCES

LAYERS = (
    ("base",),
    ("exposed", "limits"),
    ("process", "system", "serve", "loads", "network"),
    ("acts",),
    ("start",),
)  # folders of one layer do not know each other
HEIGHT = {folder: height for height, folders in enumerate(LAYERS) for folder in folders}
FILES = sorted(path.relative_to(SOURCES) for path in SOURCES.rglob("*.[ch]"))
INCLUDE = re.compile(r'^#include "([^"]+)"$', re.MULTILINE)
DECLARATION = re.compile(r"^(?:\w[\w\s*]*?[\s*])?(\w+)\([^;{]*\)(?:\s*__attribute__\(\(.*?\)\))?;", re.MULTILINE)


def read(path: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", (SOURCES / path).read_text(), flags=re.DOTALL)


def includes() -> Iterator[tuple[Path, Path]]:
    for path in FILES:
        for name in INCLUDE.findall(read(path)):
            yield path, Path(name)


def test_every_source_stands_in_a_known_folder() -> None:
    assert {path.parts[0] for path in FILES} == set(HEIGHT)
    assert {len(path.parts) for path in FILES} == {2}
    assert max(sum(path.parts[0] == folder and path.suffix == ".c" for path in FILES) for folder in HEIGHT) <= 16


def test_a_folder_includes_headers_of_its_own_and_of_folders_below() -> None:
    wrong = [
        f"{path} includes {header}"
        for path, header in includes()
        if path.parts[0] != header.parts[0] and HEIGHT[path.parts[0]] <= HEIGHT[header.parts[0]]
    ]

    assert wrong == []


def test_headers_include_each_other_in_no_circle() -> None:
    graph: dict[Path, set[Path]] = {}
    for path, header in includes():
        graph.setdefault(path, set()).add(header)

    TopologicalSorter(graph).prepare()  # raises CycleError


def test_every_header_is_included_and_declares_functions_of_its_own_folder() -> None:
    included = {header for _, header in includes()}
    headers = {path for path in FILES if path.suffix == ".h"}
    wrong = []
    for header in headers:
        folder = "".join(read(path) for path in FILES if path.parent == header.parent)
        for name in DECLARATION.findall(read(header)):
            if not re.search(rf"^[\w\s*]*\b{name}\([^;{{]*\)\n\{{", folder, re.MULTILINE):
                wrong.append(f"{header}: {name}")

    assert included == headers
    assert wrong == []


def test_no_variable_is_shared_and_no_source_declares_what_is_external() -> None:
    assert [str(path) for path in FILES if re.search(r"^\s*extern\b", read(path), re.MULTILINE)] == []


@pytest.mark.parametrize("compiler", ["musl-gcc", "gcc"])
def test_every_function_is_static_or_declared_in_a_header(compiler: str) -> None:
    sources = [str(SOURCES / path) for path in FILES if path.suffix == ".c"]
    flags = ["-std=gnu11", *DEFINITIONS, "-I", str(SOURCES), "-fsyntax-only", "-Werror", "-Wmissing-prototypes"]
    try:
        done = subprocess.run([compiler, *flags, *sources], capture_output=True, text=True, timeout=300)
    except FileNotFoundError:
        pytest.skip(f"needs {compiler}: apt-get install gcc libc6-dev musl-tools")

    assert done.returncode == 0, done.stderr
