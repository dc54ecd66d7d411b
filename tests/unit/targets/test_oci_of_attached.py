"""An attached container is described by the OCI runtime that made it."""

from __future__ import annotations

import pytest

from pytest_isolation.targets.conditions import with_oci

DEFAULT = {"docker": "20.10.24", "containerd": "1.6.20", "runc": "1.1.5"}


@pytest.mark.parametrize(
    ("oci", "versions"),
    [
        ("", DEFAULT),
        ("runc", DEFAULT),
        ("crun", {"docker": "20.10.24", "containerd": "1.6.20", "crun": ""}),
        ("runsc", {"docker": "20.10.24", "containerd": "1.6.20", "runsc": ""}),
    ],
)
def test_versions_name_the_runtime_that_made_it(oci: str, versions: dict[str, str]) -> None:
    assert with_oci(DEFAULT, oci) == versions


def test_another_one_that_the_engine_has_is_left_out() -> None:
    assert with_oci({"podman": "4.3.1", "crun": "1.8.1", "runc": "1.1.5"}, "runc") == {
        "podman": "4.3.1",
        "runc": "1.1.5",
    }
