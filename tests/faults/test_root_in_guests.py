"""The script that converges a guest writes a file as root, while a user of the guest swaps its folder for a link."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from faults.case import needs_root
from faults.racer import arena, race
from provisioner.converge.kinds import Aspect, Change
from provisioner.converge.resources.file import NAME, WantedFile, _check_folder, _write, explain_failure, make_steps

pytestmark = needs_root
WANTED = WantedFile(b"text", 0o644, "nobody", "nogroup")


def run(script: str) -> str:
    """Run a step as apply.py does, and return its log."""
    done = subprocess.run(["sh", "-c", f"set -e\n{script}"], capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr


def test_a_file_is_not_written_through_a_folder_that_a_user_swaps() -> None:
    with arena() as place:
        path = place.theirs("theirs/folder") / "file"
        script = _write(str(path), WANTED)
        kept = place.ours / "file"
        naive = script.replace(_check_folder(str(path)), "")

        with place.swapping("theirs/folder", place.ours):
            assert race(lambda: subprocess.run(["sh", "-c", naive], capture_output=True), kept.exists)
            kept.unlink()
            assert not race(lambda: subprocess.run(["sh", "-ec", script], capture_output=True), kept.exists, 2)


@pytest.mark.parametrize(("mode", "refused"), [(0o755, False), (0o1777, False), (0o777, True), (0o775, True)])
def test_a_folder_that_others_write_is_refused_with_its_name(mode: int, refused: bool) -> None:
    with arena() as place:
        folder = place.ours / "folder"
        folder.mkdir()
        os.chown(folder, 0, 1)
        folder.chmod(mode)
        log = run(_write(str(folder / "file"), WANTED))

        assert (folder / "file").exists() is not refused
        if refused:
            fault = explain_failure(log)
            assert fault is not None
            assert fault.why == f"not only root can write '{folder}'"


def test_owner_and_mode_are_not_changed_in_a_folder_of_a_user() -> None:
    with arena() as place:
        path = place.theirs("theirs") / "file"
        path.touch(0o600)
        change = Change(NAME, str(path), (Aspect("mode", "0600", "0644"),), ())
        (step,) = make_steps({str(path): WANTED}, [change])

        assert f"not only root can write folder {Path(path).parent}" in run(step.script)
        assert path.stat().st_mode & 0o777 == 0o600
