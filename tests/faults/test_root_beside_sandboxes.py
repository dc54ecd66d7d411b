"""Root looks at and deletes what a sandbox made in a folder that is shared with it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from faults.case import needs_root
from faults.racer import NOBODY, arena, race
from provisioner.hosts.files_local import LocalFiles
from provisioner.linux.mounts import read_mounts
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.shared_file import make_shared_file

pytestmark = needs_root


class Toucher:
    """A sandbox that answers that it has made the file."""

    nonce = "n"
    runtime = SimpleNamespace(name="made up")

    def outside(self) -> Any:
        raw = {"user": None, "uid_map": []}
        process = SimpleNamespace(namespaces=SimpleNamespace(raw=raw.get), raw=raw.get)
        return SimpleNamespace(process=process)

    def request(self, *argv: str) -> Any:
        return SimpleNamespace(ok=True, data=b"")


def test_the_owner_of_a_shared_file_is_not_that_of_what_a_link_names() -> None:
    with arena() as place:
        folder, secret = place.theirs("shared"), place.ours / "secret"
        secret.touch()
        (folder / "file-n").touch()
        os.chown(folder / "file-n", NOBODY, NOBODY)
        owners: set[int] = set()

        def ours() -> None:
            owners.add(cast(int, make_shared_file(cast(Sandbox, Toucher()), folder).raw("uid")))

        with place.swapping("shared/file-n", secret):
            assert race((folder / "file-n").stat, lambda: (folder / "file-n").stat().st_uid == 0)
            assert not race(ours, lambda: 0 in owners, 2)
        assert owners == {NOBODY}


def test_a_run_folder_is_deleted_and_nothing_that_links_in_it_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with arena() as place:
        monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(place.top))
        files, kept = LocalFiles(), place.ours / "kept"
        kept.touch()
        shared = files.run / "id/shared"

        def fill() -> None:
            for name in ("", "/made", "/made/below"):
                Path(f"{shared}{name}").mkdir(parents=True, exist_ok=True)
                os.chown(f"{shared}{name}", NOBODY, NOBODY)
            if not (shared / "made.link").is_symlink():
                (shared / "made.link").symlink_to(place.ours)

        def naive() -> None:
            for name in os.listdir(shared / "made"):
                os.unlink(shared / "made" / name)

        def ours() -> None:
            files.delete(files.run / "id")
            fill()

        fill()
        (shared / "made.link").unlink()
        with place.swapping("run/id/shared/made", place.ours):
            assert race(naive, lambda: not kept.exists())
            kept.touch()
            assert not race(ours, lambda: not kept.exists(), 2)


def test_cgroups_hold_no_links() -> None:
    tops = [mount.target for mount in read_mounts() if mount.fstype.startswith("cgroup")]
    if not tops:
        pytest.skip("no hierarchy of cgroups: mount one at /sys/fs/cgroup")
    for top in tops:
        with pytest.raises(OSError):
            (top / "link").symlink_to("/etc")
        assert not (top / "link").is_symlink()
