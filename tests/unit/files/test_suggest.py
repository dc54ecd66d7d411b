"""provisioner.files.suggest: hints name the nearest known name."""

from __future__ import annotations

from provisioner.files.suggest import nearest, suggest, suggest_and_list

KNOWN = ["docker", "podman", "runc"]


def test_nearest_name_is_suggested() -> None:
    assert nearest("dokcer", KNOWN) == "docker"
    assert suggest("dokcer", KNOWN) == "did you mean 'docker'?"
    assert suggest_and_list("dokcer", KNOWN, "there are: 3") == "did you mean 'docker'? (there are: 3)"


def test_without_a_near_name_the_other_text_remains() -> None:
    assert nearest("x", KNOWN) is None
    assert suggest("x", KNOWN) == ""
    assert suggest("x", KNOWN, "there are: 3") == suggest_and_list("x", KNOWN, "there are: 3") == "there are: 3"
