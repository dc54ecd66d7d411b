"""A user's own command line starts the sandbox: an engine's `run`, and programs that nobody described."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from others import PODMAN, RLIMITS, run
from residue import ARGS, Home

from provisioner.files.maker import temporary_folder
from provisioner.images import image
from provisioner.images.busybox import find_shell
from provisioner.probe.build import probe_binary
from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE

IMAGE = "localhost/isolation-users-app:1.4"
UNSHARE = "unshare --user --map-root-user --mount --pid --ipc --uts --net --fork --kill-child --mount-proc"
BWRAP = "bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc"
JAILS = {"unshare": UNSHARE, "bwrap": BWRAP}
OPENED = {"unshare": UNSHARE.replace(" --net", ""), "bwrap": f"{BWRAP} --share-net"}
Cells = dict[tuple[str, str], dict[str, Any]]


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
def engine(runtime: str, home: Home) -> Iterator[str]:
    """An engine's command line up to its options, with a user's image in the engine's storage."""
    if runtime not in ("docker", "podman"):
        pytest.skip(f"'{runtime}' is no engine: --isolation-runtime=docker or podman+runc")
    words = ["docker"] if runtime == "docker" else list(PODMAN)
    with temporary_folder(Path("/tmp")) as folder:
        if runtime == "podman":
            conf = folder / "storage.conf"
            # podman waits 20 s for a container's end in a folder for its state of more than 50 characters
            roots = f'graphroot = "{folder}/root"\nrunroot = "{home.path}/run-podman"\n'
            conf.write_text(f'[storage]\ndriver = "vfs"\n{roots}')
            home.environment["CONTAINERS_STORAGE_CONF"] = str(conf)
        archive = folder / "image.tar"
        archive.write_bytes(image.archive(probe_binary().path, IMAGE, shell=find_shell()))
        run([*words, "load", "--quiet", "--input", str(archive)], home.environment)
        try:
            yield " ".join([*words, "run", *(RLIMITS if runtime == "podman" else ())])
        finally:
            subprocess.run([*words, "rmi", IMAGE], capture_output=True, timeout=300, env=home.environment)


def session(home: Home, *args: str) -> tuple[subprocess.CompletedProcess[str], Cells]:
    """Run the bundled suite; return the run, and its cells by check and target."""
    argv = [sys.executable, "-m", "pytest", *ARGS, f"--rootdir={home.path}", "--isolation-report=report", *args]
    done = subprocess.run(
        [*argv, "--pyargs", "pytest_isolation.suite"],
        capture_output=True,
        text=True,
        timeout=900,
        cwd=home.path,
        env=home.environment,
        stdin=subprocess.DEVNULL,
    )
    file = Path(home.path, "report", "results.json")
    assert file.exists(), done.stdout + done.stderr
    document = json.loads(file.read_text())
    return done, {(cell["check"], cell["target"]): cell for cell in document["cells"]}


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
    argv = [sys.executable, "-m", "pytest", *ARGS, f"--rootdir={home.path}", f"--isolation-run=box={jail} -- {wrapper}"]
    (home.path / "test_own.py").write_text("def test_it(sandbox):\n    assert sandbox.system.tasks\n")
    done = subprocess.run(
        [*argv, "test_own.py"],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=home.path,
        env=home.environment,
        stdin=subprocess.DEVNULL,
    )

    if wrapper.endswith("serve"):
        assert done.returncode == 4, done.stdout + done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.strip()]
        assert line.startswith("ERROR: cannot start")
    else:
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_engines_run_is_judged_as_the_user_starts_it(home: Home, runtime: str, engine: str) -> None:
    sound = f"{engine} -d --restart=no --network none --memory 64m --pids-limit 30 --read-only {IMAGE} /bin/sh"
    weak = f"{engine} -it --network none --pid=host {IMAGE}"
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
    listed = [*engine.split()[: engine.split().index("run")], "ps", "--all", "--quiet", "--filter", f"ancestor={IMAGE}"]
    assert run(listed, home.environment) == ""  # the daemon may have containers of others
