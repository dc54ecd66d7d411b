"""The role docker: messages of its client that name a cause."""

from __future__ import annotations

import pytest

from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.runtime import symptom_in

REFUSED = (
    'docker: Error response from daemon: invalid mount config for type "bind": bind source path does not exist: {}\n'
)


def test_a_daemon_that_does_not_see_the_probe_is_named() -> None:
    path = "/home/me/.cache/isolation/probe-d7903bf229b5f4b2/probe"

    symptom = symptom_in(
        load_runtime("docker"), REFUSED.format(path) + "\nRun 'docker run --help' for more information"
    )

    assert symptom is not None
    assert symptom.cause == "its daemon does not see the probe, a file of this machine"
    assert "--isolation-host=NAME" in symptom.mend


@pytest.mark.parametrize("path", ["/home/me/probe", "/srv/probe-1/probes", "/data"])
def test_a_folder_of_the_users_own_that_is_missing_keeps_dockers_words(path: str) -> None:
    assert symptom_in(load_runtime("docker"), REFUSED.format(path)) is None
