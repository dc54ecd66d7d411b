"""The search for files that give more rights (system/privileged.c)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from fakes import USER_NAMESPACES
from served_probe import read_document, run

from provisioner.errors import UnobservedFact
from provisioner.facts.image import ImageSeen, Privileged, parse_image


def read_image(probe: Path, folder: Path) -> ImageSeen:
    done = run(probe, "image", "i1", str(folder))
    assert done.returncode == 0, done.stderr
    return parse_image(done.stdout.split(b"\n", 1)[1], "i1")


def test_a_walk_lists_at_most_32_files_and_cuts_long_paths(probe: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    for number in range(40):
        file = deep / f"file{number:02}"
        file.touch()
        file.chmod(0o4700)  # the test's own empty files

    seen = read_image(probe, tmp_path).privileged

    assert (seen.entries, seen.count, len(seen.files)) == (42, 40, 32)
    assert {len(file.path) for file in seen.files} == {191}
    assert all(file.path[-6:-2] == "file" for file in seen.files)


def test_a_walk_does_not_follow_links(probe: Path, tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "root").symlink_to("/")
    os.mkfifo(tmp_path / "fifo")

    assert read_image(probe, tmp_path).privileged.entries == 3


def test_an_incomplete_walk_is_unobserved(probe: Path, tmp_path: Path) -> None:
    tmp_path.joinpath(*["d"] * 60).mkdir(parents=True)

    with pytest.raises(UnobservedFact, match=r"so deep a folder.*ELOOP"):
        _ = read_image(probe, tmp_path).privileged


@pytest.mark.skipif(not USER_NAMESPACES, reason="needs user namespaces: sysctl user.max_user_namespaces=10000")
def test_a_walk_stays_on_its_mount(probe: Path, tmp_path: Path) -> None:
    for name in ("a", "a/inside", "b", "b/of_another"):
        (tmp_path / name).mkdir()
    script = f'mount --bind {tmp_path}/b {tmp_path}/a/inside && exec "$0" image i1 {tmp_path}/a'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(probe)],
        capture_output=True,
        timeout=300,
        check=True,
    )

    assert parse_image(done.stdout.split(b"\n", 1)[1], "i1").privileged.entries == 1


def test_the_own_root_is_walked_only_on_request(probe: Path) -> None:
    silent = read_document(run(probe, "facts", "n1"), "n1")
    asked = read_document(run(probe, "facts", "n1", "files"), "n1")

    assert silent.system is not None
    assert asked.system is not None
    with pytest.raises(UnobservedFact, match="not asked for"):
        _ = silent.system.privileged
    found = asked.system.raw("privileged")
    assert isinstance(found, Privileged) or found.unobserved in ("ETIME", "EACCES", "E2BIG")
