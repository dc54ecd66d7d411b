"""pytest_isolation.targets.images: each engine that has an image is a column, and the others say why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from provisioner.connection.local import Completed
from pytest_isolation.options import RunOptions
from pytest_isolation.targets.images import with_images
from pytest_isolation.targets.select import select_targets

Answer = Callable[[Sequence[str]], tuple[int, str]]


def asked(*images: str) -> RunOptions:
    return RunOptions(kinds=("container",), images=images, only_named=True)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, str]]:
    """The installed engines, and what each answers when it is asked for an image; a test fills it."""
    answers: dict[str, tuple[int, str]] = {}

    def run(self: object, argv: Sequence[str], seconds: float) -> Completed:
        assert list(argv[1:3]) == ["image", "inspect"]
        status, errors = answers[argv[0]]
        return Completed(tuple(argv), status, b"", errors.encode())

    monkeypatch.setattr("provisioner.runtimes.engine.Engine.run", run)
    monkeypatch.setattr(
        "pytest_isolation.targets.target.find_program", lambda name: f"/bin/{name}" if name in answers else None
    )
    return answers


def test_each_engine_that_has_the_image_is_a_column(engines: dict[str, tuple[int, str]]) -> None:
    engines |= {"docker": (0, ""), "podman": (0, "")}

    options, skipped = with_images(asked("me/app:1.4", "web=me/web"))

    assert [target.id for target in select_targets(options)[0]] == [
        "run:app-docker",
        "run:app-podman",
        "run:web-docker",
        "run:web-podman",
    ]
    assert options.commands[1] == "app-podman=podman run me/app:1.4"
    assert skipped == []


@pytest.mark.parametrize(
    ("answer", "reason", "mend"),
    [
        (None, "podman is not installed", "apt-get install"),
        ((125, "Error: me/app: image not known"), "it has no such image", "podman pull me/app"),
    ],
)
def test_an_engine_without_it_is_left_out_with_the_reason(
    engines: dict[str, tuple[int, str]], answer: tuple[int, str] | None, reason: str, mend: str
) -> None:
    engines |= {"docker": (0, "")} | ({"podman": answer} if answer else {})

    options, (skipped,) = with_images(asked("me/app"))

    assert [target.id for target in select_targets(options)[0]] == ["run:app-docker"]
    assert (skipped.what, skipped.reason) == ("app-podman", reason)
    assert mend in skipped.mend


def test_no_engine_with_the_image_is_one_line(engines: dict[str, tuple[int, str]]) -> None:
    engines["docker"] = (1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")

    with pytest.raises(pytest.UsageError) as caught:
        with_images(asked("me/app"))

    assert str(caught.value).startswith("--isolation-image: no engine here has 'me/app': docker: its daemon is not ")
    assert "podman is not installed" in str(caught.value)


def test_an_archive_goes_to_each_engine_that_is_installed(engines: dict[str, tuple[int, str]], tmp_path: Path) -> None:
    engines |= {"docker": (1, "not asked"), "podman": (1, "not asked")}
    archive = tmp_path / "my app.tar"
    archive.touch()

    options, _ = with_images(asked(str(archive)))
    targets, _ = select_targets(options)

    assert [target.id for target in targets] == ["run:my-app-docker", "run:my-app-podman"]
    assert {target.runtime.own_archive for target in targets} == {str(archive)}
    assert targets[0].changed == (f"{archive} loaded for the run",)
    assert targets[1].runtime.import_ is not None
    assert targets[1].runtime.import_[:3] == ["podman", "load", "--quiet"]


def test_a_file_that_is_not_there_is_no_image(engines: dict[str, tuple[int, str]]) -> None:
    engines |= {"docker": (0, ""), "podman": (0, "")}

    with pytest.raises(pytest.UsageError, match=r"no file './app.tar' \(docker save --output ./app.tar IMAGE\)"):
        with_images(asked("./app.tar"))
