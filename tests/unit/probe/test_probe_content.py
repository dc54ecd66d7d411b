"""The verbs read, write and exists (acts/content.c)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from served_probe import Served, output, run


def write(probe: Path, path: Path, data: bytes, mode: int = 0o640) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([probe, "write", str(path), str(mode)], input=data, capture_output=True, timeout=60)


def test_what_is_written_is_read_again(probe: Path, tmp_path: Path) -> None:
    path, data = tmp_path / "file", os.urandom(100_000)

    assert write(probe, path, data).returncode == 0
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o640
    done = subprocess.run([probe, "read", str(path)], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, data)


def test_a_shorter_content_replaces_all(probe: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a long text")

    assert write(probe, path, b"x").returncode == 0
    assert path.read_bytes() == b"x"


def test_a_missing_file_and_a_folder_cannot_be_read(probe: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        done = run(probe, "read", str(path))
        assert done.returncode == 66
        assert done.stderr.startswith(f"probe: cannot read {path}: ".encode())


def test_a_folder_that_is_missing_cannot_be_written_to(probe: Path, tmp_path: Path) -> None:
    assert write(probe, tmp_path / "none/file", b"x").returncode == 73


@pytest.mark.parametrize("words", [("read",), ("write", "/tmp/x"), ("write", "/tmp/x", "8i"), ("exists",)])
def test_wrong_usage(probe: Path, words: tuple[str, ...]) -> None:
    assert run(probe, *words).returncode == 64


def test_exists_says_yes_no_or_nothing(served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")

    assert output(served.answer("exists", str(tmp_path / "file"))) == b"yes"
    assert output(served.answer("exists", str(tmp_path / "none"))) == b"no"
    assert output(served.answer("exists", str(tmp_path / "file/below"))) == b"no"
    assert output(served.answer("exists", str(tmp_path / "loop"))) == b"", "that cannot be told: ELOOP"
