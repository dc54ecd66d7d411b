"""The end of a serial console as plain text."""

from __future__ import annotations

import os
from pathlib import Path

from provisioner.machines.console import read_console


def test_escape_sequences_are_removed_and_links_not_followed(tmp_path: Path) -> None:
    (tmp_path / "console").write_bytes(b"\x1b[0;1mOK\x1b[0m\r\nend\n")
    (tmp_path / "link").symlink_to(tmp_path / "console")

    assert read_console(tmp_path / "console", 100) == "OK\nend\n"
    assert read_console(tmp_path / "console", 4) == "end\n"
    assert read_console(tmp_path / "link", 100) == ""


def test_a_fifo_in_place_of_the_console_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "console")

    assert read_console(tmp_path / "console") == ""
