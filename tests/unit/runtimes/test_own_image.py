"""A runtime that starts an image of the user's engine keeps the limits, networks and OCI runtime of its target."""

from __future__ import annotations

import pytest

from provisioner.errors import IsolationError
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.own_image import with_image


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_the_probe_comes_in_by_a_bind_before_the_image(name: str) -> None:
    runtime = with_image(load_runtime(name), "python:3.12-slim")

    assert runtime.create[:2] == [name, "run"]
    assert runtime.create[-6:] == [
        "{{ network }}",
        "{{ limits }}",
        "{{ flags }}",
        "python:3.12-slim",
        "serve",
        "{{ nonce }}",
    ]
    assert "--pull=never" in runtime.create
    assert runtime.limits == load_runtime(name).limits
    assert runtime.volume == load_runtime(name).volume
    assert runtime.import_ is None


def test_the_oci_runtime_of_the_target_is_kept() -> None:
    words = with_image(load_runtime("podman+runc"), "me/app").create

    assert words[words.index("--runtime") + 1] == "runc"


def test_a_runtime_without_images_says_what_to_use() -> None:
    with pytest.raises(IsolationError, match=r"of 'bwrap' from 'me/app': it has no images; use image=\"debian\""):
        with_image(load_runtime("bwrap"), "me/app")
