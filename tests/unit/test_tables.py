"""Tables: plain where nobody looks, coloured on a terminal that wants it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from provisioner.cli.table import print_table

CODE = "from provisioner.cli.table import print_table; print_table(('machine', 'state'), [('web', 'running')])"


def on_a_terminal(**env: str) -> str:
    """Return what is written to a terminal."""
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    subprocess.run(
        [sys.executable, "-c", CODE], stdin=theirs, stdout=theirs, env={**clean, **env}, timeout=300, check=True
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:  # EIO: the other end is closed (pty(7))
            os.close(ours)
            return said.decode()


def test_in_a_pipe_columns_stand_and_nothing_is_broken_or_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("machine", "state"), [("web", "x" * 300), ("database", "")])

    assert capsys.readouterr().out == f"machine   state\nweb       {'x' * 300}\ndatabase\n"


def test_a_known_state_has_its_colour_on_a_terminal() -> None:
    assert "\x1b[32mrunning" in on_a_terminal(TERM="xterm-256color")


@pytest.mark.parametrize(
    "env", [{"TERM": "xterm-256color", "NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"]
)
def test_a_terminal_that_wants_no_colour_gets_none(env: dict[str, str]) -> None:
    assert "\x1b[3" not in on_a_terminal(**env)


def test_what_looks_like_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a",), [("[red]b[/red]",)])

    assert capsys.readouterr().out == "a\n[red]b[/red]\n"
