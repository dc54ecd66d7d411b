"""A user's image, from an engine's storage or an archive: started as its plain `run` would, and judged."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence

import pytest
from residue import Home
from users_engine import UsersEngine, pytest_run, session, users_engine

from provisioner.images.image import FOLDERS, Item, archive_of
from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE

REF = "localhost/isolation-users-image:1"
PASSWD = Item("etc/passwd", stat.S_IFREG | 0o644, b"root:x:0:0::/:/bin/sh\napp:x:1234:5678::/:/bin/sh\n")
GROUP = Item("etc/group", stat.S_IFREG | 0o644, b"root:x:0:\napp:x:5678:\n")
DISTROLESS = [*(Item(name, stat.S_IFDIR | mode) for name, mode in FOLDERS.items()), PASSWD, GROUP]
# the image's configuration, its files, its architecture, the options of its run, and what holds in the sandbox
IMAGES: dict[str, tuple[Mapping[str, object], Sequence[Item], str | None, str, str]] = {
    "from scratch": ({}, [], None, "", "sandbox.process.uid == [0, 0, 0, 0]"),
    "distroless": ({"Entrypoint": ["/app"]}, DISTROLESS, None, "", "sandbox.process.exe == '/probe'"),
    "of another architecture": ({}, [], "aarch64", "", "sandbox.system.tasks"),
    "with ONBUILD": ({"OnBuild": ["RUN false"]}, [], None, "", "sandbox.system.tasks"),
    "with HEALTHCHECK": (
        {"Healthcheck": {"Test": ["CMD", "/no"], "Interval": 1_000_000_000, "Retries": 1}},
        [],
        None,
        "",
        "sandbox.system.tasks",
    ),
    "with STOPSIGNAL": ({"StopSignal": "SIGRTMIN+3"}, [], None, "", "sandbox.system.tasks"),
    "with USER by name": ({"User": "app"}, DISTROLESS, None, "", "sandbox.process.uid == [1234] * 4"),
    "with USER by name and group": ({"User": "app:app"}, DISTROLESS, None, "", "sandbox.process.gid == [5678] * 4"),
    "with VOLUME at the probe's path": ({"Volumes": {"/probe": {}}}, [], None, "", "sandbox.process.exe == '/probe'"),
    "with VOLUME": (
        {"Volumes": {"/data": {}}},
        [],
        None,
        "",
        "any(one.target == '/data' for one in sandbox.process.mounts)",
    ),
    "with ENV and WORKDIR": ({"Env": ["A=b"], "WorkingDir": "/srv/x"}, [], None, "", "sandbox.system.tasks"),
    "with a read-only root": (
        {},
        DISTROLESS,
        None,
        "--read-only",
        "'ro' in next(one for one in sandbox.process.mounts if one.target == '/').options",
    ),
}


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[UsersEngine]:
    """The engine of the session's first runtime, without an image."""
    state = request.config.stash.get(STATE, None)
    if state is None:
        pytest.skip(OFF)
    runtime = next(iter(state.targets.values())).runtime.name
    if runtime not in ("docker", "podman"):
        pytest.skip(f"'{runtime}' is no engine: --isolation-runtime=docker or podman+runc")
    home = Home(runtime)
    with users_engine(runtime, home) as engine:
        yield engine
    home.remove()


def own_test(home: Home, expression: str) -> str:
    path = home.path / "test_own.py"
    path.write_text(f"def test_it(sandbox):\n    assert {expression}\n")
    return path.name


def test_an_image_of_any_kind_is_started_as_it_is(engine: UsersEngine) -> None:
    commands, refs = [], []
    lines = ["def test_it(sandbox):"]
    for number, (kind, (config, items, machine, options, expression)) in enumerate(IMAGES.items()):
        refs.append(engine.load(f"{REF}.{number}", archive_of(items, f"{REF}.{number}", config, machine)))
        commands.append(f"--isolation-run=kind-{number}={engine.run} --network none {options} {refs[-1]}")
        lines.append(f"    assert sandbox.target.id != 'run:kind-{number}' or ({expression}), {kind!r}")
    (engine.home.path / "test_own.py").write_text("\n".join(lines))

    done = pytest_run(engine.home, *commands, "test_own.py")

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(IMAGES)} passed" in done.stdout
    assert [engine.containers(ref) for ref in refs] == [""] * len(refs)


def test_a_user_that_the_image_does_not_know_is_one_line(engine: UsersEngine) -> None:
    engine.load(REF, archive_of([], REF, {"User": "nobody-knows"}))

    done = pytest_run(engine.home, f"--isolation-run=app={engine.run} {REF}", own_test(engine.home, "True"))

    assert done.returncode == 4, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert "nobody-knows" in line


def test_an_image_in_the_storage_is_a_column_of_its_engine(engine: UsersEngine) -> None:
    engine.load(REF, archive_of(DISTROLESS, REF, {"User": "app"}))

    done, cells = session(engine.home, f"--isolation-image=own={REF}", "-n", "2")
    column = f"run:own-{engine.name}"

    assert done.returncode == 0, done.stdout + done.stderr
    assert cells["ns.pid", column]["verdict"] == "holds"
    assert cells["user.nonroot", column]["judgement"] in ("ok", "better")
    assert f"than a fresh {engine.name}" in done.stdout


def test_an_archive_is_loaded_for_the_run_and_gone_after_it(engine: UsersEngine) -> None:
    engine.load(REF, archive_of(DISTROLESS, REF, {"User": "1:1"}))  # the user's own, of the same name
    archive = engine.folder / "own.tar"
    archive.write_bytes(archive_of(DISTROLESS, REF, {"User": "app"}))
    before = engine.images()

    command = f"--isolation-run=own={engine.run} docker-archive:{archive}"
    done = pytest_run(engine.home, command, own_test(engine.home, "sandbox.process.uid == [1234] * 4"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert engine.images() == before
    assert f"{archive} loaded for the run" in done.stdout


def test_an_image_that_is_not_there_is_one_line(engine: UsersEngine) -> None:
    done = pytest_run(engine.home, "--isolation-image=localhost/isolation-absent:1", own_test(engine.home, "True"))

    assert done.returncode == 4, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert f"{engine.name}: it has no such image ({engine.name} pull localhost/isolation-absent:1)" in line
