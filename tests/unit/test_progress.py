"""provisioner.progress: silence for what is quick, two lines for what is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from provisioner import progress


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    monkeypatch.delenv("PYTEST_ISOLATION_QUIET", raising=False)
    monkeypatch.setattr(progress, "PATIENCE", 0.02)
    said: list[str] = []
    before = progress.set_listener(said.append)
    yield said
    progress.set_listener(before)


def wait_for(lines: list[str], count: int) -> None:
    done = threading.Event()
    for _ in range(500):
        if len(lines) >= count:
            return
        done.wait(0.01)
    pytest.fail(f"only {lines}")


def test_a_quick_step_says_nothing(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 60)

    with progress.step("quick"):
        pass

    assert lines == []


def test_slow_steps_are_indented_and_say_how_long(lines: list[str]) -> None:
    with progress.step("outer"):
        wait_for(lines, 1)
        with progress.step("inner"):
            wait_for(lines, 2)

    assert lines[:2] == ["outer …", "  inner …"]
    assert lines[2].startswith("  inner: 0.")
    assert lines[3].startswith("outer: 0.")


def test_a_failure_is_called_one(lines: list[str]) -> None:
    with pytest.raises(ValueError, match="x"), progress.step("break"):
        wait_for(lines, 1)
        raise ValueError("x")

    assert lines[1].startswith("break: failed after 0.")


def test_a_broken_listener_disturbs_nothing(lines: list[str]) -> None:
    tried = threading.Event()

    def fail(line: str) -> None:
        tried.set()
        raise OSError(line)

    progress.set_listener(fail)
    with progress.step("go on"):
        assert tried.wait(60)


def test_too_little_memory_for_a_thread_disturbs_nothing(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Timer, "start", fail)
    with progress.step("go on"):
        pass

    assert lines == []


def test_the_variable_silences(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ISOLATION_QUIET", "1")
    monkeypatch.setattr(progress, "PATIENCE", 0.0)

    with progress.step("quiet"):
        threading.Event().wait(0.05)

    assert lines == []


def test_without_a_listener_lines_go_to_standard_error(lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    progress.set_listener(None)
    monkey = threading.Event()

    with progress.step("shout"):
        monkey.wait(0.2)

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("shout …\nshout: 0.")
