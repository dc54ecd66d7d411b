"""`--isolation-attach` without a name: all sandboxes that run, each as a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from provisioner.connection.local import Completed
from provisioner.errors import IsolationError
from pytest_isolation.targets.running import expand_attached


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; each answers with three names."""
    argvs: list[list[str]] = []

    def run(self: object, argv: Sequence[str], *args: Any, **kwargs: Any) -> Completed:
        argvs.append(list(argv))
        return Completed((), 0, b"web\ndb\nisolation-0123abcd-4\n", b"")

    monkeypatch.setattr("provisioner.runtimes.engine.Engine.run", run)
    return argvs


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("docker:", ["docker", "ps", "--format", "{{.Names}}"]),
        ("podman:", ["podman", "ps", "--format", "{{.Names}}"]),
        ("runc:", ["runc", "list", "--quiet"]),
        ("runc:/run/other/", ["runc", "--root", "/run/other", "list", "--quiet"]),
        ("lxc:/var/x/", ["lxc-ls", "--lxcpath", "/var/x", "--running", "--line"]),
    ],
)
def test_a_text_without_a_name_stands_for_all_that_run_but_ours(
    asked: list[list[str]], text: str, argv: list[str]
) -> None:
    assert list(expand_attached([text])) == [f"{text}db", f"{text}web"]
    assert asked == [argv]


@pytest.mark.parametrize("text", ["docker:web", "runc:/run/other/web", "pid:4242", "dokcer:", "qemu:", "docker", ""])
def test_every_other_text_is_left_to_what_reads_names(asked: list[list[str]], text: str) -> None:
    assert list(expand_attached([text])) == [text]
    assert not asked


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Completed((), 0, b"", b""), "no sandbox of 'docker:' runs"),
        (Completed((), 0, b"isolation-0123abcd-4\n", b""), "no sandbox of 'docker:' runs"),
        (Completed((), 0, b" ".join(b"c%d" % n for n in range(65)), b""), "65 sandboxes of 'docker:' run"),
        (
            Completed((), 1, b"", b"Cannot connect to the Docker daemon at x"),
            "its daemon is not running; systemctl start",
        ),
        (Completed((), 1, b"", b"strange"), "cannot list the sandboxes of 'docker': strange"),
        (IsolationError("cannot run 'docker': it is not installed"), "it is not installed"),
    ],
)
def test_what_cannot_be_listed_is_one_line(
    monkeypatch: pytest.MonkeyPatch, answer: Completed | IsolationError, error: str
) -> None:
    def run(*args: Any, **kwargs: Any) -> Completed:
        if isinstance(answer, IsolationError):
            raise answer
        return answer

    monkeypatch.setattr("provisioner.runtimes.engine.Engine.run", run)
    with pytest.raises(pytest.UsageError, match=r"^--isolation-attach: ") as caught:
        list(expand_attached(["docker:"]))

    assert error in str(caught.value)
    assert "\n" not in str(caught.value)
