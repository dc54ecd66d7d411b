"""The checks of a suite are found in all of its packages."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from pytest_isolation.judge.judge import suite_checks


def test_a_package_that_cannot_be_imported_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, text in (("broken_suite", ""), ("broken_suite/area", "import no_such_module_of_anybody\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ImportError, match="no_such_module_of_anybody"):
        suite_checks(importlib.import_module("broken_suite"))
