"""The verbs load, net and touch (acts/)."""

from __future__ import annotations

import os
import resource
import socket
import time
from pathlib import Path

import pytest
from served_probe import CANCEL, DATA, ERROR, RESULT, Served, output, run

from provisioner.linux.processes import read_process, wait_gone, with_descendants


def test_loads_print_what_they_used(served: Served) -> None:
    assert output(served.answer("load", "memory", str(3 << 20))) == b"step 1\nstep 2\nstep 3\ndone\n"
    own = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    nproc = b"" if own == resource.RLIM_INFINITY else f" nproc {own}".encode()
    assert output(served.answer("load", "pids", "20")) == b"children 20 errno ok" + nproc + b"\n"
    words = output(served.answer("load", "cpu", "2", "200")).split()
    assert words[:4:2] == [b"cpu_us", b"wall_us"]
    assert int(words[3]) >= 200_000
    if words[4:]:  # where the kernel counts it (CONFIG_SCHED_INFO)
        assert [words[4], *words[5::2]] == [b"schedule", b"ran_us", b"waited_us", b"of_us"]
        assert int(words[10]) >= 400_000


@pytest.mark.skipif("PROBE_UNDER_TEST" in os.environ, reason="a checked or emulated probe has other limits")
def test_a_load_and_its_children_are_capped_whatever_its_arguments_are(served: Served) -> None:
    served.ask(1, "load", "cpu", "1", "20000")
    until = time.monotonic() + 20
    server = read_process(served.process.pid)
    assert server is not None
    while len(found := [one for one in with_descendants([server]) if one != server]) < 2:
        assert time.monotonic() < until
    mib = 1 << 20
    for one in found:
        capped = Path(f"/proc/{one.pid}/limits").read_text()
        for name, most in (
            ("Max address space", 2112 * mib),
            ("Max file size", 576 * mib),
            ("Max core file size", 64 * mib),
            ("Max cpu time", 120),
        ):
            (line,) = (line for line in capped.splitlines() if line.startswith(name))
            assert int(line.removeprefix(name).split()[1]) <= most, line
    served.send(CANCEL, 1)


@pytest.mark.parametrize(
    "words",
    [
        ("memory", str((2 << 30) + 1)),
        ("swap", str((2 << 30) + 1)),
        ("fill", "/dev/shm", str((512 << 20) + 1)),
        ("core", str((64 << 20) + 1)),
        ("pids", "4097"),
        ("files", "1048641"),
        ("cpu", "257", "10"),
        ("cpu", "1", "60001"),
        ("cpuset", "10001"),
    ],
)
def test_a_load_beyond_its_own_bound_is_wrong_usage(served: Served, words: tuple[str, ...]) -> None:
    assert served.answer("load", *words)[-1] == (RESULT, b"\0\x40")  # EX_USAGE


def test_orphans_outlive_their_request_and_become_children_of_the_server(served: Served) -> None:
    server = read_process(served.process.pid)
    assert server is not None
    assert output(served.answer("load", "orphans", "3", "2")) == b"orphans 3 errno ok\n"
    orphans = [one for one in with_descendants([server]) if one != server]

    assert len(orphans) == 3
    assert len({os.getsid(one.pid) for one in orphans} - {os.getsid(0)}) == 3
    assert wait_gone(orphans, 10) == []  # by themselves


@pytest.mark.parametrize("words", [("17", "2"), ("3", "61"), ("3",)])
def test_too_many_or_too_long_orphans_are_wrong_usage(served: Served, words: tuple[str, ...]) -> None:
    assert served.answer("load", "orphans", *words)[-1] == (RESULT, b"\0\x40")  # EX_USAGE


def test_a_listener_sends_its_token_to_a_connection(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    served.ask(1, "net", "listen", str(port), "token-7", "20000")
    assert served.frame() == (1, DATA, b"listening\n")
    served.ask(2, "net", "connect", "127.0.0.1", str(port), "5000")
    answers = collect(served, 2)

    assert output(answers[2]) == b"connected token-7\n"
    served.send(CANCEL, 1)
    assert collect(served, 1)[1][-1] == (ERROR, b"cancelled")
    # SIGKILL is sent when the request is said to be cancelled; the port closes when the process is gone
    until = time.monotonic() + 60
    while (said := output(served.answer("net", "connect", "127.0.0.1", str(port), "1000"))) != b"refused\n":
        assert time.monotonic() < until, said


def collect(served: Served, last: int) -> dict[int, list[tuple[int, bytes]]]:
    """Return the frames of all requests, read until request `last` has ended."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    while True:
        identity, kind, payload = served.frame()
        found.setdefault(identity, []).append((kind, payload))
        if identity == last and kind in (RESULT, ERROR):
            return found


def test_touch_creates_only_new_files(probe: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"

    assert run(probe, "touch", str(path)).returncode == 0
    assert (path.stat().st_size, path.stat().st_mode & 0o7777) == (0, 0o600)
    assert run(probe, "touch", str(path)).returncode == 73
    (tmp_path / "link").symlink_to("elsewhere")
    assert run(probe, "touch", str(tmp_path / "link")).returncode == 73
    assert not (tmp_path / "elsewhere").exists()
