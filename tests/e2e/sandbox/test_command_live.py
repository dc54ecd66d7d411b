"""A user's own command line starts the sandbox: an engine's `run`, and programs that nobody described."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator

import pytest
from others import run
from residue import ARGS, Home
from users_engine import UsersEngine, pytest_run, session, still_mounts, users_engine

from provisioner.images import image
from provisioner.images.busybox import find_shell
from provisioner.paths import ROLES
from provisioner.probe.build import probe_binary
from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE

IMAGE = "localhost/isolation-users-app:1.4"
UNSHARE = "unshare --user --map-root-user --mount --pid --ipc --uts --net --fork --kill-child --mount-proc"
BWRAP = "bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc"
JAILS = {"unshare": UNSHARE, "bwrap": BWRAP}
OPENED = {"unshare": UNSHARE.replace(" --net", ""), "bwrap": f"{BWRAP} --share-net"}


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> str:
    """The session's first runtime."""
    state = request.config.stash.get(STATE, None)
    if state is None:
        pytest.skip(OFF)
    return next(iter(state.targets.values())).runtime.name


@pytest.fixture
def home(runtime: str) -> Iterator[Home]:
    made = Home(runtime)
    yield made
    made.remove()


@pytest.fixture
def jail(runtime: str) -> str:
    """A command line without an engine, up to the program."""
    if runtime not in JAILS:
        pytest.skip(f"no command line of '{runtime}' is tried here: --isolation-runtime={','.join(JAILS)}")
    return JAILS[runtime]


@pytest.fixture
def engine(runtime: str, home: Home) -> Iterator[UsersEngine]:
    """An engine with a user's image in its storage."""
    if runtime not in ("docker", "podman"):
        pytest.skip(f"'{runtime}' is no engine: --isolation-runtime=docker or podman+runc")
    with users_engine(runtime, home) as engine:
        engine.load(IMAGE, image.archive(probe_binary().path, IMAGE, shell=find_shell()))
        yield engine


def test_a_program_that_nobody_described_is_looked_at_and_not_judged(home: Home, runtime: str, jail: str) -> None:
    done, cells = session(
        home, f"--isolation-run={jail} -- {{probe}}", f"--isolation-run=open={OPENED[runtime]} -- {{probe}}"
    )
    column = f"run:{runtime}"

    assert done.returncode == 0, done.stdout + done.stderr
    assert {target for _, target in cells} == {column, "run:open"}
    assert cells["ns.net", column]["verdict"] == "holds"
    assert cells["ns.net", "run:open"]["verdict"] == "open"
    assert cells["ns.pid", "run:open"]["verdict"] == "holds"
    assert cells["lim.memory", column]["reason"].startswith("limit=none")
    assert f"{column} has no policy: " in done.stdout
    assert "is started by: " in done.stdout


def test_a_profile_judges_it_and_workers_of_xdist_know_it(home: Home, runtime: str, jail: str) -> None:
    command = f"--isolation-run=box={OPENED[runtime]} -- {{probe}}"
    done, cells = session(home, command, "--isolation-profile=baseline@1", "-n", "2")

    assert done.returncode == 1, done.stdout + done.stderr
    assert cells["ns.net", "run:box"]["judgement"] == "finding"
    assert cells["ns.pid", "run:box"]["judgement"] == "ok"


def test_init_accepts_todays_state_and_the_next_run_tells_what_was_lost(home: Home, runtime: str, jail: str) -> None:
    args = [*ARGS, f"--rootdir={home.path}"]
    argv = [sys.executable, "-m", "pytest_isolation", "init", f"--isolation-run=box={jail} -- {{probe}}", *args]
    with still_mounts(home) as within:
        run([*within, *argv], home.environment, home.path)
        file = home.path / "isolation.yaml"

        same, _ = session(home, "--isolation=container", within=within)
        file.write_text(file.read_text().replace(jail, OPENED[runtime]))
        weaker, cells = session(home, "--isolation=container", within=within)

    assert same.returncode == 0, same.stdout + same.stderr
    assert "accepted lines without a reason" in same.stdout
    assert weaker.returncode == 1, weaker.stdout + weaker.stderr
    assert cells["ns.net", "run:box"]["judgement"] == "finding"
    assert cells["ns.net", "run:box"]["reason"].endswith("lost: isolation.yaml does not accept it")
    assert cells["ns.pid", "run:box"]["judgement"] == "ok"


@pytest.mark.parametrize(
    "wrapper",
    [
        "sh -c 'echo a banner; echo more >&2; exec {probe}'",
        "sh -c 'cd /; exec env -i {probe}'",
        "sh -c '{probe}; exit 7'",
        "env A={{x}} {probe-file} serve",
    ],
)
def test_what_wrappers_do_is_survived_or_told(home: Home, jail: str, wrapper: str) -> None:
    (home.path / "test_own.py").write_text("def test_it(sandbox):\n    assert sandbox.system.tasks\n")
    done = pytest_run(home, f"--isolation-run=box={jail} -- {wrapper}", "test_own.py")

    if wrapper.endswith("serve"):
        assert done.returncode == 4, done.stdout + done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.strip()]
        assert line.startswith("ERROR: cannot start")
    else:
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_engines_run_is_judged_as_the_user_starts_it(home: Home, engine: UsersEngine) -> None:
    sound = f"{engine.run} -d --restart=no --network none --memory 64m --pids-limit 30 --read-only {IMAGE} /bin/sh"
    weak = f"{engine.run} -it --network none --pid=host {IMAGE}"
    done, cells = session(home, f"--isolation-run={sound}", f"--isolation-run=weak={weak}")
    column = "run:isolation-users-app"

    assert done.returncode == 1, done.stdout + done.stderr
    limits = {name: cells[f"lim.{name}", column] for name in ("memory", "pids")}
    if os.geteuid() == 0:
        assert {one["verdict"] for one in limits.values()} == {"holds"}, limits
    assert cells["mnt.rootfs_ro", column]["verdict"] == "holds"
    assert cells["mnt.host_paths", column]["verdict"] == "holds"
    assert cells["ns.pid", column]["verdict"] == "holds"
    assert cells["ns.pid", "run:weak"]["judgement"] == "finding"
    assert not [one for one in cells.values() if one["target"] == column and one["judgement"] == "finding"]
    assert f"{column}: --restart=no taken out" in done.stdout
    assert f"{column}: /bin/sh replaced by the probe" in done.stdout
    assert re.search(rf"run:weak: \d+ weaker than a fresh {engine.name}(\+runc)? \(ns.pid, ", done.stdout), done.stdout
    assert engine.containers(IMAGE) == ""  # the daemon may have containers of others


def test_a_container_that_differs_from_the_untouched_command_line_is_one_line(home: Home, engine: UsersEngine) -> None:
    shutil.copytree(ROLES / engine.name, home.path / "roles" / engine.name)
    role = home.path / "roles" / engine.name / "runtime.yaml"
    role.write_text(
        role.read_text().replace("    - --interactive\n", "    - --interactive\n    - --cap-add=SYS_ADMIN\n")
    )
    (home.path / "test_own.py").write_text("def test_it(sandbox):\n    assert sandbox.system.tasks\n")
    command = f"--isolation-run=app={engine.run} --network none --memory 64m -v /srv:/srv:ro {IMAGE} /bin/sh"

    sound = pytest_run(home, command, "test_own.py")
    done = pytest_run(home, command, f"--isolation-roles={home.path}/roles", "test_own.py")

    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert done.returncode == 4, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert "with the probe it makes another container of the command line: " in line
    assert "SYS_ADMIN" in line
    assert engine.containers(IMAGE) == ""
