"""A runtime's program that is broken, lies or floods is one line, and nothing is left."""

from __future__ import annotations

import pytest

from faults.case import needs, needs_root, wide
from faults.home import Home, session
from faults.phases import ANSWERS
from faults.promise import left_soon
from faults.world import World

# of a 32-bit executable for ARM
FOREIGN = b"\x7fELF\x01\x01\x01" + bytes(9) + b"\x02\x00\x28\x00"
PROGRAMS = {
    "foreign": FOREIGN,
    "empty": b"",
    "without-interpreter": b"#!/nosuch\n",
    "garbage": b"#!/bin/sh\nhead -c 200000 /dev/urandom\n",
    "refusing-garbage": b"#!/bin/sh\nhead -c 200000 /dev/urandom >&2; exit 1\n",
    "100-mb": b"#!/bin/sh\nyes | head -c 100000000\n",
    "100-mb-of-errors": b"#!/bin/sh\nyes | head -c 100000000 >&2\n",
}
NOT_RUN = "cannot run '{}': Exec format error; install '"
NO_CONFIG = "cannot prepare '{}': it wrote no usable config.json; "
OTHER_BYTES = "cannot talk to '{}': its probe sent 64 KiB of other bytes"
pytestmark = needs_root


def place(home: Home, name: str, content: bytes) -> None:
    """Put a program first on PATH."""
    path = home.path / "bin" / name
    path.write_bytes(content)
    path.chmod(0o755)


CASES = [
    ("runc", "foreign", NOT_RUN),
    ("runc", "empty", NOT_RUN),
    ("runc", "without-interpreter", "cannot run '{}': No such file or directory; install '"),
    ("runc", "garbage", NO_CONFIG),
    ("runc", "refusing-garbage", "cannot prepare '{}': "),
    ("runc", "100-mb", NO_CONFIG),
    ("docker", "foreign", NOT_RUN),
    ("docker", "garbage", OTHER_BYTES),
    ("docker", "100-mb", OTHER_BYTES),
    ("docker", "100-mb-of-errors", "ERROR: cannot "),
]


@pytest.mark.parametrize(
    ("runtime", "program", "says"), [CASES[0], *(pytest.param(*case, marks=wide) for case in CASES[1:])]
)
def test_a_broken_runtime_is_one_line(runtime: str, program: str, says: str, home: Home) -> None:
    home.write_test(ANSWERS)
    place(home, runtime, PROGRAMS[program])
    before = World.now(home)

    with home.start(session(runtime)) as running:
        running.finish()

    assert running.broken({4}) == []
    assert says.format(runtime) in running.text
    # a client that cannot run cannot delete either: the journal keeps it for a prune
    assert [line for line in left_soon(home, before) if not line.startswith("file run/runs/")] == []


@needs("runc")
@pytest.mark.parametrize("kind", ["circle", *(pytest.param(kind, marks=wide) for kind in ("folder", "not-executable"))])
def test_what_is_no_program_is_passed_over(kind: str, home: Home) -> None:
    home.write_test(ANSWERS)
    path = home.path / "bin" / "runc"
    if kind == "folder":
        path.mkdir()
    elif kind == "circle":
        path.symlink_to(path)
    else:
        path.touch(mode=0o644)

    with home.start(session("runc")) as running:
        assert running.finish() == 0, running.text
