"""Schemas are written into a checkout or a named folder, never into an installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.files.schemas import schemas_folder


def test_a_named_folder_and_a_checkout_are_written_to() -> None:
    assert schemas_folder(Path("out"), Path("/usr/lib/python3/dist-packages/provisioner")) == Path("out")
    assert schemas_folder(None, Path("/src/provisioner")) == Path("/src/provisioner")


@pytest.mark.parametrize("folder", ["/venv/lib/python3.11/site-packages/x", "/usr/lib/python3/dist-packages/x"])
def test_an_installation_is_not(folder: str) -> None:
    with pytest.raises(IsolationError, match="cannot write schemas into the installed package; name a folder"):
        schemas_folder(None, Path(folder))
