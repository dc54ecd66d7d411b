"""The search for device nodes outside /dev (system/nodes.c)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fakes import USER_NAMESPACES
from served_probe import read_document, run

from provisioner.errors import UnobservedFact
from provisioner.facts.devices import Nodes
from provisioner.facts.document import parse_facts

needs_namespaces = pytest.mark.skipif(
    not USER_NAMESPACES, reason="needs user namespaces: sysctl user.max_user_namespaces=10000"
)


def nodes_after(probe: Path, script: str, folder: Path) -> Nodes:
    """Return what the probe finds after commands as the root of a user namespace, in the host's tree."""
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", f'{script}; exec "$0" facts n1 nodes', probe],
        cwd=folder,
        capture_output=True,
        timeout=300,
        check=True,
    )
    system = parse_facts(done.stdout.split(b"\n", 1)[1], "n1").system
    assert system is not None
    return system.nodes


def test_the_root_is_walked_only_on_request(probe: Path) -> None:
    silent = read_document(run(probe, "facts", "n1"), "n1").system
    asked = read_document(run(probe, "facts", "n1", "nodes"), "n1").system

    assert silent is not None
    assert asked is not None
    with pytest.raises(UnobservedFact, match="not asked for"):
        _ = silent.nodes
    assert asked.nodes.entries > 0


@needs_namespaces
def test_a_device_that_is_mounted_as_a_file_is_found(probe: Path, tmp_path: Path) -> None:
    (tmp_path / "innocent").touch()

    found = nodes_after(probe, "mount --bind /dev/null innocent", tmp_path)

    assert [(one.path, one.kind, one.major, one.minor) for one in found.devices] == [
        (f"{tmp_path}/innocent", "char", 1, 3)
    ]


@needs_namespaces
def test_a_file_that_is_a_device_is_found_in_a_tmpfs(probe: Path, tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    script = "mount -t tmpfs none memory; mkdir -p memory/a/b; touch memory/a/b/n; mount --bind /dev/zero memory/a/b/n"

    found = nodes_after(probe, script, tmp_path)

    assert f"{tmp_path}/memory/a/b/n" in {one.path for one in found.devices}


@needs_namespaces
def test_a_walk_is_bounded_and_says_so(probe: Path, tmp_path: Path) -> None:
    script = "mkdir m; mount -t tmpfs none m; cd m; seq 21000 | xargs touch"

    found = nodes_after(probe, script, tmp_path)

    assert not found.complete
    assert 0 < found.entries <= 20000
