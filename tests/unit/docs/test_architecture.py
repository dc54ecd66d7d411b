"""docs/explanation/architecture.md names the rooms of the import contract, and its picture is drawn from them."""

from __future__ import annotations

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = SourceFileLoader("architecture_script", str(ROOT / "script/architecture"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_picture_is_what_the_script_draws(script: ModuleType) -> None:
    assert script.draw() == script.PICTURE.read_text(), "run script/architecture"


@pytest.mark.parametrize("package", ["provisioner", "pytest_isolation"])
def test_the_page_names_the_rooms_of_the_contract(script: ModuleType, package: str) -> None:
    rooms = [room for layer in script.layers(package) for room in layer]

    assert sorted(rooms) == sorted(script.words(package))


def test_every_step_of_a_fact_is_in_a_room_of_the_contract(script: ModuleType) -> None:
    rooms = {(package, room) for package in script.PACKAGES for layer in script.layers(package) for room in layer}
    numbers = sorted(number for found in script.steps().values() for number in found)

    assert set(script.steps()) <= rooms
    assert numbers == list(range(1, len(numbers) + 1))
