"""Targets that command lines start: their ids, and what is refused in one line."""

from __future__ import annotations

import pytest

from pytest_isolation.targets.select import command_targets, named_target


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program is there but one."""
    monkeypatch.setattr(
        "pytest_isolation.targets.target.find_program", lambda name: None if name == "absent" else f"/bin/{name}"
    )


@pytest.mark.parametrize(
    ("commands", "ids"),
    [
        (["docker run me/app:1"], ["run:app"]),
        (["web=docker run me/app"], ["run:web"]),
        (
            ["docker run me/app", "docker run --read-only me/app", "podman run app"],
            ["run:app", "run:app-2", "run:app-3"],
        ),
        (["bwrap -- {probe}", "a.b=bwrap -- {probe}"], ["run:bwrap", "run:a.b"]),
        (["./jail -x=y {probe}"], ["run:jail"]),
        ([], []),
    ],
)
def test_each_command_line_is_a_column(commands: list[str], ids: list[str]) -> None:
    targets = command_targets(commands)

    assert [target.id for target in targets] == ids
    assert all(target.named and target.host == "local" and target.command for target in targets)
    assert [named_target(one.id, "local", one.command) for one in targets] == targets


def test_a_column_keeps_the_command_line_and_what_was_changed_of_it() -> None:
    (target,) = command_targets(["web=docker run -d me/app"])

    assert target.command == "docker run -d me/app"
    assert target.changed == ("-d taken out",)


@pytest.mark.parametrize(
    ("commands", "error"),
    [
        (["bwrap --unshare-all"], "it has no {probe}"),
        (["web=docker run a", "web=docker run b"], "two command lines are called 'web'"),
        (["absent {probe}"], "absent is not installed"),
        (["web="], "it is empty"),
    ],
)
def test_what_cannot_be_started_is_refused_in_one_line(commands: list[str], error: str) -> None:
    with pytest.raises(pytest.UsageError, match=r"^--isolation-run: ") as caught:
        command_targets(commands)

    assert error in str(caught.value)
    assert "\n" not in str(caught.value)
